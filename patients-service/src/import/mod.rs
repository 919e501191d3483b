//! A clinic's register, row by row: read, kept sealed, then carried out in steps that each commit whole.
//!
//! * [`options`]: what may be said beside a file; [`columns`]: which column is which.
//! * [`upload`]: a file that comes in, piece by piece; [`chunk`]: how its rows are kept; [`row`]: one of them.
//! * [`worker`] takes the job that waited longest; `carry_out` does its next chunk, `undo` takes an
//!   import back.
//! * [`register`]: whom rows can mean, dry runs laid over; [`decide`]: what becomes of a row.
//! * [`shown`]: what a person looks at first; [`result`]: the file that is corrected and sent again.
//!
//! An import survives any kill: the upload is in the database before it is answered, and each step
//! commits its rows' outcomes with the patients it makes.

mod carry_out;
pub mod chunk;
pub mod columns;
pub mod decide;
pub mod options;
pub mod register;
pub mod result;
pub mod row;
pub mod shown;
mod undo;
pub mod upload;
pub mod worker;
