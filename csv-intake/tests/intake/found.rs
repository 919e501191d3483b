//! Encodings, delimiters and line ends that are found out.

use crate::common::{decided_early, encoding, in_pieces, read, utf16};
use csv_intake::Hints;

fn cells(rows: &[&[&str]]) -> Vec<Vec<String>> {
    rows.iter().map(|row| row.iter().map(|cell| (*cell).to_owned()).collect()).collect()
}

#[test]
fn the_same_text_in_every_encoding() {
    let text = "Name;Straße\r\nJörg;Höhe “3”\r\nAda;—\r\n";
    let western = encoding_rs::WINDOWS_1252.encode(text).0.into_owned();
    for (bytes, name, guessed) in [
        (text.as_bytes().to_vec(), "UTF-8", false),
        ([b"\xef\xbb\xbf", text.as_bytes()].concat(), "UTF-8", false),
        ([b"\xff\xfe", &utf16(text, u16::to_le_bytes)[..]].concat(), "UTF-16LE", false),
        ([b"\xfe\xff", &utf16(text, u16::to_be_bytes)[..]].concat(), "UTF-16BE", false),
        (western.clone(), "windows-1252", true),
    ] {
        let whole = read(&bytes);
        assert_eq!(whole.cells(), cells(&[&["Name", "Straße"], &["Jörg", "Höhe “3”"], &["Ada", "—"]]));
        assert_eq!((whole.found.encoding, whole.found.guessed, whole.found.delimiter), (name, guessed, b';'));
    }
    let said = in_pieces(&western, encoding("latin1"), &[7]);
    assert_eq!((said.found.encoding, said.found.guessed, said.refused), ("windows-1252", false, None));
}

#[test]
fn what_was_said_of_the_encoding_holds_except_against_a_mark() {
    let greek = "Όνομα,a\nΑδα,1\n";
    let bytes = encoding_rs::WINDOWS_1253.encode(greek).0.into_owned();
    let whole = in_pieces(&bytes, encoding("windows-1253"), &[1]);
    assert_eq!((whole.cells(), whole.refused), (cells(&[&["Όνομα", "a"], &["Αδα", "1"]]), None));
    let bare = in_pieces(&utf16(greek, u16::to_be_bytes), encoding("utf-16be"), &[3]);
    assert_eq!((bare.cells(), bare.refused), (cells(&[&["Όνομα", "a"], &["Αδα", "1"]]), None));
    let marked = in_pieces("\u{feff}é,b\n".as_bytes(), encoding("windows-1252"), &[1]);
    assert_eq!((marked.cells(), marked.found.encoding), (cells(&[&["é", "b"]]), "UTF-8"));
}

#[test]
fn marks_that_were_written_twice_are_none_of_the_cells() {
    let file = "\u{feff}\u{feff}a,b\n1,2\n";
    assert_eq!(read(file).records[0].cells, ["a", "b"]);
    // Past the part that is looked at, it is a character like others, whatever the pieces.
    let many = "\u{feff}".repeat(4) + "a,b\n";
    let whole = decided_early(many.as_bytes(), &[usize::MAX]);
    assert_eq!(decided_early(many.as_bytes(), &[1]).records, whole.records);
}

#[test]
fn western_letters_late_in_a_file() {
    let mut bytes = b"a,b\n".to_vec();
    (0..50_000).for_each(|_| bytes.extend(b"x,y\n"));
    bytes.extend(b"J\xf6rg,\x84Fu\xdf\x93\n");
    let whole = read(&bytes);
    assert_eq!(whole.records.last().expect("a row").cells, ["Jörg", "„Fuß“"]);
    assert_eq!(whole.found.encoding, "windows-1252");
}

#[test]
fn delimiters_are_found_where_others_stand_in_the_cells() {
    for (file, delimiter, width) in [
        ("a,b,c\n1,2,3\n", b',', 3),
        ("a;b\n1,5;2,5\n3,5;4,5\n", b';', 2),
        ("name;weight, kg\nA;1,5\nB;2,5\n", b';', 2),
        ("a\tb\n1,2\t3;4\n", b'\t', 2),
        ("a|b|c\nx, y|1;2|3\n", b'|', 3),
        ("a,b\n\"1;2;3\",x\n\"1;2\",y\n", b',', 2),
        ("a,b\nx,\"1;2\"\ny,\"3;4\"\n", b',', 2),
        ("\"a\";\"b, c\"\n\"1\";\"2, 3\"\n", b';', 2),
        ("id,name;alias\n1,Ann\n2,Bob;Rob\n", b',', 2),
        ("id,name;alias;maiden name\n1,Ann\n2,Bob\n", b',', 2),
        ("only one column\n1\n", b',', 1),
        ("a,b,c\n1,2,3,\n4,5,6,\n", b',', 3),
        ("a;b;c", b';', 3),
    ] {
        let whole = read(file);
        assert_eq!((whole.found.delimiter, whole.records[0].cells.len()), (delimiter, width), "{file:?}");
    }
}

