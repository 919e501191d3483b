//! What a service answers about its audit: rows to admins, and to operators whether the chain is whole.

use crate::requests::{Cause, lost, saw};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use shared_http::cursor::place_of_a_page;
use shared_http::openapi;
use shared_http::{Caller, CursorKey, CursorScope, FieldError, Limit, Page, Problem};
use shared_runtime::audit::chain::Row;
use shared_runtime::audit::list::{self, Wanted};
use shared_runtime::core::Core;
use utoipa::openapi::Schema;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// Who did or saw something.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AuditRow {
    /// The row's number; numbers grow and have gaps.
    pub id: i64,
    /// When.
    pub at: DateTime<Utc>,
    /// `staff:ID` or `patient`.
    #[schema(example = "staff:7")]
    pub actor: String,
    /// The role the caller had; absent for patients.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "staff")]
    pub role: Option<String>,
    /// What was done, as `<thing>.<verb>`.
    #[schema(example = "patient.read")]
    pub action: String,
    /// What it was done to: ids of patients, invites, imports, jobs.
    pub ids: Vec<Uuid>,
    /// The request, as in its answer and in the log lines.
    pub request_id: String,
    /// Its place in the chain; absent for a moment after it was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<i64>,
}

impl From<Row> for AuditRow {
    fn from(row: Row) -> AuditRow {
        AuditRow {
            id: row.id,
            at: row.at,
            actor: row.actor,
            role: row.role,
            action: row.action,
            ids: row.ids.0,
            request_id: row.request_id,
            place: row.place,
        }
    }
}

/// Which rows.
#[derive(Debug, Clone, Deserialize, Serialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AuditQuery {
    /// Who: `staff:ID` or `patient`.
    #[param(schema_with = any_text)]
    pub actor: Option<String>,
    /// What, such as `patient.read` or `invite.link_shown`.
    #[param(schema_with = any_text)]
    pub action: Option<String>,
    /// Rows about this patient, invite, import or job.
    pub id: Option<Uuid>,
    /// At this time or later.
    pub from: Option<DateTime<Utc>>,
    /// Before this time.
    pub to: Option<DateTime<Utc>>,
    /// How many, 1 to 200; 50 where absent.
    #[serde(default, skip_serializing_if = "place_of_a_page")]
    #[param(value_type = Option<u16>, minimum = 1, maximum = 200)]
    pub limit: Limit,
    /// Where a page ended: the `next_cursor` of the page before.
    #[serde(skip_serializing_if = "place_of_a_page")]
    pub cursor: Option<String>,
}

fn any_text() -> Schema {
    openapi::plain_text(0, None)
}

impl AuditQuery {
    fn check(&self) -> Result<(), Problem> {
        // PostgreSQL takes no text that holds a zero.
        for (name, text) in [("?actor", &self.actor), ("?action", &self.action)] {
            if text.as_deref().is_some_and(|text| text.contains(char::is_control)) {
                let error = FieldError::new(name, "invalid_value", "must not hold control characters");
                return Err(Problem::invalid_query(vec![error]));
            }
        }
        Ok(())
    }
}

/// A page of the caller's clinic's rows, newest first. That it was read is written down, too.
///
/// # Errors
/// A query that cannot be read, and a database that is away.
pub async fn page(
    core: &Core,
    cursors: &CursorKey,
    (caller, cause): (&Caller, &Cause),
    query: AuditQuery,
) -> Result<Page<AuditRow>, Problem> {
    query.check()?;
    let scope = CursorScope::new(&caller.account, "audit", &query)?;
    let after = query.cursor.as_deref().map(|cursor| cursors.open(&scope, cursor)).transpose()?;
    let wanted = Wanted {
        actor: query.actor,
        action: query.action,
        about: query.id,
        from: query.from,
        to: query.to,
        after,
        limit: query.limit.and_one(),
    };
    let mut reader = core.db.read().await.map_err(lost)?;
    let rows = list::page(reader.conn(), caller.account.as_str(), &wanted).await.map_err(lost)?;
    drop(reader);
    let page = Page::cut(rows, query.limit, cursors, &scope, |row| row.id)?;
    saw(&core.audit, (caller, cause), "audit.read", Vec::new()).await?;
    Ok(page.map(AuditRow::from))
}
