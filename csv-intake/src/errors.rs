//! What can be wrong with a file or a row, in words that say what to do. No value of the file is ever in them.

use crate::{LARGEST_RECORD, MOST_CELLS};

/// Why a file cannot be read at all. The text is for the person who sent the file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// No bytes, or nothing but blanks, delimiters and line ends.
    #[error("the file is empty: export it again, with a line of headers and a line for each patient")]
    Empty,
    /// XLSX, ODS or XLS.
    #[error(
        "this is a workbook (Excel, LibreOffice, Numbers), not a CSV: open it and save it as \"CSV UTF-8\""
    )]
    Workbook,
    /// A ZIP in which no workbook is.
    #[error("this is a ZIP archive: unpack it and send the CSV that is in it")]
    Zip,
    /// Gzip and other packers.
    #[error("this is a packed file: unpack it and send the CSV that is in it")]
    Packed,
    /// A document to print.
    #[error("this is a PDF: export the list as CSV instead of printing it")]
    Pdf,
    /// A word processor's file.
    #[error("this is a text document (RTF), not a CSV: save the list as \"CSV UTF-8\"")]
    RichText,
    /// HTML or XML.
    #[error(
        "this is a web page or XML, not a CSV: look whether the download asked for a login, and export as CSV"
    )]
    Markup,
    /// JSON.
    #[error("this is JSON, not a CSV: export the list as CSV, with a line of headers")]
    Json,
    /// Every other byte is zero and no mark says why.
    #[error(
        "this looks like UTF-16 without its mark: save it as \"CSV UTF-8\", or say encoding=utf-16le or utf-16be"
    )]
    Utf16WithoutMark,
    /// Four bytes for each letter.
    #[error("this is UTF-32: save it as \"CSV UTF-8\"")]
    Utf32,
    /// UTF-8 in one place and something else in another.
    #[error(
        "line {line}: the file mixes UTF-8 with another encoding, so some letters would come out wrong: export it \
         again as \"CSV UTF-8\", or say its encoding, such as encoding=windows-1252"
    )]
    MixedEncoding {
        /// The line of the file, from 1.
        line: u64,
    },
    /// Neither UTF-8 nor windows-1252, and nothing says what else.
    #[error(
        "line {line}: the file is neither UTF-8 nor windows-1252: export it as \"CSV UTF-8\", or say its encoding, \
         such as encoding=windows-1251"
    )]
    UnknownLetters {
        /// The line of the file, from 1.
        line: u64,
    },
    /// Bytes that the encoding that was said, or that the mark says, does not have.
    #[error("line {line}: not {encoding}: export it as \"CSV UTF-8\", or say another encoding")]
    NotInEncoding {
        /// The line of the file, from 1.
        line: u64,
        /// The encoding's name.
        encoding: &'static str,
    },
    /// The encoding that was said is none.
    #[error(
        "there is no such encoding: say encoding=utf-8, windows-1252 or another label of the WHATWG standard"
    )]
    UnknownEncoding,
    /// The delimiter that was said, or stands in `sep=`, can be none.
    #[error("this cannot be a delimiter: say delimiter=, or ; or | or tab")]
    Delimiter,
    /// The header has more than [`MOST_CELLS`] columns.
    #[error("there are more than {MOST_CELLS} columns: export only those that are needed")]
    TooManyColumns,
    /// The header itself is faulty, so no row can be understood.
    #[error("line {line}, the headers: {fault}")]
    Header {
        /// The line of the file, from 1.
        line: u64,
        /// What is wrong with it.
        fault: Fault,
    },
}

/// Why a row cannot be trusted. The rows around it are read. Columns count from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A quoted cell that begins in this line is never closed, or something follows its closing quote.
    #[error(
        "the quote that opens column {column} is not closed well: close it before the delimiter, \
         and double every quote inside it"
    )]
    Quote {
        /// The column of this line whose quote it is.
        column: usize,
    },
    /// More than [`LARGEST_RECORD`] bytes.
    #[error(
        "this row is longer than {LARGEST_RECORD} bytes: shorten it, or look for a quote that is never closed"
    )]
    TooLong,
    /// More than [`MOST_CELLS`] cells.
    #[error("this row has more than {MOST_CELLS} cells: look for delimiters that belong into quotes")]
    TooManyCells,
    /// A zero byte, which no text has.
    #[error("column {column} has a zero byte in it: export the file again, or remove it")]
    Nul {
        /// The first column with one.
        column: usize,
    },
}
