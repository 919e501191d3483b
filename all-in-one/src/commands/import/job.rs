//! An import as the server tells of it.

use serde::Deserialize;

/// How an import stands. What an older server does not tell is empty.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Job {
    /// Its name.
    pub id: String,
    /// `running`, `inviting`, `done`, `undoing`, `undone` or `failed`.
    pub state: String,
    /// Whether nothing was written.
    pub dry_run: bool,
    /// What became of matches that differ: `skip`, `update` or `fail`.
    pub on_match: String,
    /// Rows in the file.
    pub read: u64,
    /// New patients.
    pub created: u64,
    /// Patients changed.
    pub updated: u64,
    /// Patients on record just so.
    pub unchanged: u64,
    /// Patients on record otherwise, left as they are.
    pub skipped: u64,
    /// Rows that could not be taken.
    pub failed: u64,
    /// What was found of the file.
    pub file: File,
    /// Which column is which.
    pub columns: Vec<Column>,
    /// Columns that were not read.
    pub ignored_columns: Vec<String>,
    /// The first failed rows.
    pub errors: Vec<Failed>,
    /// The first rows that stand in the file twice.
    pub duplicates: Vec<Duplicate>,
    /// The first rows whose patient was on record.
    pub matches: Vec<Match>,
    /// What became of the invites that were asked for.
    pub invites: Option<Invites>,
    /// What became of the undoing.
    pub undo: Option<Undo>,
    /// What a person should look at.
    pub warnings: Vec<String>,
    /// When it was taken in.
    pub created_at: String,
    /// Until when failed rows are kept.
    pub result_until: Option<String>,
    /// Why it could not go on.
    pub failure: Option<String>,
}

/// What was found of the file.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct File {
    /// Decisions are bound to it.
    pub sha256: String,
    /// Its size.
    pub bytes: u64,
    /// How its letters are written.
    pub encoding: String,
    /// Between its columns: one character, or `tab`.
    pub delimiter: String,
    /// `dmy` or `mdy`, where its dates are not ISO.
    pub date_order: Option<String>,
    /// Rows without anything in them.
    pub blank_rows: u64,
}

/// A column.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Column {
    /// Its header.
    pub header: String,
    /// The field it fills.
    pub field: Option<String>,
    /// How that was found: `header`, `mapping` or `remembered`.
    pub by: String,
}

/// A row that could not be taken.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Failed {
    /// From 1, below the headers.
    pub row: u64,
    /// Its line in the file.
    pub line: u64,
    /// Why.
    pub reasons: Vec<Reason>,
}

/// Why a row could not be taken.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Reason {
    /// For programs.
    pub code: String,
    /// For people.
    pub message: String,
    /// The field concerned.
    pub field: Option<String>,
    /// The column concerned, by its header.
    pub column: Option<String>,
}

/// A row that stands in the file more than once.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Duplicate {
    /// From 1, below the headers.
    pub row: u64,
    /// Its line in the file.
    pub line: u64,
    /// The other rows.
    pub same_as: Vec<u64>,
}

/// A row whose patient was on record.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Match {
    /// From 1, below the headers.
    pub row: u64,
    /// Its line in the file.
    pub line: u64,
    /// The patient.
    pub patient_id: String,
    /// What they were known by.
    pub by: Vec<String>,
    /// What became of the row.
    pub outcome: String,
    /// Fields that differ.
    pub differs: Vec<String>,
}

/// What became of the invites that were asked for.
#[derive(Debug, Clone, Default, Deserialize, serde::Serialize)]
#[serde(default)]
pub struct Invites {
    /// Patients to be invited.
    pub requested: u64,
    /// Invites made.
    pub issued: u64,
    /// Patients who could not be invited.
    pub refused: u64,
}

/// What became of an undoing.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Undo {
    /// Patients archived.
    pub archived: u64,
    /// Patients left as they are.
    pub kept: u64,
    /// The first of those, each with why.
    pub left: Vec<Left>,
}

/// A patient whom an undoing left as they are.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Left {
    /// The patient.
    pub patient_id: String,
    /// `invited`, `updated`, `registered`, `archived` or `erased`.
    pub reason: String,
}

/// One page of imports.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Page {
    /// Newest first, without their rows.
    pub items: Vec<Job>,
}

impl Job {
    /// Rows that were decided.
    pub fn decided(&self) -> u64 {
        self.created + self.updated + self.unchanged + self.skipped + self.failed
    }

    /// Whether it stands so from now on.
    pub fn ended(&self) -> bool {
        ["done", "failed", "undone"].contains(&self.state.as_str())
    }
}
