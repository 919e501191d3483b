//! Where a record ends. Quotes are read strictly: one opens a cell only at its start, and only a delimiter, a line end or
//! the end of the file may follow a closing one.
//!
//! A quoted cell that goes wrong costs the line it begins in and no more: reading goes on at the next line of the file.
//! So a line may be looked at again, as far as the largest record allows, and the next line again, and so on. It is linear
//! all the same: an attempt that is in quotes at the end of its first line is from there on exactly where the attempt before
//! it was, which was in quotes at every line end on its way. It goes on where that one stopped.

use crate::{Fault, LARGEST_RECORD};
use std::ops::Range;

/// Finds records in a text that grows at its end and is cut off at its start.
pub(crate) struct Framer {
    delimiter: u8,
    line_ends: LineEnds,
    /// Bytes at which something may change, so that all others are passed quickly.
    special: [bool; 256],
    /// Where the next record begins, and in which line of the file.
    start: usize,
    line: u64,
    attempt: Attempt,
    ahead: Option<Ahead>,
    /// In the middle of a line too long to be kept.
    skipping: bool,
    /// The last line ended with CR; an LF now belongs to it.
    after_cr: bool,
    scanned: u64,
}

/// What ends a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LineEnds {
    /// LF and CRLF; a lone CR is a character.
    Lf,
    /// Also a lone CR, as old Macs wrote it.
    Cr,
}

/// A record, or what is left of one.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    /// Its text without its line end; the first line alone if it is faulty; nothing if it was too long to keep.
    pub(crate) text: Range<usize>,
    /// The line of the file it begins in.
    pub(crate) line: u64,
    pub(crate) fault: Option<Fault>,
    /// A quote that neither opens nor closes: literal, or a sign of another delimiter.
    pub(crate) stray: bool,
}

/// How far a record was read.
#[derive(Clone, Copy)]
struct Attempt {
    at: usize,
    state: State,
    /// The cell, from 1; not counted below the first line.
    column: usize,
    /// Where the first line ends, if the record goes on below.
    first_line: Option<usize>,
    stray: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    CellStart,
    Bare,
    Quoted,
    /// A quote in quotes: closing, or the first of two.
    Closing,
    /// A CR after a closing quote: fine if an LF follows.
    ClosingCr,
    /// Something else after a closing quote.
    Junk,
}

/// Where the last attempt that failed below its first line stopped.
struct Ahead {
    at: usize,
    state: State,
}

enum Scan {
    More,
    /// A line end outside of quotes.
    Line(usize),
    TooLong,
    Junk,
}

impl Framer {
    /// Begins at `start`, in that line of the file.
    pub(crate) fn new(delimiter: u8, line_ends: LineEnds, start: usize, line: u64) -> Framer {
        let mut special = [false; 256];
        for byte in [delimiter, b'"', b'\n'] {
            special[usize::from(byte)] = true;
        }
        special[usize::from(b'\r')] = line_ends == LineEnds::Cr;
        Framer {
            delimiter,
            line_ends,
            special,
            start,
            line,
            attempt: Attempt::new(start),
            ahead: None,
            skipping: false,
            after_cr: false,
            scanned: 0,
        }
    }

    /// Where the text that is still needed begins.
    pub(crate) fn start(&self) -> usize {
        self.start
    }

    /// How many bytes were looked at, those twice that were looked at twice.
    pub(crate) fn scanned(&self) -> u64 {
        self.scanned
    }

    /// The line in which the text ends.
    pub(crate) fn last_line(&self, text: &[u8]) -> u64 {
        self.line + self.count_lines(&text[self.start..])
    }

    /// The text has lost what stood before [`Framer::start`].
    pub(crate) fn cut(&mut self) {
        let by = std::mem::take(&mut self.start);
        self.attempt.at -= by;
        self.attempt.first_line = self.attempt.first_line.map(|at| at - by);
        self.ahead =
            self.ahead.take().and_then(|ahead| Some(Ahead { at: ahead.at.checked_sub(by)?, ..ahead }));
    }

    /// The next record of this text. `None`: there must be more text first, or, if it has `ended`, it is over.
    pub(crate) fn next(&mut self, text: &[u8], ended: bool) -> Option<Frame> {
        if self.skipping && !self.skip(text) {
            return None;
        }
        if self.after_cr && self.start < text.len() {
            self.after_cr = false;
            if text[self.start] == b'\n' {
                self.begin(self.start + 1);
            }
        }
        match self.scan(text) {
            Scan::Line(end) => Some(self.ends(text, end, end + 1)),
            Scan::TooLong => Some(self.fails(text, Fault::TooLong)),
            Scan::Junk => Some(self.fails(text, Fault::Quote { column: self.attempt.column })),
            Scan::More if !ended || self.start == text.len() => None,
            Scan::More => match self.attempt.state {
                State::Quoted | State::Junk => {
                    Some(self.fails(text, Fault::Quote { column: self.attempt.column }))
                }
                _ => Some(self.ends(text, text.len(), text.len())),
            },
        }
    }

    /// Where the record begins whose end is not there yet, and whether a quote of it is known to be odd.
    pub(crate) fn unfinished(&self) -> (usize, bool) {
        (self.start, self.attempt.stray || self.attempt.state == State::Junk)
    }

    fn begin(&mut self, start: usize) {
        self.start = start;
        self.attempt = Attempt::new(start);
    }

