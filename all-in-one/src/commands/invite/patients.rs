//! Who is to be invited: ids from a list, or from the result of an import.

use anyhow::{Context, Result, bail};
use std::collections::HashSet;
use std::path::Path;
use uuid::Uuid;

/// The column of an import's result that names the patient.
const COLUMN: &str = "import_patient_id";

/// Reads the ids of a file, each once, in its order.
///
/// # Errors
/// A file that cannot be read, a line that is no id, and a file without any.
pub fn read(path: &Path) -> Result<Vec<Uuid>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let ids = parse(&text).with_context(|| format!("cannot use {}", path.display()))?;
    if ids.is_empty() {
        bail!("{} names no patient", path.display());
    }
    Ok(once(ids))
}

/// Each id once, in the order of its first mention.
pub fn once(ids: Vec<Uuid>) -> Vec<Uuid> {
    let mut seen = HashSet::new();
    ids.into_iter().filter(|id| seen.insert(*id)).collect()
}

fn parse(text: &str) -> Result<Vec<Uuid>> {
    let text = text.trim_start_matches('\u{feff}');
    let head = text.lines().next().unwrap_or_default();
    if head.contains(COLUMN) { from_result(text, head) } else { from_lines(text) }
}

fn from_lines(text: &str) -> Result<Vec<Uuid>> {
    let lines = (1..).zip(text.lines()).map(|(number, line)| (number, line.trim()));
    lines.filter(|(_, line)| !line.is_empty()).map(|(number, line)| id(number, line)).collect()
}

/// The result of an import, as it was saved or as a spreadsheet saved it again.
fn from_result(text: &str, head: &str) -> Result<Vec<Uuid>> {
    let delimiter = *[b',', b';', b'\t'].iter().rev().max_by_key(|d| count(head, **d)).unwrap_or(&b',');
    let mut reader =
        csv::ReaderBuilder::new().delimiter(delimiter).flexible(true).from_reader(text.as_bytes());
    let headers = reader.headers().context("line 1 is no line of headers")?;
    let Some(place) = headers.iter().position(|header| header.trim() == COLUMN) else {
        bail!("line 1 has no column {COLUMN}");
    };
    let mut ids = Vec::new();
    for record in reader.records() {
        let record = record.context("it is no CSV")?;
        let value = record.get(place).unwrap_or_default().trim();
        // Rows that failed have no patient.
        if !value.is_empty() {
            ids.push(id(record.position().map_or(0, csv::Position::line), value)?);
        }
    }
    Ok(ids)
}

fn count(text: &str, wanted: u8) -> usize {
    text.bytes().filter(|byte| *byte == wanted).count()
}

/// The value itself is not repeated: a wrong file may hold anything.
fn id(line: u64, text: &str) -> Result<Uuid> {
    text.parse().map_err(|_| {
        anyhow::anyhow!(
            "line {line} is no patient's id: give one id a line, or the result of an import with its column {COLUMN}"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADA: &str = "0193e0f2-0000-7000-8000-00000000000a";
    const BOB: &str = "0193e0f2-0000-7000-8000-00000000000b";

    #[test]
    fn a_list_of_ids_is_read_each_once() {
        let text = format!("\u{feff}{ADA}\r\n\r\n {BOB} \n{ADA}\n");
        let ids = once(parse(&text).expect("read"));
        assert_eq!(ids.iter().map(Uuid::to_string).collect::<Vec<_>>(), [ADA, BOB]);
        let wrong = parse(&format!("{ADA}\nada@example.org\n")).expect_err("refused").to_string();
        assert!(wrong.starts_with("line 2 is no patient's id") && !wrong.contains("ada@"), "{wrong}");
    }

    #[test]
    fn the_result_of_an_import_is_read_as_it_was_saved_and_saved_again() {
        for delimiter in [",", ";", "\t"] {
            let head = ["import_row", "import_outcome", "import_patient_id", "first, last"].join(delimiter);
            let text = format!(
                "{head}\n1{delimiter}created{delimiter}{ADA}{delimiter}\"a\nb\"\n2{delimiter}failed{delimiter}{delimiter}x\n3{delimiter}created{delimiter}{BOB}{delimiter}\n"
            );
            let ids = parse(&text.replace("first, last", "name")).expect("read");
            assert_eq!(ids.len(), 2, "{text}");
        }
    }
}
