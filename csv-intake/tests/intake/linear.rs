//! Nothing that can be in a file makes reading slow or large: bytes looked at are counted, not seconds.

use csv_intake::{Fault, Hints, Intake, LARGEST_RECORD};

/// Pushes the same piece again and again. Gives records, faults, the most that was held, and bytes scanned per byte.
fn pour(header: &str, piece: &str, megabytes: usize, size: usize) -> (u64, u64, usize, f64) {
    let mut intake = Intake::new(Hints::default()).expect("hints");
    let (mut records, mut faults, mut held) = (0, 0, 0);
    let mut drain = |intake: &mut Intake| {
        while let Some(record) = intake.next().expect("readable") {
            records += 1;
            faults += u64::from(matches!(record.fault, Some(Fault::Quote { .. } | Fault::TooLong)));
        }
        held = held.max(intake.held());
    };
    intake.push(header.as_bytes()).expect("well");
    let poured = piece.repeat(size.div_ceil(piece.len()));
    for _ in 0..(megabytes << 20) / poured.len() {
        intake.push(poured.as_bytes()).expect("well");
        drain(&mut intake);
    }
    intake.end().expect("well");
    drain(&mut intake);
    (records, faults, held, intake.scanned() as f64 / intake.found().bytes as f64)
}

#[test]
fn a_quote_that_is_never_closed_costs_one_row_of_a_hundred_megabytes() {
    let (records, faults, held, effort) = pour("a,b\n1,\"x\n", "1234567,some text of a note\n", 100, 65_536);
    assert_eq!((records, faults), (2 + 100 * (1 << 20) / 65_548 * 2_341, 1));
    assert!(held < 5 * LARGEST_RECORD && effort < 1.1, "{held} {effort}");
}

#[test]
fn a_million_lines_that_each_open_a_quote() {
    let (records, faults, _, effort) = pour("a,b\n", "1,\"x\n", 5, 65_536);
    assert!(records > 1_000_000 && faults == records - 1 && effort < 2.5, "{records} {faults} {effort}");
}

#[test]
fn lines_in_which_quotes_close_and_open_again_as_if_they_belonged_together() {
    // Each line would be in quotes for as long as a record may be, and is tried by itself, too.
    let line = format!("x\",\"{}\n", "y".repeat(1000));
    for size in [line.len(), 65_536, 4 << 20] {
        let (records, faults, held, effort) = pour("a,b\n1,\"\n", &line, 20, size);
        assert!(records > 16_000 && faults > 16_000 && effort < 3.0, "{records} {faults} {effort}");
        assert!(held < 5 * LARGEST_RECORD + 4 * size, "{held}");
    }
}

#[test]
fn a_line_without_end() {
    let (records, _, held, effort) = pour("a,b\n", "xxxx,\"\",", 50, 65_536);
    assert_eq!(records, 2);
    assert!(held < 5 * LARGEST_RECORD && effort < 1.1, "{held} {effort}");
}

#[test]
fn bytes_above_ascii_without_end_are_not_kept() {
    let mut intake = Intake::new(Hints::default()).expect("hints");
    intake.push(b"a,b\n1,\xb0").expect("well");
    for _ in 0..200 {
        intake.push(&[0xb0; 65_536]).expect("well");
        while intake.next().expect("readable").is_some() {}
        assert!(intake.held() < 5 * LARGEST_RECORD, "{}", intake.held());
    }
    assert_eq!(intake.found().encoding, "windows-1252");
}

#[test]
fn blank_lines_without_end_are_not_kept() {
    let (records, _, held, effort) = pour("a,b\n", "\r\n,,,,\n", 20, 65_536);
    assert_eq!(records, 1);
    assert!(held < LARGEST_RECORD && effort < 1.1, "{held} {effort}");
}
