//! The parser: bytes are pushed in, records are taken out.

use crate::cells::split;
use crate::decode::Decoder;
use crate::frame::{Frame, Framer};
use crate::{Fault, Unreadable, refuse, sniff};

/// What the caller knows about a file. What is not said is found out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hints {
    /// A label of the WHATWG encoding standard, such as `windows-1252`. Only a mark (BOM) at the start of the file is
    /// believed more.
    pub encoding: Option<String>,
    /// The delimiter; it is believed more than `sep=`.
    pub delimiter: Option<u8>,
}

/// A record of the file. The first one is the header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The line of the file in which it begins, from 1; a line `sep=` and blank lines count.
    pub line: u64,
    /// The cells, unquoted, and plain where they had been made inert ([`crate::formula::plain`]). As good as can be where
    /// there is a fault: the first line's cells, at most [`crate::MOST_CELLS`], none where the row was too long to keep. With
    /// [`Fault::Nul`] the zero bytes are in them.
    pub cells: Vec<String>,
    /// Why the cells cannot be trusted.
    pub fault: Option<Fault>,
}

/// What was found out about a file, so far; all of it once the first record was taken, except the counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// The encoding's name. It may still change from `UTF-8` to `windows-1252` at the first letter that is not ASCII.
    pub encoding: &'static str,
    /// Whether nothing but the letters says that this is the encoding: tell the person to look at them.
    pub guessed: bool,
    /// What stands between cells.
    pub delimiter: u8,
    /// Lines of nothing but delimiters and blanks, which are no records.
    pub blank_rows: u64,
    /// How many bytes were pushed.
    pub bytes: u64,
}

/// A CSV file that is being read.
pub struct Intake {
    hint: Option<u8>,
    decoder: Decoder,
    text: String,
    framer: Option<Framer>,
    delimiter: u8,
    ended: bool,
    header: bool,
    lead: usize,
    failed: Option<Unreadable>,
    blank_rows: u64,
    bytes: u64,
}

impl Intake {
    /// An intake of one file. Errors: an unknown encoding, a delimiter that can be none.
    pub fn new(hints: Hints) -> Result<Intake, Unreadable> {
        let hint = hints.delimiter.map(sniff::fit).transpose()?;
        Ok(Intake {
            hint,
            decoder: Decoder::new(hints.encoding.as_deref())?,
            text: String::new(),
            framer: None,
            delimiter: hint.unwrap_or(b','),
            ended: false,
            header: false,
            lead: sniff::LEAD,
            failed: None,
            blank_rows: 0,
            bytes: 0,
        })
    }

    /// Decides what the file is from so many bytes instead of 64 KiB: for tests of what comes after that, and for whoever
    /// wants the first records early. Before anything is pushed.
    pub fn deciding_after(mut self, bytes: usize) -> Intake {
        self.lead = bytes.min(sniff::LEAD);
        self.decoder.deciding_after(bytes);
        self
    }

