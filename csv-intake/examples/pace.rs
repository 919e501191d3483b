//! How fast a register of a million patients is read, and how much memory that takes:
//! `cargo run -p csv-intake --profile fuzz --example pace`

use csv_intake::{Hints, Intake, Unreadable, write_row};
use std::time::Instant;

const ROWS: usize = 1_000_000;

/// What an upload comes in.
const PIECE: usize = 64 * 1024;

fn main() -> Result<(), Unreadable> {
    for (name, note) in
        [("bare cells", "seen in spring"), ("quoted notes", "said: \"call me, later\"\nor write")]
    {
        let file = register(note);
        let began = Instant::now();
        let mut intake = Intake::new(Hints::default())?;
        let (mut cells, mut held) = (0, 0);
        for piece in file.as_bytes().chunks(PIECE) {
            intake.push(piece)?;
            held = held.max(intake.held());
            while let Some(record) = intake.next()? {
                cells += record.cells.len();
            }
        }
        intake.end()?;
        while let Some(record) = intake.next()? {
            cells += record.cells.len();
        }
        let seconds = began.elapsed().as_secs_f64();
        let megabytes = file.len() as f64 / 1e6;
        println!(
            "{name}: {megabytes:.0} MB, {cells} cells in {seconds:.2} s: {:.0} MB/s, at most {held} bytes held",
            megabytes / seconds
        );
    }
    Ok(())
}

fn register(note: &str) -> String {
    let mut file = String::new();
    write_row(
        &mut file,
        ["MRN", "Last name", "First name", "E-mail", "Phone", "Date of birth", "Language", "Notes"],
    );
    for row in 0..ROWS {
        let (id, email) = (format!("{row:08}"), format!("patient{row}@example.org"));
        let born = format!("{}-{:02}-{:02}", 1930 + row % 90, 1 + row % 12, 1 + row % 28);
        write_row(
            &mut file,
            [&id, "Müller-Lüdenscheidt", "Zoë", &email, "+49 30 901820", &born, "de-AT", note],
        );
    }
    file
}
