//! A chunk of an upload: some hundred rows, each sealed by itself, so that one person's can be taken out,
//! and what became of each.

use super::decide::Match;
use super::row::{Reason, Row};
use serde::{Deserialize, Serialize};
use shared_runtime::keys::{DataKey, KeysError};
use uuid::Uuid;

/// Rows of a chunk: one transaction carries it out, large enough to share its flush, small enough that
/// clinics' own commands need not wait long for theirs.
pub const ROWS: usize = 500;
/// The most bytes of a chunk; rows with long notes make smaller ones.
pub const BYTES: usize = 1024 * 1024;

/// What became of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the words are the product's own")]
pub enum Ended {
    Created,
    Updated,
    Unchanged,
    Skipped,
    Failed,
}

impl Ended {
    /// As in JSON and in the result file.
    pub fn as_str(self) -> &'static str {
        match self {
            Ended::Created => "created",
            Ended::Updated => "updated",
            Ended::Unchanged => "unchanged",
            Ended::Skipped => "skipped",
            Ended::Failed => "failed",
        }
    }
}

/// What became of a row, kept with its chunk. Nothing in it is personal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// The line of the file, from 1.
    #[serde(rename = "l")]
    pub line: u64,
    /// How it ended.
    #[serde(rename = "o")]
    pub ended: Ended,
    /// The patient it made or met.
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    pub patient: Option<Uuid>,
    /// Why we think it is that patient.
    #[serde(rename = "m", default, skip_serializing_if = "Option::is_none")]
    pub matched: Option<Match>,
    /// Rows of the same file that say the same address or external id; in a dry run.
    #[serde(rename = "s", default, skip_serializing_if = "Vec::is_empty")]
    pub same_as: Vec<i64>,
    /// Why it failed.
    #[serde(rename = "r", default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<Reason>,
}

impl Outcome {
    /// A row that ended so, with nothing more to say.
    pub fn of(line: u64, ended: Ended) -> Outcome {
        Outcome { line, ended, patient: None, matched: None, same_as: Vec::new(), reasons: Vec::new() }
    }

    /// A row that was taken out when its person was erased.
    pub fn erased(line: u64) -> Outcome {
        let reason = Reason::of_row("erased", "the person was erased; nothing of the row is kept");
        Outcome { reasons: vec![reason], ..Outcome::of(line, Ended::Failed) }
    }
}

/// Rows about to be kept: each sealed, its length before it.
#[derive(Debug, Default)]
pub struct Writer {
    bytes: Vec<u8>,
    rows: usize,
}

impl Writer {
    /// Adds a row, sealed for its place in the file.
    pub fn add(&mut self, key: &DataKey, row_no: i64, row: &Row) {
        let plain = serde_json::to_vec(row).unwrap_or_default();
        self.put(&key.seal(&aad(row_no), plain));
    }

    /// Adds a row that is no longer kept.
    pub fn add_nothing(&mut self) {
        self.put(&[]);
    }

    /// Adds a row as it is sealed already.
    pub fn put(&mut self, sealed: &[u8]) {
        let length = u32::try_from(sealed.len()).unwrap_or(u32::MAX);
        self.bytes.extend_from_slice(&length.to_be_bytes());
        self.bytes.extend_from_slice(sealed);
        self.rows += 1;
    }

    /// Whether it should be kept before another row is added.
    pub fn is_full(&self) -> bool {
        self.rows >= ROWS || self.bytes.len() >= BYTES
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The bytes to keep.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

/// Takes a chunk apart: each row as it is sealed, empty where it is no longer kept.
pub fn blocks(bytes: &[u8]) -> Vec<&[u8]> {
    let mut rest = bytes;
    let mut blocks = Vec::new();
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let length = u32::from_be_bytes(*length) as usize;
        let Some((block, after)) = after.split_at_checked(length) else { break };
        blocks.push(block);
        rest = after;
    }
    blocks
}

/// Opens a row; none where it is no longer kept.
pub fn open(key: &DataKey, row_no: i64, sealed: &[u8]) -> Result<Option<Row>, KeysError> {
    if sealed.is_empty() {
        return Ok(None);
    }
    let plain = key.open(&aad(row_no), sealed)?;
    serde_json::from_slice(&plain).map(Some).map_err(|_| KeysError::Unopened(key.id))
}

/// A row opens only in its own place.
fn aad(row_no: i64) -> [u8; 8] {
    row_no.to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_chunk_is_taken_apart_as_it_was_put_together(blocks_in: Vec<Vec<u8>>) {
            let mut writer = Writer::default();
            for block in &blocks_in {
                writer.put(block);
            }
            prop_assert_eq!(writer.rows(), blocks_in.len());
            let bytes = writer.into_bytes();
            prop_assert_eq!(blocks(&bytes), blocks_in);
        }

        #[test]
        fn any_bytes_are_taken_apart_without_panic(bytes: Vec<u8>) {
            let _ = blocks(&bytes);
        }
    }
}
