//! What answers about imports look like.

use crate::import::chunk::Outcome;
use crate::import::columns::{Column, Mapping, mapping_schema};
use crate::import::options::OnMatch;
use crate::import::row::Reason;
use crate::import::shown::{FileFacts, RowDuplicate, RowError, RowMatch};
use crate::store::imports::{Standing, ends};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// How an import stands. `read` = `created` + `updated` + `unchanged` + `skipped` + `failed`, once every row has its end.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ImportAnswer {
    /// The import.
    pub id: Uuid,
    /// `running`; `inviting`: every row has its end, invitations are being answered; `done`; `undoing`, `undone`; `failed`.
    #[schema(example = "done")]
    pub state: String,
    /// Whether it only reads and reports.
    pub dry_run: bool,
    /// What becomes of a row whose patient is on record with other fields.
    pub on_match: OnMatch,
    /// Rows in the file.
    pub read: i64,
    /// New patients.
    pub created: i64,
    /// Patients changed.
    pub updated: i64,
    /// Patients that were already on record just so.
    pub unchanged: i64,
    /// Patients on record with other fields, left as they are, and rows that were decided to be left out.
    pub skipped: i64,
    /// Rows that could not be taken.
    pub failed: i64,
    /// What was found in the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<FileFacts>,
    /// Which column is which.
    pub columns: Vec<Column>,
    /// Headers of columns that were not read.
    pub ignored_columns: Vec<String>,
    /// Invitations it asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invites: Option<Invites>,
    /// What undoing did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub undo: Option<Undo>,
    /// The first hundred rows that failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub errors: Option<Vec<RowError>>,
    /// The first hundred rows whose patient is on record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub matches: Option<Vec<RowMatch>>,
    /// In a dry run: the first hundred rows that say the same address or external id as rows before them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duplicates: Option<Vec<RowDuplicate>>,
    /// What a person should look at.
    pub warnings: Vec<String>,
    /// When the file was taken in.
    pub created_at: DateTime<Utc>,
    /// When the last row had its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<DateTime<Utc>>,
    /// Until when its rows and its result are kept; absent once they are gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result_until: Option<DateTime<Utc>>,
    /// Why it could not go on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// Invitations that an import asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct Invites {
    /// Asked for. In a dry run: would be.
    pub requested: i64,
    /// Issued.
    pub issued: i64,
    /// Refused; the patient's history says why.
    pub refused: i64,
}

/// What undoing did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Undo {
    /// Patients archived.
    pub archived: i64,
    /// Patients left alone.
    pub kept: i64,
    /// The first hundred of those.
    pub left: Vec<LeftAlone>,
}

/// A patient that undoing left alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct LeftAlone {
    /// The patient.
    pub patient_id: Uuid,
    /// `invited`, `updated`, `registered`, `archived` or `erased`.
    pub reason: String,
}

impl ImportAnswer {
    /// An import without its rows.
    pub fn brief(standing: &Standing) -> ImportAnswer {
        let columns = standing.columns.as_ref();
        let file = standing.file.as_ref().map(|file| file.0.clone());
        let invites = standing.options.invite.as_ref().map(|_| Invites {
            requested: standing.invites_requested,
            issued: standing.invites_issued,
            refused: standing.invites_refused,
        });
        let undo = ["undoing", "undone"].contains(&standing.state.as_str()).then(|| Undo {
            archived: standing.undo_archived,
            kept: standing.undo_kept,
            left: Vec::new(),
        });
        ImportAnswer {
            id: standing.id,
            state: standing.state.clone(),
            dry_run: standing.dry_run,
            on_match: standing.options.on_match,
            read: standing.rows_read,
            created: standing.created,
            updated: standing.updated,
            unchanged: standing.unchanged,
            skipped: standing.skipped,
            failed: standing.failed,
            columns: columns.map(|columns| columns.all.clone()).unwrap_or_default(),
            ignored_columns: columns.map(|columns| columns.ignored()).unwrap_or_default(),
            invites,
            undo,
            errors: None,
            matches: None,
            duplicates: None,
            warnings: file.as_ref().map(|file| file.warnings.clone()).unwrap_or_default(),
            file,
            created_at: standing.created_at,
            finished_at: standing.finished_at,
            result_until: standing.finished_at.filter(|_| !standing.forgotten).map(|at| at + ends::KEPT),
            failure: standing.failure.clone(),
        }
    }

    /// An import with the first of its rows.
    pub fn whole(standing: &Standing, left: Vec<(Uuid, String)>) -> ImportAnswer {
        let mut answer = ImportAnswer::brief(standing);
        let shown = &standing.shown.0;
        answer.errors = Some(shown.errors.clone());
        answer.matches = Some(shown.matches.clone());
        answer.duplicates = standing.dry_run.then(|| shown.duplicates.clone());
        if let Some(undo) = &mut answer.undo {
            undo.left =
                left.into_iter().map(|(patient_id, reason)| LeftAlone { patient_id, reason }).collect();
        }
        answer
    }

    /// Whether it stands so until somebody asks for more.
    pub fn ended(&self) -> bool {
        ["done", "undone", "failed"].contains(&self.state.as_str())
    }
}

/// What became of a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct RowAnswer {
    /// Which, from 1; the header line does not count.
    pub row: i64,
    /// The line of the file on which it begins, from 1.
    pub line: u64,
    /// `created`, `updated`, `unchanged`, `skipped` or `failed`.
    pub outcome: String,
    /// The patient it made or met.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patient_id: Option<Uuid>,
    /// Why we think it is that patient.
    #[serde(rename = "match", skip_serializing_if = "Option::is_none")]
    pub matched: Option<MatchAnswer>,
    /// In a dry run: rows before it that say the same address or external id.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub same_as: Vec<i64>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<Reason>,
}

/// Why we think that a row is a patient on record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct MatchAnswer {
    /// `external_id`, or `email` with `last_name` or `date_of_birth`.
    pub by: Vec<String>,
    /// Fields in which the row says something else than the record.
    pub differs: Vec<String>,
}

impl RowAnswer {
    /// A row as it ended.
    pub fn of(row: i64, outcome: Outcome) -> RowAnswer {
        RowAnswer {
            row,
            line: outcome.line,
            outcome: outcome.ended.as_str().to_owned(),
            patient_id: outcome.patient,
            matched: outcome.matched.map(|found| MatchAnswer { by: found.by, differs: found.differs }),
            same_as: outcome.same_as,
            reasons: outcome.reasons,
        }
    }
}

/// How a clinic's headers are to be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "mapping": { "Kundennummer": "external_id", "Id": null } }))]
pub struct Mappings {
    /// Headers and the fields they fill; null leaves a column out.
    #[schema(schema_with = mapping_schema)]
    pub mapping: Mapping,
}
