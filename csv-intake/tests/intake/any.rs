//! What holds for any file, any text and any pieces.

use crate::common::{Whole, decided_early, encoding, in_pieces, utf16};
use csv_intake::{Hints, LARGEST_RECORD, write_row};
use proptest::collection::vec;
use proptest::prelude::*;

const REPLACEMENT: char = '\u{fffd}';

/// What says something of the file where it stands at the start, and where it does not.
const MARKS: [&[u8]; 5] = [b"\xef\xbb\xbf", b"\xff\xfe", b"sep=;\n", b"\0", b"\xe9"];

/// A cell with everything in it that could go wrong.
fn cell() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-zé€ 0-9]{0,8}",
        "['=+@\\-\t\r\n,;|\" \u{feff}＝]{0,6}",
        "(sep=|<|\\{|\\[|%PDF-|PK|BZh91AY&SY)?[;,a\"]{0,3}",
        "[^\0]{0,12}",
    ]
}

fn rows() -> impl Strategy<Value = Vec<Vec<String>>> {
    vec(vec(cell(), 1..6), 1..12)
}

fn written(rows: &[Vec<String>]) -> String {
    let mut out = String::new();
    rows.iter().for_each(|row| write_row(&mut out, row));
    out
}

fn read(bytes: &[u8], sizes: &[usize]) -> Whole {
    in_pieces(bytes, Hints::default(), sizes)
}

/// Text of CSV's own signs, so that every state is met.
fn signs() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        4 => "[a\",;\t|\r\n ]{0,12}".prop_map(String::into_bytes),
        2 => Just(b"\"\",\"a\"\n".to_vec()),
        1 => vec(any::<u8>(), 0..8),
        1 => Just("é€".as_bytes().to_vec()),
        1 => proptest::sample::select(MARKS.to_vec()).prop_map(<[u8]>::to_vec),
    ];
    vec(part, 0..12).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn written_then_read_is_the_same(rows in rows(), sizes in vec(1usize..40, 1..5)) {
        let file = written(&rows);
        let whole = read(file.as_bytes(), &sizes);
        prop_assert_eq!(&whole.refused, &None);
        prop_assert_eq!(whole.cells(), rows, "{:?}", file);
        prop_assert_eq!(whole.faults(), vec![]);
        prop_assert_eq!(whole.found.blank_rows, 0);
    }

    #[test]
    fn a_written_cell_is_harmless(text in cell()) {
        let file = written(&[vec![text]]);
        let shown = file.strip_prefix('"').unwrap_or(&file);
        prop_assert!(!shown.starts_with(['=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠']), "{}", file);
    }

    #[test]
    fn pieces_make_no_difference(bytes in signs(), sizes in vec(1usize..9, 1..5)) {
        for read in [read, decided_early] {
            let whole = read(&bytes, &[usize::MAX]);
            for sizes in [&[1][..], &sizes] {
                let again = read(&bytes, sizes);
                prop_assert_eq!((again.found, &again.refused), (whole.found, &whole.refused));
                prop_assert_eq!(&again.records, &whole.records);
            }
        }
    }

    #[test]
    fn lines_increase_and_memory_is_bounded(bytes in prop_oneof![signs(), vec(any::<u8>(), 0..3000)]) {
        let whole = read(&bytes, &[100]);
        prop_assert!(whole.records.is_sorted_by(|one, next| one.line < next.line));
        prop_assert!(whole.most_held < 4 * LARGEST_RECORD);
        let replaced = whole.records.iter().any(|record| record.cells.iter().any(|cell| cell.contains(REPLACEMENT)));
        let came_so = bytes.windows(3).any(|here| here == b"\xef\xbf\xbd") || whole.found.encoding.starts_with("UTF-16");
        prop_assert!(!replaced || came_so);
        prop_assert!(whole.scanned <= 3 * (bytes.len() as u64 + 1));
    }

    #[test]
    fn every_delimiter(rows in vec(vec("[a-z0-9é]{1,6}", 3), 2..9), place in 0usize..4, quoted: bool) {
        let delimiter = [",", ";", "\t", "|"][place];
        let mark = if quoted { "\"" } else { "" };
        let line = |row: &Vec<String>| {
            row.iter().map(|cell| format!("{mark}{cell}{mark}")).collect::<Vec<_>>().join(delimiter) + "\r\n"
        };
        let whole = read(rows.iter().map(line).collect::<String>().as_bytes(), &[13]);
        prop_assert_eq!((whole.cells(), whole.found.delimiter), (rows, delimiter.as_bytes()[0]));
    }

    #[test]
    fn every_encoding(rows in vec(vec("[a-zA-Z]{2}[éüßñ€“]?[a-z,;\"\n ]{0,4}[øÅ]?", 1..4), 1..8), sizes in vec(1usize..9, 1..4)) {
        let text = written(&rows);
        let (western, _, lost) = encoding_rs::WINDOWS_1252.encode(&text);
        prop_assert!(!lost);
        for bytes in [
            text.as_bytes().to_vec(),
            [b"\xef\xbb\xbf", text.as_bytes()].concat(),
            [b"\xff\xfe", &utf16(&text, u16::to_le_bytes)[..]].concat(),
            [b"\xfe\xff", &utf16(&text, u16::to_be_bytes)[..]].concat(),
            western.to_vec(),
        ] {
            let whole = read(&bytes, &sizes);
            prop_assert_eq!((whole.cells(), whole.refused), (rows.clone(), None));
        }
        let said = in_pieces(&western, encoding("windows-1252"), &sizes);
        prop_assert_eq!((said.cells(), said.refused), (rows, None));
    }
}
