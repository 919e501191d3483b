//! A clinic's register, row by row: read, keep sealed, then carry out in batches that each commit whole.
//!
//! An import survives any kill: the upload is in the database before it is answered, and each batch
//! commits its rows' outcomes with the patients it makes.

pub mod columns;
pub mod decide;
pub mod reader;
pub mod worker;
