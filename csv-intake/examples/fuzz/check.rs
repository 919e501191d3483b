//! What must hold for any bytes, whoever made them up: the fuzzer beside this file, or libFuzzer.

use csv_intake::dates::{Order, Sniffer, parse};
use csv_intake::{Hints, Intake, LARGEST_RECORD, Record, Unreadable, formula, write_row};

/// What came of a file: what may be compared, and a short form of it by which new inputs are told from known ones.
#[derive(Debug, PartialEq)]
pub struct Outcome {
    records: Vec<Record>,
    refused: Option<Unreadable>,
    encoding: &'static str,
    delimiter: u8,
    blank_rows: u64,
}

const ENCODINGS: [Option<&str>; 6] =
    [None, Some("windows-1252"), Some("utf-8"), Some("utf-16le"), Some("shift_jis"), Some("iso-8859-2")];

/// Checks everything, and panics where it does not hold. The first three bytes choose the hints and the pieces.
pub fn check(input: &[u8]) -> Outcome {
    let Some((choices, file)) = input.split_first_chunk::<3>() else { return check(b"\0\0\0") };
    // Mostly without hints: finding out is what there is to break.
    let encoding = if choices[0] < 192 { None } else { ENCODINGS[usize::from(choices[0]) % ENCODINGS.len()] };
    let delimiter =
        [None, None, None, None, None, None, Some(b';'), Some(b' ')][usize::from(choices[1] >> 5)];
    let hints = Hints { encoding: encoding.map(str::to_owned), delimiter };
    // What is decided early leaves more to come in pieces.
    let lead = [usize::MAX, 4, 5, 16][usize::from(choices[1]) % 4];
    let whole = read(file, &hints, lead, usize::MAX);
    let size = usize::from(choices[2]) % 67 + 1;
    assert_eq!(read(file, &hints, lead, size), whole, "pieces of {size}");
    assert!(whole.records.is_sorted_by(|one, next| one.line < next.line), "lines increase");
    cells(&whole);
    written(&whole);
    if encoding.is_none() && lead == usize::MAX {
        wide(file, &whole);
    }
    whole
}

impl Outcome {
    /// Alike for inputs that went the same ways.
    pub fn kind(&self) -> String {
        let refused = self
            .refused
            .as_ref()
            .map(|refusal| format!("{refusal:?}").chars().filter(|c| !c.is_ascii_digit()).collect());
        let sizes: Vec<_> = self.records.iter().take(4).map(|record| record.cells.len().min(9)).collect();
        let faults: Vec<_> = self.records.iter().filter_map(|record| record.fault).take(3).collect();
        let refused: String = refused.unwrap_or_default();
        format!("{refused}{sizes:?}{faults:?}{}{}{}", self.encoding, self.delimiter, self.blank_rows.min(3))
    }
}

fn read(file: &[u8], hints: &Hints, lead: usize, size: usize) -> Outcome {
    let mut intake = Intake::new(hints.clone()).expect("hints that can be followed").deciding_after(lead);
    let mut records = Vec::new();
    let mut refused = None;
    for piece in file.chunks(size) {
        if refused.is_none() {
            intake.push(piece).expect("said by next first");
            refused = drain(&mut intake, &mut records).err();
        }
        assert!(intake.held() <= 4 * LARGEST_RECORD + 8 * size.min(file.len()), "memory is bounded");
    }
    if refused.is_none() {
        intake.end().expect("said by next first");
        refused = drain(&mut intake, &mut records).err();
    }
    // A byte of a hinted encoding may become three.
    assert!(intake.scanned() <= 9 * (file.len() as u64 + 1), "reading is linear");
    let found = intake.found();
    // How far the bytes were decoded when the records were refused depends on the pieces.
    let encoding = if refused.is_some() { "" } else { found.encoding };
    Outcome { records, refused, encoding, delimiter: found.delimiter, blank_rows: found.blank_rows }
}

fn drain(intake: &mut Intake, records: &mut Vec<Record>) -> Result<(), Unreadable> {
    while let Some(record) = intake.next()? {
        records.push(record);
    }
    Ok(())
}

/// Cells are taken for dates and formulas as they are.
fn cells(whole: &Outcome) {
    let mut sniffer = Sniffer::default();
    for cell in whole.records.iter().flat_map(|record| &record.cells) {
        sniffer.push(cell);
        for order in [None, Some(Order::Dmy), Some(Order::Mdy)] {
            let _ = parse(cell, order);
        }
        assert_eq!(formula::plain(&formula::inert(cell)), cell.as_str());
    }
    let _ = sniffer.order();
}

/// What is written is read back, whatever it was.
fn written(whole: &Outcome) {
    let rows: Vec<_> = whole.records.iter().map(|record| &record.cells).collect();
    let sound = |cells: &&Vec<String>| !cells.iter().any(|cell| cell.contains('\0'));
    let rows: Vec<_> = rows.into_iter().filter(sound).collect();
    let mut text = String::new();
    rows.iter().for_each(|row| write_row(&mut text, *row));
    let again = read(text.as_bytes(), &Hints::default(), usize::MAX, 50);
    let cells: Vec<_> = again.records.iter().map(|record| &record.cells).collect();
    assert_eq!(cells, rows, "written as {text:?}");
    assert!(again.records.iter().all(|record| record.fault.is_none()));
}

/// The same text in UTF-16 is the same file.
fn wide(file: &[u8], whole: &Outcome) {
    let text = match str::from_utf8(file) {
        Ok(text) if whole.refused.is_none() => text.trim_start_matches('\u{feff}'),
        _ => return,
    };
    let units = std::iter::once(0xfeff).chain(text.encode_utf16());
    let bytes: Vec<u8> = units.flat_map(u16::to_be_bytes).collect();
    let hints = Hints { delimiter: Some(whole.delimiter), encoding: None };
    let again = read(&bytes, &hints, usize::MAX, 33);
    assert_eq!((&again.records, &again.refused), (&whole.records, &whole.refused), "in UTF-16");
}
