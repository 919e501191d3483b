//! Beside the csv crate's parser: what we take for a good record, it splits into the same cells.

use crate::common::{in_pieces, read};
use csv_core::{ReadFieldResult, ReaderBuilder, Terminator};
use csv_intake::{Hints, formula};
use proptest::prelude::*;

/// All cells of a text by csv-core, record by record; blank lines are left out by it.
fn by_csv_core(text: &[u8], delimiter: u8) -> Vec<Vec<String>> {
    let mut reader = ReaderBuilder::new().delimiter(delimiter).terminator(Terminator::CRLF).build();
    let (mut records, mut cells, mut cell) = (Vec::new(), Vec::new(), Vec::new());
    let (mut out, mut at) = (vec![0; text.len() + 1], 0);
    loop {
        let (result, read, written) = reader.read_field(&text[at..], &mut out);
        at += read;
        cell.extend_from_slice(&out[..written]);
        match result {
            ReadFieldResult::InputEmpty => {}
            ReadFieldResult::OutputFull => unreachable!("there is room for all of it"),
            ReadFieldResult::Field { record_end } => {
                let cell = String::from_utf8(std::mem::take(&mut cell)).expect("text");
                cells.push(formula::plain(&cell).into_owned());
                if record_end {
                    records.push(std::mem::take(&mut cells));
                }
            }
            ReadFieldResult::End => return records,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn good_files_are_split_alike(text in "[a\"\\n, é]{0,30}|(\"(a|\"\"|\\n|,){0,4}\"[,\\n]){0,8}") {
        let file = format!("h\n{text}");
        let hints = Hints { delimiter: Some(b','), encoding: None };
        let ours = in_pieces(file.as_bytes(), hints, &[5]);
        prop_assume!(ours.records.iter().all(|record| record.fault.is_none()));
        let blank = |cells: &Vec<String>| cells.iter().all(|cell| cell.trim().is_empty());
        let theirs: Vec<_> = by_csv_core(file.as_bytes(), b',').into_iter().filter(|cells| !blank(cells)).collect();
        let ours: Vec<_> = ours.cells().into_iter().filter(|cells| !blank(cells)).collect();
        prop_assert_eq!(ours, theirs);
    }
}

#[test]
fn the_oracle_itself_splits() {
    assert_eq!(by_csv_core(b"a;\"b;\"\"c\"\n1;2", b';'), [["a", "b;\"c"], ["1", "2"]]);
    assert_eq!(read("a;\"b;\"\"c\"\n1;2").cells(), [["a", "b;\"c"], ["1", "2"]]);
}