    /// A record that ends at `end`, before its line end; the next begins at `next`.
    fn ends(&mut self, text: &[u8], end: usize, next: usize) -> Frame {
        let range = self.start..self.without_cr(text, end);
        if range.len() > LARGEST_RECORD {
            return self.fails(text, Fault::TooLong);
        }
        let more = self.attempt.first_line.map_or(0, |_| self.count_lines(&text[range.clone()]));
        let frame = Frame { text: range, line: self.line, fault: None, stray: self.attempt.stray };
        self.after_cr = self.line_ends == LineEnds::Cr && text.get(end) == Some(&b'\r');
        self.line += 1 + more;
        self.begin(next);
        frame
    }

    /// A record that cannot be one: its first line is given, and reading goes on below it.
    fn fails(&mut self, text: &[u8], fault: Fault) -> Frame {
        let Attempt { at, state, first_line, .. } = self.attempt;
        if first_line.is_some() {
            self.ahead = Some(Ahead { at, state });
        }
        // Without a line below, it ends where the attempt stopped: at a line end, at the end, or where skipping begins.
        let end = first_line.unwrap_or(at);
        let kept = if fault == Fault::TooLong && first_line.is_none() { self.start } else { end };
        let range = self.start..self.without_cr(text, kept);
        let frame = Frame { text: range, line: self.line, fault: Some(fault), stray: self.attempt.stray };
        match text.get(end) {
            Some(byte) if self.is_line_end(*byte) => {
                self.after_cr = *byte == b'\r';
                self.line += 1;
                self.begin(end + 1);
            }
            _ => {
                self.skipping = true;
                self.begin(end);
            }
        }
        frame
    }

    /// Passes over the rest of a line. False: it goes on.
    fn skip(&mut self, text: &[u8]) -> bool {
        let rest = &text[self.start..];
        let end = rest.iter().position(|byte| self.is_line_end(*byte));
        self.scanned += end.unwrap_or(rest.len()) as u64;
        let Some(end) = end else {
            self.begin(text.len());
            return false;
        };
        self.skipping = false;
        self.after_cr = rest[end] == b'\r';
        self.line += 1;
        self.begin(self.start + end + 1);
        true
    }

    fn scan(&mut self, text: &[u8]) -> Scan {
        // As far as the largest record and its line end reach.
        let limit = self.start + LARGEST_RECORD + 2;
        let window = &text[..text.len().min(limit)];
        let mut attempt = self.attempt;
        let mut from = attempt.at;
        let found = loop {
            let Some(byte) = window.get(attempt.at).copied() else {
                break if text.len() < limit { Scan::More } else { Scan::TooLong };
            };
            match attempt.state {
                State::CellStart if byte == b'"' => attempt.step(State::Quoted),
                State::CellStart => attempt.state = State::Bare,
                State::Bare if byte == self.delimiter => attempt.next_cell(),
                State::Bare if self.is_line_end(byte) => break Scan::Line(attempt.at),
                State::Bare => {
                    attempt.stray |= byte == b'"';
                    attempt.at += 1;
                    attempt.at += self.plain(&window[attempt.at..]);
                }
                State::Quoted if byte == b'"' => attempt.step(State::Closing),
                State::Quoted if attempt.first_line.is_none() && self.is_line_end(byte) => {
                    attempt.first_line = Some(attempt.at);
                    attempt.at += 1;
                    if let Some(ahead) = self.ahead.as_ref().filter(|ahead| ahead.at >= attempt.at) {
                        self.scanned += (attempt.at - from) as u64;
                        (attempt.at, attempt.state, from) = (ahead.at, ahead.state, ahead.at);
                    }
                }
                State::Quoted => {
                    attempt.at += 1;
                    attempt.at += self.plain(&window[attempt.at..]);
                }
                State::Closing if byte == b'"' => attempt.step(State::Quoted),
                State::Closing if byte == self.delimiter => attempt.next_cell(),
                State::Closing if self.is_line_end(byte) => break Scan::Line(attempt.at),
                State::Closing if byte == b'\r' => attempt.step(State::ClosingCr),
                State::ClosingCr if byte == b'\n' => break Scan::Line(attempt.at),
                State::Closing | State::ClosingCr => attempt.state = State::Junk,
                State::Junk if attempt.first_line.is_some() || self.is_line_end(byte) => break Scan::Junk,
                State::Junk => attempt.at += 1,
            }
        };
        self.scanned += (attempt.at - from) as u64;
        self.attempt = attempt;
        found
    }

    /// How many bytes follow that change nothing.
    fn plain(&self, text: &[u8]) -> usize {
        text.iter().position(|byte| self.special[usize::from(*byte)]).unwrap_or(text.len())
    }

    fn is_line_end(&self, byte: u8) -> bool {
        byte == b'\n' || (byte == b'\r' && self.line_ends == LineEnds::Cr)
    }

    /// `end` without the CR of a CRLF.
    fn without_cr(&self, text: &[u8], end: usize) -> usize {
        if self.line_ends == LineEnds::Lf && end > self.start && text[end - 1] == b'\r' {
            end - 1
        } else {
            end
        }
    }

    fn count_lines(&self, text: &[u8]) -> u64 {
        let ends = text.iter().filter(|byte| self.is_line_end(**byte)).count();
        let pairs = match self.line_ends {
            LineEnds::Lf => 0,
            LineEnds::Cr => text.windows(2).filter(|pair| pair == b"\r\n").count(),
        };
        (ends - pairs) as u64
    }
}

impl Attempt {
    fn new(at: usize) -> Attempt {
        Attempt { at, state: State::CellStart, column: 1, first_line: None, stray: false }
    }

    fn step(&mut self, state: State) {
        self.at += 1;
        self.state = state;
    }

    fn next_cell(&mut self) {
        self.step(State::CellStart);
        self.column += usize::from(self.first_line.is_none());
    }
}