#[test]
fn a_line_that_says_the_delimiter_is_no_header() {
    for (file, delimiter) in [
        ("sep=;\r\na;b\r\n1,2;3\r\n", b';'),
        ("\u{feff}SEP=|\na|b\n1,2|3\n", b'|'),
        ("sep=\t\ra\tb\r1,2\t3\r", b'\t'),
        ("sep=^\na^b\n1,2^3\n", b'^'),
        ("sep=,,,\na,b\n\"1,2\",3\n", b','),
    ] {
        let whole = read(file);
        assert_eq!(whole.found.delimiter, delimiter);
        assert_eq!(whole.cells(), cells(&[&["a", "b"], &["1,2", "3"]]), "{file:?}");
        assert_eq!(whole.records.iter().map(|record| record.line).collect::<Vec<_>>(), [2, 3]);
    }
    let hinted = in_pieces(b"sep=,\na;b\n", Hints { delimiter: Some(b';'), ..Hints::default() }, &[9]);
    assert_eq!((hinted.cells(), hinted.found.delimiter), (cells(&[&["a", "b"]]), b';'));
    assert_eq!(read("\"sep=;\"\n").cells(), cells(&[&["sep=;"]]));
    assert_eq!(read("sep=ab,c\n1,2\n").records[0].cells, ["sep=ab", "c"]);
}

#[test]
fn line_ends_of_every_kind() {
    for file in [
        "a,b\n1,2\n",
        "a,b\r\n1,2\r\n",
        "a,b\r\n1,2",
        "a,b\r1,2\r",
        "a,b\r1,2",
        "a,b\n\n1,2\r\n\r\n",
        "a,b\r\r1,2\r",
    ] {
        assert_eq!(read(file).cells(), cells(&[&["a", "b"], &["1", "2"]]), "{file:?}");
    }
    // Where lines end with LF, a lone CR is a character of its cell.
    assert_eq!(read("a,b\n1\r2,3\n").cells(), cells(&[&["a", "b"], &["1\r2", "3"]]));
    let old_mac = read("a,b\r\"1\n2\r3\",4\r5,6\r");
    assert_eq!(old_mac.cells(), cells(&[&["a", "b"], &["1\n2\r3", "4"], &["5", "6"]]));
    assert_eq!(old_mac.records.iter().map(|record| record.line).collect::<Vec<_>>(), [1, 2, 5]);
    // Below the part that is looked at, the two may be mixed, and a quote may go wrong before a CRLF.
    let late = read(format!("a,b\r{}\"x\r\n1,2\r\n\n3,4\n", "1,2\r".repeat(20_000)));
    assert_eq!(late.faults(), [(20_002, csv_intake::Fault::Quote { column: 1 })]);
    let lines: Vec<_> =
        late.records[20_001..].iter().map(|record| (record.line, record.cells.len())).collect();
    assert_eq!((lines, late.found.blank_rows), (vec![(20_002, 1), (20_003, 2), (20_005, 2)], 1));
}

#[test]
fn quotes_as_they_are_met() {
    let whole = read("a,b\n\"x, y\",\"say \"\"hi\"\"\"\r\n5\" tall,\"two\r\nlines\"\r\n,\"\"\n3,4");
    assert_eq!(
        whole.cells(),
        cells(&[&["a", "b"], &["x, y", "say \"hi\""], &["5\" tall", "two\r\nlines"], &["", ""], &["3", "4"]])
    );
    assert_eq!(whole.records.iter().map(|record| record.line).collect::<Vec<_>>(), [1, 2, 3, 5, 6]);
    assert_eq!(whole.faults(), []);
}

#[test]
fn blank_lines_are_counted_and_are_no_records() {
    let whole = read("\n , \na,b\n,\n \t,\u{a0}\n1,2\n\"\",\n\n");
    assert_eq!(whole.cells(), cells(&[&["a", "b"], &["1", "2"], &["", ""]]));
    assert_eq!((whole.found.blank_rows, whole.records[0].line), (5, 3));
}

#[test]
fn a_phone_goes_out_and_comes_back() {
    let mut file = String::new();
    csv_intake::write_row(&mut file, ["name", "phone"]);
    csv_intake::write_row(&mut file, ["=HYPERLINK(\"x\")", "+44 20 7946 0000"]);
    assert_eq!(file, "name,phone\r\n\"'=HYPERLINK(\"\"x\"\")\",'+44 20 7946 0000\r\n");
    assert_eq!(read(&file).records[1].cells, ["=HYPERLINK(\"x\")", "+44 20 7946 0000"]);
    assert_eq!(read("name,phone\nx,+44 1\n").records[1].cells[1], "+44 1");
}

/// A quote that is open where the beginning was cut says nothing against the delimiter.
#[test]
fn a_first_record_beyond_the_beginning_is_split_where_it_says() {
    // With `|` taken for the delimiter, quotes would stand where none may; but there would be more cells. The beginning ends
    // inside of quotes.
    let long = vec![format!("a|b|c,{}", "d".repeat(200)); 500];
    let mut text = String::new();
    csv_intake::write_row(&mut text, &long);
    let whole = read(text.as_bytes());
    assert_eq!(whole.found.delimiter, b',');
    assert_eq!(whole.cells(), std::slice::from_ref(&long));
}
