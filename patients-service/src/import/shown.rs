//! What a person looks at first: facts of the file, and the first rows that failed, matched, or say the
//! same as another.

use super::chunk::{Ended, Outcome};
use super::options::DateOrder;
use super::row::Reason;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// How many rows of each kind are shown; the rest is in the list of rows and in the result file.
const MOST: usize = 100;

/// What was found in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FileFacts {
    /// SHA-256 of its bytes, in hex.
    pub sha256: String,
    /// Its size.
    pub bytes: u64,
    /// Its encoding.
    #[schema(example = "UTF-8")]
    pub encoding: String,
    /// What stands between cells: `,`, `;`, `|` or `tab`.
    #[schema(example = ",")]
    pub delimiter: String,
    /// The order of day and month in its dates, where they have one that matters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date_order: Option<DateOrder>,
    /// Lines without anything in them.
    pub blank_rows: u64,
    /// What a person should look at.
    #[serde(default)]
    pub warnings: Vec<String>,
}

/// A row that could not be taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RowError {
    /// Which, from 1; the header line does not count.
    pub row: i64,
    /// The line of the file on which it begins, from 1.
    pub line: u64,
    /// Everything that is wrong with it.
    pub reasons: Vec<Reason>,
}

/// A row whose patient is on record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RowMatch {
    /// Which, from 1.
    pub row: i64,
    /// The line of the file.
    pub line: u64,
    /// The patient.
    pub patient_id: Uuid,
    /// What shows that it is that patient: `external_id`, or `email` with `last_name` or `date_of_birth`.
    pub by: Vec<String>,
    /// What became of the row.
    pub outcome: String,
    /// Fields in which it says something else than the record.
    pub differs: Vec<String>,
}

/// A row of a dry run that says the same address or external id as others of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RowDuplicate {
    /// Which, from 1.
    pub row: i64,
    /// The line of the file.
    pub line: u64,
    /// The rows before it that it resembles.
    pub same_as: Vec<i64>,
}

/// The first rows of each kind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// Failed.
    #[serde(default)]
    pub errors: Vec<RowError>,
    /// On record.
    #[serde(default)]
    pub matches: Vec<RowMatch>,
    /// Said twice.
    #[serde(default)]
    pub duplicates: Vec<RowDuplicate>,
}

impl Shown {
    /// Adds a row, where there is room for its kind.
    pub fn add(&mut self, row: i64, outcome: &Outcome) {
        let line = outcome.line;
        if outcome.ended == Ended::Failed && self.errors.len() < MOST {
            self.errors.push(RowError { row, line, reasons: outcome.reasons.clone() });
        }
        // Not those of a dry run that are another row of the file: these are among the duplicates.
        let on_record = outcome.matched.as_ref().filter(|_| outcome.patient.is_some());
        if let Some(found) = on_record.filter(|_| self.matches.len() < MOST) {
            self.matches.push(RowMatch {
                row,
                line,
                patient_id: found.patient,
                by: found.by.clone(),
                outcome: outcome.ended.as_str().to_owned(),
                differs: found.differs.clone(),
            });
        }
        if !outcome.same_as.is_empty() && self.duplicates.len() < MOST {
            self.duplicates.push(RowDuplicate { row, line, same_as: outcome.same_as.clone() });
        }
    }
}
