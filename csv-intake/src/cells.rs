//! A framed record to its cells.
//!
//! Not by csv-core, against which it is tested: that would drop a mark (U+FEFF) at the start of every record, skips
//! blank lines, and copies what is only cut here.

use crate::{MOST_CELLS, formula};

/// The cells, at most [`MOST_CELLS`], and whether there were more. A record that is faulty is split as well as can be.
pub(crate) fn split(record: &str, delimiter: u8) -> (Vec<String>, bool) {
    let mut cells = Vec::new();
    let mut rest = Some(record);
    while let Some(text) = rest {
        if cells.len() == MOST_CELLS {
            return (cells, true);
        }
        let (cell, more) = match text.strip_prefix('"') {
            Some(inside) => quoted(inside, delimiter),
            None => bare(text, delimiter),
        };
        cells.push(cell);
        rest = more;
    }
    (cells, false)
}

/// A cell up to the delimiter, and what follows that.
fn bare(text: &str, delimiter: u8) -> (String, Option<&str>) {
    let (cell, rest) = match text.bytes().position(|byte| byte == delimiter) {
        Some(end) => (&text[..end], Some(&text[end + 1..])),
        None => (text, None),
    };
    (formula::plain(cell).into_owned(), rest)
}

/// A cell whose opening quote was read. What stands between its closing quote and the delimiter is kept: it is a fault.
fn quoted(mut text: &str, delimiter: u8) -> (String, Option<&str>) {
    let mut cell = String::new();
    while let Some(end) = text.find('"') {
        cell.push_str(&text[..end]);
        text = &text[end + 1..];
        let Some(more) = text.strip_prefix('"') else {
            let (junk, rest) = match text.bytes().position(|byte| byte == delimiter) {
                Some(end) => (&text[..end], Some(&text[end + 1..])),
                None => (text, None),
            };
            cell.push_str(junk);
            return (formula::plain(&cell).into_owned(), rest);
        };
        cell.push('"');
        text = more;
    }
    cell.push_str(text);
    (formula::plain(&cell).into_owned(), None)
}
