//! A file that comes in: its pieces become rows, sealed one by one, in chunks that are kept while the rest
//! is still on its way. However large the file, only some chunks are in memory.

use super::chunk::Writer;
use super::columns::{Columns, Field, Mapping, recognise};
use super::options::{DateOrder, Decisions};
use super::row::Row;
use super::shown::FileFacts;
use crate::store::imports::Received;
use crate::store::imports::chunks::NewChunk;
use aws_lc_rs::digest::{Context, SHA256};
use csv_intake::dates::Sniffer;
use csv_intake::{Hints, Intake, Record};
use shared_runtime::keys::DataKey;

/// Chunks that are kept in one transaction.
const TOGETHER: usize = 8;

/// Why a file is not taken, in words that say what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It cannot be read.
    #[error("{0}")]
    Unreadable(String),
    /// Its dates may be read in two ways.
    #[error("{0}")]
    Dates(String),
    /// The decisions were made for another file.
    #[error("the decisions are for another file: begin with a dry run of this one")]
    OtherFile,
}

impl From<csv_intake::Unreadable> for Refused {
    fn from(why: csv_intake::Unreadable) -> Refused {
        Refused::Unreadable(why.to_string())
    }
}

/// What was said about the file.
#[derive(Debug, Clone, Default)]
pub struct About {
    /// Encoding and delimiter.
    pub hints: Hints,
    /// Which header is which field.
    pub mapping: Mapping,
    /// What the clinic said before.
    pub remembered: Mapping,
    /// The order of day and month.
    pub date_order: Option<DateOrder>,
    /// Decisions about rows.
    pub decisions: Option<Decisions>,
}

/// A file that comes in.
pub struct Upload {
    about: About,
    key: DataKey,
    hash: Context,
    intake: Intake,
    columns: Option<Columns>,
    /// Where birth dates stand.
    birth: Option<usize>,
    dates: Sniffer,
    chunk: Writer,
    ready: Vec<NewChunk>,
    rows: i64,
    chunks: i64,
}

impl Upload {
    /// Begins; `key` seals the rows.
    pub fn new(about: About, key: DataKey) -> Result<Upload, Refused> {
        Ok(Upload {
            intake: Intake::new(about.hints.clone())?,
            about,
            key,
            hash: Context::new(&SHA256),
            columns: None,
            birth: None,
            dates: Sniffer::default(),
            chunk: Writer::default(),
            ready: Vec::new(),
            rows: 0,
            chunks: 0,
        })
    }

    /// Takes the next piece of the file.
    pub fn push(&mut self, piece: &[u8]) -> Result<(), Refused> {
        self.hash.update(piece);
        self.intake.push(piece)?;
        self.drain()
    }

    /// Chunks to be kept now, as soon as there are enough of them.
    pub fn ready(&mut self) -> Option<Vec<NewChunk>> {
        (self.ready.len() >= TOGETHER).then(|| std::mem::take(&mut self.ready))
    }

    /// The file is over: what is known of it, and the last chunks.
    pub fn end(mut self) -> Result<(Received, Vec<NewChunk>), Refused> {
        self.intake.end()?;
        self.drain()?;
        self.close_chunk();
        let Some(columns) = self.columns else { return Err(csv_intake::Unreadable::Empty.into()) };
        if self.rows == 0 {
            return Err(Refused::Unreadable(
                "the file has headers but no rows: is it the right file?".to_owned(),
            ));
        }
        let date_order = match self.about.date_order {
            Some(said) => Some(said),
            None => self.dates.order().map_err(|why| Refused::Dates(why.to_string()))?.map(Into::into),
        };
        let sha256: String = self.hash.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        if self.about.decisions.is_some_and(|made| !made.file_sha256.eq_ignore_ascii_case(&sha256)) {
            return Err(Refused::OtherFile);
        }
        let found = self.intake.found();
        let mut warnings = Vec::new();
        if found.guessed {
            warnings.push(format!(
                "The file does not say how its letters are written; it was read as {}. Look at names with accents; \
                 if they are wrong, save it as CSV UTF-8 or name the encoding.",
                found.encoding
            ));
        }
        let file = FileFacts {
            sha256,
            bytes: found.bytes,
            encoding: found.encoding.to_owned(),
            delimiter: if found.delimiter == b'\t' {
                "tab".to_owned()
            } else {
                char::from(found.delimiter).to_string()
            },
            date_order,
            blank_rows: found.blank_rows,
            warnings,
        };
        Ok((Received { file, columns, rows: self.rows }, self.ready))
    }

    /// Takes every record that is complete.
    fn drain(&mut self) -> Result<(), Refused> {
        while let Some(record) = self.intake.next()? {
            match self.columns.take() {
                None => self.columns = Some(self.headers(&record)?),
                Some(columns) => {
                    self.row(record, &columns);
                    self.columns = Some(columns);
                }
            }
        }
        Ok(())
    }

    fn headers(&mut self, record: &Record) -> Result<Columns, Refused> {
        let columns = recognise(&record.cells, &self.about.mapping, &self.about.remembered)
            .map_err(|why| Refused::Unreadable(why.to_string()))?;
        self.birth = columns.fields().iter().position(|field| *field == Field::DateOfBirth);
        Ok(columns)
    }

    fn row(&mut self, record: Record, columns: &Columns) {
        self.rows += 1;
        let decided = self.about.decisions.as_ref().and_then(|made| made.rows.get(&self.rows)).copied();
        let row = Row::of(record, columns, decided);
        if let Some(date) =
            self.birth.and_then(|place| row.values.get(place)).filter(|_| row.broken.is_none())
        {
            self.dates.push(date);
        }
        self.chunk.add(&self.key, self.rows, &row);
        if self.chunk.is_full() {
            self.close_chunk();
        }
    }

    fn close_chunk(&mut self) {
        let rows = i64::try_from(self.chunk.rows()).unwrap_or(i64::MAX);
        if rows == 0 {
            return;
        }
        let sealed = std::mem::take(&mut self.chunk).into_bytes();
        self.ready.push(NewChunk { number: self.chunks, first_row: self.rows - rows + 1, rows, sealed });
        self.chunks += 1;
    }
}
