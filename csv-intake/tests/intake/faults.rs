//! Rows that cannot be trusted: each costs its own line, and the rows around it are read.

use crate::common::{in_pieces, read};
use csv_intake::{Fault, Hints, LARGEST_RECORD, MOST_CELLS};

const UNCLOSED: Fault = Fault::Quote { column: 2 };

#[test]
fn a_quote_that_goes_wrong_costs_its_first_line() {
    for (file, faults, rows) in [
        ("a,b\n1,\"x\" y\n3,4\n", vec![(2, UNCLOSED)], 3),
        ("a,b\n1,\"x\" \n3,4\n", vec![(2, UNCLOSED)], 3),
        ("a,b\n1,\"x\n3,4\n5,6", vec![(2, UNCLOSED)], 4),
        ("a,b\r\n1,\"x\r\n3,4\r\n", vec![(2, UNCLOSED)], 3),
        ("a,b\r1,\"x\r3,4\r", vec![(2, UNCLOSED)], 3),
        // Two rows, each with a quote that is never closed: each would close the other's.
        ("a,b\n1,\"x\n2,\"y\n3,4\n", vec![(2, UNCLOSED), (3, UNCLOSED)], 4),
        ("a,b\n1,2\n3,\"", vec![(3, UNCLOSED)], 3),
        ("a,b\n\"1\"\r2,3\n", vec![(2, Fault::Quote { column: 1 })], 2),
    ] {
        for size in [1, 2, 1000] {
            let whole = in_pieces(file.as_bytes(), Hints::default(), &[size]);
            assert_eq!((whole.faults(), whole.records.len()), (faults.clone(), rows), "{file:?}");
        }
    }
    let whole = read("a,b\n1,\"x\" y,z\n3,4\n");
    assert_eq!(whole.records[1].cells, ["1", "x y", "z"], "as good as can be");
    assert_eq!((whole.records[2].line, whole.records[2].cells.len()), (3, 2));
}

#[test]
fn a_row_may_have_so_many_bytes_and_no_more() {
    for (more, end, fault) in [
        (0, "\n", None),
        (0, "\r\n", None),
        (0, "", None),
        (1, "\n", Some(Fault::TooLong)),
        (1, "\r\n", Some(Fault::TooLong)),
    ] {
        for quotes in ["", "\""] {
            let inside = "x".repeat(LARGEST_RECORD - 2 - 2 * quotes.len() + more);
            let file = format!("a,b\n1,{quotes}{inside}{quotes}{end}");
            for size in [LARGEST_RECORD * 3, 65_536, 65_537] {
                let whole = in_pieces(file.as_bytes(), Hints::default(), &[size]);
                assert_eq!(whole.records[1].fault, fault, "{more} {end:?} {quotes}");
                assert_eq!(whole.records.len(), 2);
            }
        }
    }
}

#[test]
fn a_row_of_ten_megabytes_is_skipped_and_the_next_is_read() {
    let long = "x".repeat(10 << 20);
    for (row, line) in [(format!("1,{long}"), 3), (format!("1,\"{long}\""), 3), (format!("\"{long}"), 3)] {
        let whole = in_pieces(format!("a,b\n{row}\n3,4\n").as_bytes(), Hints::default(), &[65_536]);
        assert_eq!(whole.faults(), [(2, Fault::TooLong)]);
        assert_eq!((whole.records[1].cells.join(""), whole.records[2].line), (String::new(), line));
        assert!(whole.most_held < 4 * LARGEST_RECORD, "{}", whole.most_held);
    }
}

#[test]
fn zero_bytes_and_cells_without_end_are_said() {
    let whole = read("a,b\n1,x\0y\n3,4\n");
    assert_eq!(whole.faults(), [(2, Fault::Nul { column: 2 })]);
    let whole = read(format!("a,b\n{}1\n3,4\n", "1,".repeat(10_000)));
    assert_eq!(whole.faults(), [(2, Fault::TooManyCells)]);
    assert_eq!((whole.records[1].cells.len(), whole.records.len()), (MOST_CELLS, 3));
    assert_eq!(read(format!("{}h\n", "h,".repeat(MOST_CELLS - 1))).records[0].cells.len(), MOST_CELLS);
}

#[test]
fn what_is_wrong_is_said_without_the_value() {
    for fault in [UNCLOSED, Fault::TooLong, Fault::TooManyCells, Fault::Nul { column: 2 }] {
        let said = fault.to_string();
        assert!(said.contains(':') && said.split(": ").count() == 2, "what is wrong: what to do. {said}");
    }
    assert!(UNCLOSED.to_string().contains("column 2"));
}
