//! Files that cannot be read at all: each is told what it is and what to do.

use crate::common::{decided_early, encoding, in_pieces, refused, utf16};
use csv_intake::{Fault, Hints, Intake, Unreadable};

#[test]
fn what_is_no_csv_is_called_by_its_name() {
    let sheet = b"PK\x03\x04\x14\x00\x06\x00\x08\x00\x00\x00!\x00\x13\x00\x00\x00[Content_Types].xml";
    for (file, refusal, words) in [
        (&b""[..], Unreadable::Empty, "empty"),
        (b"\xef\xbb\xbf", Unreadable::Empty, "empty"),
        (b" \r\n\t\n,,\n", Unreadable::Empty, "headers"),
        (b"sep=;\r\n", Unreadable::Empty, "empty"),
        (sheet, Unreadable::Workbook, "save it as \"CSV UTF-8\""),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", Unreadable::Workbook, "workbook"),
        (b"PK\x03\x04\x14\x00\x00\x00\x08\x00patients.csv", Unreadable::Zip, "unpack it"),
        (b"PK\x05\x06\x00\x00", Unreadable::Zip, "ZIP"),
        (b"\x1f\x8b\x08\x00", Unreadable::Packed, "unpack it"),
        (b"%PDF-1.7\n", Unreadable::Pdf, "export"),
        (b"{\\rtf1\\ansi", Unreadable::RichText, "RTF"),
        (b" <!doctype html>", Unreadable::Markup, "login"),
        (b"\xef\xbb\xbf<?xml version='1.0'?>", Unreadable::Markup, "XML"),
        (b"{\"email\":\"a@b.org\"}", Unreadable::Json, "JSON"),
        (b"[\n {\"email\":\"a@b.org\"}]", Unreadable::Json, "JSON"),
        (b"\xff\xfe\x00\x00a\x00\x00\x00", Unreadable::Utf32, "CSV UTF-8"),
        (b"a\0,\0b\0\n\0", Unreadable::Utf16WithoutMark, "utf-16le"),
        (b"\0a\0,\0b\0\n", Unreadable::Utf16WithoutMark, "utf-16be"),
    ] {
        for sizes in [&[1][..], &[3, 2], &[4096]] {
            let whole = in_pieces(file, Hints::default(), sizes);
            assert_eq!((whole.refused, whole.records), (Some(refusal.clone()), vec![]), "{file:?}");
        }
        assert!(refusal.to_string().contains(words), "{refusal}");
    }
}

#[test]
fn no_letter_comes_out_wrong_without_a_word() {
    let rows = b"a,b\nJos\xc3\xa9,1\nx,y\n";
    assert_eq!(refused([rows, &b"Jos\xe9,2\n"[..]].concat()), Unreadable::MixedEncoding { line: 4 });
    // The other way round: windows-1252 by its first letter, then UTF-8.
    assert_eq!(refused(b"a,b\nJos\xe9,1\nJos\xc3\xa9,2\n"), Unreadable::MixedEncoding { line: 3 });
    assert_eq!(refused(b"a,b\nJos\xe9,1\n\xe2\x82\xac 5,2\n"), Unreadable::MixedEncoding { line: 3 });
    // Cut anywhere, it is the same.
    for size in [1, 2, 3] {
        let cut = decided_early(b"a,b\nJos\xe9,1\nJos\xc3\xa9,2\n", &[size]).refused;
        assert_eq!(cut, Some(Unreadable::MixedEncoding { line: 3 }));
        let cut = decided_early(b"a,b\nJos\xc3\xa9,1\n\xe2\x82,2\n", &[size]).refused;
        assert_eq!(cut, Some(Unreadable::MixedEncoding { line: 3 }));
    }
    // A DOS code page, and Cyrillic, are no windows-1252.
    assert_eq!(refused(b"a,b\nM\x81ller,1\n"), Unreadable::UnknownLetters { line: 2 });
    let cyrillic = encoding_rs::WINDOWS_1251.encode("Имя;a\nИванов;1\n").0.into_owned();
    assert_eq!(refused(&cyrillic[6..]), Unreadable::UnknownLetters { line: 1 });
    assert_eq!(in_pieces(&cyrillic, encoding("windows-1251"), &[2]).refused, None);
    assert_eq!(refused(b"a,b\n\n\"x\ny\",Jos\xe9\n\x81"), Unreadable::UnknownLetters { line: 5 });
    let not = |line, encoding| Some(Unreadable::NotInEncoding { line, encoding });
    assert_eq!(in_pieces(b"a,b\nM\x81,1\n", encoding("latin1"), &[1]).refused, not(2, "windows-1252"));
    assert_eq!(in_pieces(b"a,b\nM\xe9,1\n", encoding("utf8"), &[1]).refused, not(2, "UTF-8"));
    assert_eq!(in_pieces(b"\xef\xbb\xbfa\xe9", Hints::default(), &[1]).refused, not(1, "UTF-8"));
    let half = [b"\xff\xfe", &utf16("a,b\n1", u16::to_le_bytes)[..], b"\x32"].concat();
    assert_eq!(refused(half), Unreadable::NotInEncoding { line: 2, encoding: "UTF-16LE" });
    let lone = [b"\xff\xfe", &utf16("a,b\n", u16::to_le_bytes)[..], b"\x00\xd8\x0a\x00"].concat();
    assert_eq!(refused(lone), Unreadable::NotInEncoding { line: 2, encoding: "UTF-16LE" });
}

#[test]
fn records_before_the_place_are_given_whatever_the_pieces() {
    let rows = "x,y\n".repeat(40_000);
    let file = [b"a,b\n", rows.as_bytes(), b"\x81,\n"].concat();
    for sizes in [[usize::MAX], [10_000], [1]] {
        let whole = in_pieces(&file, Hints::default(), &sizes);
        assert_eq!(whole.records.len(), 40_001);
        assert_eq!(whole.refused, Some(Unreadable::UnknownLetters { line: 40_002 }));
    }
}

#[test]
fn a_faulty_header_refuses_the_file() {
    assert_eq!(
        refused(vec![b','; 10_000].iter().map(|_| "h,").collect::<String>()),
        Unreadable::TooManyColumns
    );
    let header = |line, fault| Unreadable::Header { line, fault };
    assert_eq!(refused("\na,b\0\n1,2\n"), header(2, Fault::Nul { column: 2 }));
    assert_eq!(
        refused([0; 2000]),
        header(1, Fault::Nul { column: 1 }),
        "what a broken disk leaves of a file"
    );
    assert_eq!(refused("a,\"b\n1,2\n"), header(1, Fault::Quote { column: 2 }));
    assert_eq!(refused("x".repeat(3 << 20)), header(1, Fault::TooLong));
    assert!(
        refused("a,\"b\n1,2\n").to_string().starts_with("line 1, the headers: the quote that opens column 2")
    );
}

#[test]
fn hints_that_cannot_be_followed() {
    for label in ["", "klingon", "replacement", "hz-gb-2312", "x-user-defined"] {
        assert_eq!(Intake::new(encoding(label)).err(), Some(Unreadable::UnknownEncoding), "{label}");
    }
    for delimiter in [b'"', b'\n', b'\r', b'a', b'5', 0, 0xe9] {
        let hints = Hints { delimiter: Some(delimiter), ..Hints::default() };
        assert_eq!(Intake::new(hints).err(), Some(Unreadable::Delimiter));
    }
    assert_eq!(refused("sep=x\na,b\n"), Unreadable::Delimiter);
    assert_eq!(refused("sep=§\na§b\n"), Unreadable::Delimiter);
}
