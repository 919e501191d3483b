//! Reading a whole file, and writing it in other encodings.

use csv_intake::{Fault, Found, Hints, Intake, Record, Unreadable};

/// A file that was read to its end.
#[derive(Debug, Clone, PartialEq)]
pub struct Whole {
    pub records: Vec<Record>,
    pub found: Found,
    pub refused: Option<Unreadable>,
    pub most_held: usize,
    pub scanned: u64,
}

impl Whole {
    pub fn cells(&self) -> Vec<Vec<String>> {
        self.records.iter().map(|record| record.cells.clone()).collect()
    }

    /// Line and fault of each record that has one.
    pub fn faults(&self) -> Vec<(u64, Fault)> {
        self.records.iter().filter_map(|record| Some((record.line, record.fault?))).collect()
    }
}

/// Reads in pieces of these sizes, one after the other and again from the first.
pub fn in_pieces(bytes: &[u8], hints: Hints, sizes: &[usize]) -> Whole {
    through(Intake::new(hints).expect("hints"), bytes, sizes)
}

/// Decides from so little that most of even a small file comes later, in its pieces.
pub fn decided_early(bytes: &[u8], sizes: &[usize]) -> Whole {
    through(Intake::new(Hints::default()).expect("hints").deciding_after(4), bytes, sizes)
}

fn through(mut intake: Intake, bytes: &[u8], sizes: &[usize]) -> Whole {
    let mut whole =
        Whole { records: Vec::new(), found: intake.found(), refused: None, most_held: 0, scanned: 0 };
    let mut sizes = sizes.iter().cycle();
    let mut rest = bytes;
    while whole.refused.is_none() && !rest.is_empty() {
        let (piece, after) = rest.split_at(rest.len().min((*sizes.next().expect("sizes")).max(1)));
        rest = after;
        intake.push(piece).expect("a failure is said by next");
        whole.most_held = whole.most_held.max(intake.held());
        drain(&mut intake, &mut whole);
    }
    if whole.refused.is_none() {
        intake.end().expect("a failure is said by next");
        drain(&mut intake, &mut whole);
    }
    if let Some(refusal) = &whole.refused {
        assert_eq!((intake.push(b"x"), intake.end()), (Err(refusal.clone()), Err(refusal.clone())));
    }
    whole.found = Found { bytes: 0, ..intake.found() };
    if whole.refused.is_some() {
        // How far the bytes were decoded when the records were refused depends on the pieces.
        whole.found = Found { encoding: "", guessed: false, ..whole.found };
    }
    whole.scanned = intake.scanned();
    whole
}

fn drain(intake: &mut Intake, whole: &mut Whole) {
    loop {
        match intake.next() {
            Ok(Some(record)) => whole.records.push(record),
            Ok(None) => return,
            Err(refusal) => {
                whole.refused = Some(refusal);
                return;
            }
        }
    }
}

pub fn read(bytes: impl AsRef<[u8]>) -> Whole {
    let whole = in_pieces(bytes.as_ref(), Hints::default(), &[64 * 1024]);
    assert_eq!(whole.refused, None);
    whole
}

pub fn refused(bytes: impl AsRef<[u8]>) -> Unreadable {
    in_pieces(bytes.as_ref(), Hints::default(), &[64 * 1024]).refused.expect("refused")
}

pub fn encoding(label: &str) -> Hints {
    Hints { encoding: Some(label.to_owned()), ..Hints::default() }
}

pub fn utf16(text: &str, unit: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(unit).collect()
}
