//! CSV as clinics really export it: read in pieces of any size, in bounded memory, and never by a guess that
//! nobody is told of; and written so that no spreadsheet runs it.
//!
//! Pure: no files, no sockets, no clock. Push bytes as they come, take records until there are none, push more:
//!
//! ```
//! # fn main() -> Result<(), csv_intake::Unreadable> {
//! let mut intake = csv_intake::Intake::new(csv_intake::Hints::default())?;
//! for piece in [&b"Name;Birth"[..], b" date\r\nJ\xf6rg;31.12.1970\r\n"] {
//!     intake.push(piece)?;
//!     while let Some(_record) = intake.next()? {}
//! }
//! intake.end()?;
//! let header = intake.next()?.expect("the first record");
//! assert_eq!(header.cells, ["Name", "Birth date"]);
//! let row = intake.next()?.expect("a row");
//! assert_eq!((row.line, row.cells[0].as_str()), (2, "Jörg"));
//! assert_eq!((intake.found().encoding, intake.found().delimiter), ("windows-1252", b';'));
//! # Ok(())
//! # }
//! ```
//!
//! The layers, a file each: `decode` makes bytes text, `sniff` finds delimiter and line ends, `frame` finds
//! where a record ends, `cells` splits it, `refuse` knows what is no CSV at all. [`dates`] decides a column's order of
//! day and month, [`formula`] knows what a spreadsheet would run, [`write_row`] writes.
//!
//! To add a refusal: a variant in `errors`, the bytes it is known by in `refuse`, a line in `tests/intake/refused.rs`.

mod cells;
pub mod dates;
mod decode;
mod errors;
pub mod formula;
mod frame;
mod intake;
mod refuse;
mod sniff;
mod write;

pub use errors::{Fault, Unreadable};
pub use intake::{Found, Hints, Intake, Record};
pub use write::write_row;

/// The most bytes of UTF-8 that a record may have, without its line end. Ten thousand characters of notes, which is what
/// a patient may have, are far below; a quote that is never closed is found after this much.
pub const LARGEST_RECORD: usize = 1 << 20;

/// The most cells that a record may have. Exports of whole databases have a few hundred columns.
pub const MOST_CELLS: usize = 1_000;
