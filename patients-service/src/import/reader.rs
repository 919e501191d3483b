//! Reading an upload: bytes to rows of raw fields.

use super::columns::{Columns, Field, Unusable, recognise};
use crate::domain::RawDraft;
use serde::{Deserialize, Serialize};

/// A row as it stands in the file. Row 1 is the first one below the headers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RawRow {
    /// Values by field; columns that are not read are not here.
    pub values: Vec<(Field, String)>,
}

/// Why a file cannot be imported at all, in words that say what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Nothing in it.
    #[error("the file is empty")]
    Empty,
    /// Bytes that no text has.
    #[error("the file is not text: export it as CSV, not as a workbook or an archive")]
    Binary,
    /// Headers without a row below.
    #[error("the file has headers but no rows")]
    NoRows,
    /// Needed columns that are not there.
    #[error("no column for {0}: name the columns in the first line, such as email,first_name,last_name")]
    Missing(String),
    /// Two columns for one field.
    #[error("two columns would fill {0}: rename or remove one of them")]
    Twice(&'static str),
    /// The CSV itself is broken.
    #[error("line {line} is not CSV: {why}")]
    Broken {
        /// The line of the file, from 1.
        line: u64,
        /// What is wrong.
        why: &'static str,
    },
}

/// What a file holds.
#[derive(Debug)]
pub struct Sheet {
    /// Which column is which.
    pub columns: Columns,
    /// The rows, in order.
    pub rows: Vec<RawRow>,
}

/// Reads a whole upload.
pub fn read(bytes: &[u8]) -> Result<Sheet, Unreadable> {
    let text = decode(bytes)?;
    let delimiter = delimiter(text.lines().next().unwrap_or_default());
    let mut reader =
        csv::ReaderBuilder::new().delimiter(delimiter).flexible(false).from_reader(text.as_bytes());
    let headers: Vec<String> = reader.headers().map_err(|e| broken(&e))?.iter().map(str::to_owned).collect();
    let columns = recognise(&headers).map_err(|why| match why {
        Unusable::Missing(fields) => {
            Unreadable::Missing(fields.iter().map(|field| field.as_str()).collect::<Vec<_>>().join(", "))
        }
        Unusable::Twice(field) => Unreadable::Twice(field.as_str()),
    })?;
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| broken(&error))?;
        let value =
            |(place, field): &(usize, Field)| (*field, record.get(*place).unwrap_or_default().to_owned());
        rows.push(RawRow { values: columns.used.iter().map(value).collect() });
    }
    if rows.is_empty() { Err(Unreadable::NoRows) } else { Ok(Sheet { columns, rows }) }
}

fn decode(bytes: &[u8]) -> Result<String, Unreadable> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(Unreadable::Empty);
    }
    let bom = encoding_rs::Encoding::for_bom(bytes).map(|(encoding, _)| encoding);
    if bom.is_none_or(|encoding| encoding == encoding_rs::UTF_8) && bytes.contains(&0) {
        return Err(Unreadable::Binary);
    }
    // Without a mark it is UTF-8 or, from an old office program, windows-1252, which takes any byte.
    let encoding = bom.unwrap_or(match std::str::from_utf8(bytes) {
        Ok(_) => encoding_rs::UTF_8,
        Err(_) => encoding_rs::WINDOWS_1252,
    });
    let (text, _, malformed) = encoding.decode(bytes);
    // A zero may stand in UTF-16, too, and in no text that a database keeps.
    if malformed || text.contains('\0') { Err(Unreadable::Binary) } else { Ok(text.into_owned()) }
}

/// The delimiter that the header line has most of.
fn delimiter(line: &str) -> u8 {
    let count = |delimiter: &&u8| line.bytes().filter(|byte| byte == *delimiter).count();
    *[b',', b';', b'\t', b'|'].iter().rev().max_by_key(count).unwrap_or(&b',')
}

fn broken(error: &csv::Error) -> Unreadable {
    let line = error.position().map_or(1, csv::Position::line);
    let why = match error.kind() {
        csv::ErrorKind::UnequalLengths { .. } => "it has more or fewer columns than the header line",
        _ => "it cannot be read",
    };
    Unreadable::Broken { line, why }
}

impl From<RawRow> for RawDraft {
    fn from(row: RawRow) -> RawDraft {
        let mut draft = RawDraft::default();
        for (field, value) in row.values {
            let value = Some(value);
            match field {
                Field::Email => draft.email = value,
                Field::FirstName => draft.first_name = value,
                Field::LastName => draft.last_name = value,
                Field::Phone => draft.phone = value,
                Field::DateOfBirth => draft.date_of_birth = value,
                Field::Notes => draft.notes = value,
                Field::ExternalId => draft.external_id = value,
                Field::ClinicianId => draft.clinician_id = value,
                Field::ClinicianName => draft.clinician_name = value,
                Field::PreferredLanguage => draft.preferred_language = value,
            }
        }
        draft
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn exports_of_many_programs_are_read() {
        for text in [
            "email,first,last\na@b.org,Ada,Lovelace\n".as_bytes(),
            "\u{feff}Last;First;E-Mail\r\nLovelace;Ada;a@b.org\r\n".as_bytes(),
            "email\tfirst\tlast\na@b.org\tAda\tLovelace".as_bytes(),
            b"email,first,last\na@b.org,J\xf6rg,M\xfcller\n",
        ] {
            assert_eq!(read(text).expect("read").rows.len(), 1);
        }
    }

    #[test]
    fn old_office_letters_become_real_ones() {
        let sheet = read(b"email,first,last\na@b.org,J\xf6rg,M\xfcller\n").expect("read");
        assert_eq!(sheet.rows[0].values[1], (Field::FirstName, "Jörg".to_owned()));
    }

    #[test]
    fn what_is_no_csv_is_refused_in_words() {
        let refused = |bytes: &[u8]| read(bytes).expect_err("refused").to_string();
        assert_eq!(refused(b""), "the file is empty");
        assert!(refused(b"PK\x03\x04\x00\x00").contains("not as a workbook"));
        assert_eq!(refused(b"email,first,last\n"), "the file has headers but no rows");
        assert!(refused(b"a,b\n1,2\n").starts_with("no column for email, first_name, last_name"));
        assert!(refused(b"email,first,last\na@b.org,Ada\n").starts_with("line 2 is not CSV"));
    }

    proptest! {
        #[test]
        fn reading_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = read(&bytes);
        }
    }
}
