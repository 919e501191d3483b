//! Which delimiter and which line ends, from the first 64 KiB.

use crate::Unreadable;
use crate::cells::split;
use crate::frame::{Framer, LineEnds};

/// How much text is looked at.
pub(crate) const LEAD: usize = 64 * 1024;

/// How many records of it.
const RECORDS: usize = 100;

/// From the one most seldom met in prose and numbers to the comma: if all else is equal, the first.
const CANDIDATES: [u8; 4] = [b'\t', b'|', b';', b','];

/// Whether a byte can be a delimiter at all: ASCII, and no letter, digit, quote or line end.
pub(crate) fn fit(delimiter: u8) -> Result<u8, Unreadable> {
    let sign = delimiter.is_ascii_punctuation() || delimiter == b'\t' || delimiter == b' ';
    if sign && delimiter != b'"' { Ok(delimiter) } else { Err(Unreadable::Delimiter) }
}

/// The delimiter of a first line `sep=X`, if there is one, and where the next line begins. A program that fills short rows
/// up may have put delimiters behind it.
pub(crate) fn declared(lead: &str) -> Result<Option<(u8, usize)>, Unreadable> {
    let Some(said) = lead.get(4..).filter(|_| lead[..4].eq_ignore_ascii_case("sep=")) else {
        return Ok(None);
    };
    let line = &said[..said.find(['\r', '\n']).unwrap_or(said.len())];
    let mut letters = line.chars();
    let Some(first) = letters.next().filter(|first| letters.all(|other| other == *first)) else {
        return Ok(None);
    };
    let delimiter = fit(u8::try_from(first).map_err(|_| Unreadable::Delimiter)?)?;
    let end = 4 + line.len();
    let next = match lead.as_bytes().get(end..) {
        Some([b'\r', b'\n', ..]) => 2,
        Some([_, ..]) => 1,
        _ => 0,
    };
    Ok(Some((delimiter, end + next)))
}

/// A lone CR ends a line only in a file in whose beginning, outside of quotes, there is no LF.
pub(crate) fn line_ends(lead: &str, delimiter: Option<u8>) -> LineEnds {
    let mut quoted = false;
    let mut before = b'\n';
    let mut lone = false;
    for byte in lead.bytes() {
        let opens = matches!(before, b'\n' | b'\r' | b'"')
            || CANDIDATES.contains(&before)
            || delimiter == Some(before);
        match byte {
            b'"' if quoted || opens => quoted = !quoted,
            b'\n' if !quoted => return LineEnds::Lf,
            b'\r' if !quoted => lone = true,
            _ => {}
        }
        before = byte;
    }
    if lone { LineEnds::Cr } else { LineEnds::Lf }
}

/// The delimiter under which the records agree best: the fewest with odd quotes, then the most as wide as the header,
/// then the widest header. A comma if none splits the header: one column. `ended`: the lead is the whole file.
pub(crate) fn delimiter(lead: &str, line_ends: LineEnds, ended: bool) -> u8 {
    let scored =
        CANDIDATES.into_iter().rev().map(|candidate| (score(lead, candidate, line_ends, ended), candidate));
    scored.max_by_key(|(score, _)| *score).filter(|(score, _)| score.is_some()).map_or(b',', |(_, best)| best)
}

/// The more, the likelier: records without odd quotes (in thousandths), as wide as the header (in thousandths), the
/// header's width. None: it does not split the header.
fn score(lead: &str, delimiter: u8, line_ends: LineEnds, ended: bool) -> Option<(usize, usize, usize)> {
    let mut records = measure(lead, delimiter, line_ends, ended);
    if records.is_empty() {
        records = vec![cut(lead, delimiter, line_ends)];
    }
    let width = records.first().map(|record| record.width).filter(|width| *width > 1)?;
    let share = |is: &dyn Fn(&Measured) -> bool| {
        records.iter().filter(|record| is(record)).count() * 1000 / records.len()
    };
    Some((share(&|record| !record.odd), share(&|record| record.width == width), width))
}

struct Measured {
    width: usize,
    odd: bool,
}

/// The first record, longer than what is looked at. That a quote is open where it was cut says nothing.
fn cut(lead: &str, delimiter: u8, line_ends: LineEnds) -> Measured {
    let mut framer = Framer::new(delimiter, line_ends, 0, 1);
    while framer.next(lead.as_bytes(), false).is_some() {}
    let (from, odd) = framer.unfinished();
    let (cells, more) = split(&lead[from..], delimiter);
    Measured { width: cells.len() + usize::from(more), odd }
}

fn measure(lead: &str, delimiter: u8, line_ends: LineEnds, ended: bool) -> Vec<Measured> {
    let mut framer = Framer::new(delimiter, line_ends, 0, 1);
    let frames = std::iter::from_fn(|| framer.next(lead.as_bytes(), ended));
    let records = frames.filter(|frame| !blank(&lead[frame.text.clone()], delimiter)).take(RECORDS);
    records
        .map(|frame| {
            let (cells, more) = split(&lead[frame.text.clone()], delimiter);
            Measured { width: cells.len() + usize::from(more), odd: frame.stray || frame.fault.is_some() }
        })
        .collect()
}

/// Whether a line is nothing but delimiters and blanks. Quotes are something: `""` is a record with an empty cell.
pub(crate) fn blank(line: &str, delimiter: u8) -> bool {
    line.chars().all(|c| c == char::from(delimiter) || c.is_whitespace())
}