    /// Takes the file's next bytes. Memory stays flat if the records are taken before more is pushed: a record of the
    /// largest size and as much again, besides the piece itself. What is wrong with the file is said by
    /// [`Intake::next`], in its turn; here, it is repeated.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), Unreadable> {
        self.still_well()?;
        self.make_room();
        self.bytes += bytes.len() as u64;
        self.decoder.push(bytes, &mut self.text, false);
        Ok(())
    }

    /// There are no more bytes. What is left is to be taken with [`Intake::next`].
    pub fn end(&mut self) -> Result<(), Unreadable> {
        self.still_well()?;
        if !self.ended {
            self.decoder.push(&[], &mut self.text, true);
            self.ended = true;
        }
        Ok(())
    }

    /// The next record. `None`: push more, or, after [`Intake::end`], it is over. An error ends the reading.
    #[expect(clippy::should_implement_trait, reason = "None may mean `not yet`, and a file can fail")]
    pub fn next(&mut self) -> Result<Option<Record>, Unreadable> {
        self.still_well()?;
        let taken = self.take();
        self.failed = taken.as_ref().err().cloned();
        taken
    }

    /// What is known so far.
    pub fn found(&self) -> Found {
        Found {
            encoding: self.decoder.encoding().name(),
            guessed: self.decoder.guessed(),
            delimiter: self.delimiter,
            blank_rows: self.blank_rows,
            bytes: self.bytes,
        }
    }

    /// How much memory is kept, in bytes. For tests that it is bounded.
    pub fn held(&self) -> usize {
        self.text.capacity() + self.decoder.held()
    }

    /// How many bytes of text were looked at to find where records end. For tests that reading is linear.
    pub fn scanned(&self) -> u64 {
        self.framer.as_ref().map_or(0, Framer::scanned)
    }

    fn still_well(&self) -> Result<(), Unreadable> {
        self.failed.clone().map_or(Ok(()), Err)
    }

    /// Cuts off what was taken, but not for every small piece: what is left would be moved each time.
    fn make_room(&mut self) {
        if let Some(framer) = self.framer.as_mut().filter(|framer| framer.start() >= self.text.len() / 2) {
            self.text.drain(..framer.start());
            framer.cut();
        }
    }

    fn take(&mut self) -> Result<Option<Record>, Unreadable> {
        let ended = self.ended && self.decoder.broken().is_none();
        if self.framer.is_none() {
            if self.text.len() < self.lead && !self.ended && self.decoder.broken().is_none() {
                return Ok(None);
            }
            self.framer = Some(self.settle(ended)?);
        }
        let Some(framer) = self.framer.as_mut() else { return Ok(None) };
        while let Some(frame) = framer.next(self.text.as_bytes(), ended) {
            let text = &self.text[frame.text.clone()];
            if frame.fault.is_none() && sniff::blank(text, self.delimiter) {
                self.blank_rows += 1;
                continue;
            }
            let record = record(text, &frame, self.delimiter);
            if !std::mem::replace(&mut self.header, true) {
                fit_for_headers(&record)?;
            }
            return Ok(Some(record));
        }
        match self.decoder.broken() {
            Some(broken) => Err(broken.at(framer.last_line(self.text.as_bytes()))),
            None if ended && !self.header => Err(Unreadable::Empty),
            None => Ok(None),
        }
    }

    /// Decides what the file is from its first text.
    fn settle(&mut self, ended: bool) -> Result<Framer, Unreadable> {
        // Some programs write the mark twice.
        let known = &self.text[..floor(&self.text, self.lead)];
        let lead = known.trim_start_matches('\u{feff}');
        let marks = known.len() - lead.len();
        refuse::text(lead)?;
        let declared = sniff::declared(lead)?;
        let line_ends = sniff::line_ends(lead, self.hint);
        let begin = declared.map_or(0, |(_, begin)| begin);
        let whole = ended && known.len() == self.text.len();
        self.delimiter = self
            .hint
            .or(declared.map(|(delimiter, _)| delimiter))
            .unwrap_or_else(|| sniff::delimiter(&lead[begin..], line_ends, whole));
        Ok(Framer::new(self.delimiter, line_ends, marks + begin, 1 + u64::from(declared.is_some())))
    }
}

/// The last place between letters at or before this one.
fn floor(text: &str, place: usize) -> usize {
    (0..=place.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

fn record(text: &str, frame: &Frame, delimiter: u8) -> Record {
    let (cells, more) = split(text, delimiter);
    let nul =
        || cells.iter().position(|cell| cell.contains('\0')).map(|place| Fault::Nul { column: place + 1 });
    let fault = frame.fault.or(more.then_some(Fault::TooManyCells)).or_else(nul);
    Record { line: frame.line, cells, fault }
}

/// Rows may be faulty, the header may not.
fn fit_for_headers(header: &Record) -> Result<(), Unreadable> {
    match header.fault {
        None => Ok(()),
        Some(Fault::TooManyCells) => Err(Unreadable::TooManyColumns),
        Some(fault) => Err(Unreadable::Header { line: header.line, fault }),
    }
}
