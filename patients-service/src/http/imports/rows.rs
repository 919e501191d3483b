//! What became of each row: as a list, and as a file that can be corrected and sent again.

use super::views::RowAnswer;
use super::{found, gone, running};
use crate::http::App;
use crate::import::chunk::Ended;
use crate::import::columns::Columns;
use crate::import::result;
use crate::store::imports::{Standing, chunks};
use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use csv_intake::dates::Order;
use futures_util::stream;
use serde::{Deserialize, Serialize};
use shared_host::requests::{Cause, lost};
use shared_http::cursor::place_of_a_page;
use shared_http::openapi;
use shared_http::{Caller, CursorScope, FieldError, Json, Limit, Page, Path, Problem, Query};
use shared_runtime::group::Abort;
use shared_runtime::keys::{DataKey, Found, KeysError};
use utoipa::IntoParams;
use utoipa::openapi::Schema;
use uuid::Uuid;

/// Chunks that are looked through for one page: a rare outcome may take several pages to find.
const LOOKED_THROUGH: i64 = 20;

/// Filter and place of a page.
#[derive(Debug, Clone, Deserialize, Serialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RowsQuery {
    /// One outcome: `created`, `updated`, `unchanged`, `skipped` or `failed`.
    #[param(schema_with = outcomes)]
    pub outcome: Option<String>,
    /// How many at most, 1 to 200; 50 where absent. A page may have fewer and still not be the last.
    #[serde(default, skip_serializing_if = "place_of_a_page")]
    #[param(value_type = Option<u16>, minimum = 1, maximum = 200)]
    pub limit: Limit,
    /// Where a page ended: the `next_cursor` of the page before.
    #[serde(skip_serializing_if = "place_of_a_page")]
    pub cursor: Option<String>,
}

/// What became of each row, in the order of the file, as far as the import has come.
#[utoipa::path(get, path = "/api/imports/{id}/rows", tag = "imports", params(("id" = Uuid, Path), RowsQuery),
    responses((status = 200, body = Page<RowAnswer>),
              (status = 410, description = "`import_result_gone`", body = Problem)))]
pub async fn list(
    State(app): State<App>,
    caller: Caller,
    cause: Cause,
    Path(id): Path<Uuid>,
    Query(query): Query<RowsQuery>,
) -> Result<Json<Page<RowAnswer>>, Problem> {
    let standing = found(&app, &caller, id).await?;
    if standing.forgotten {
        return Err(gone());
    }
    let only = query.outcome.as_deref().map(outcome).transpose()?;
    let scope = CursorScope::new(&caller.account, "import rows", &(id, &query))?;
    let last: i64 =
        query.cursor.as_deref().map(|cursor| app.cursors.open(&scope, cursor)).transpose()?.unwrap_or(0);
    let mut reader = app.core.db.read().await.map_err(lost)?;
    let failed = only == Some(Ended::Failed);
    let found = chunks::from_row(reader.conn(), id, last + 1, failed, LOOKED_THROUGH).await.map_err(lost)?;
    drop(reader);
    let more_chunks = found.len() == usize::try_from(LOOKED_THROUGH).unwrap_or(usize::MAX);
    let (mut items, mut seen) = (Vec::new(), last);
    let mut cut = false;
    for chunk in found {
        let outcomes = chunk.outcomes.map(|outcomes| outcomes.0).unwrap_or_default();
        for (outcome, row) in outcomes.into_iter().zip(chunk.first_row..) {
            if row <= last || cut {
                continue;
            }
            if only.is_none_or(|only| only == outcome.ended) {
                if items.len() == query.limit.rows() {
                    cut = true;
                    continue;
                }
                items.push(RowAnswer::of(row, outcome));
            }
            seen = row;
        }
    }
    let shown =
        std::iter::once(id).chain(items.iter().filter_map(|row: &RowAnswer| row.patient_id)).collect();
    app.saw(&caller, &cause, "import.rows_read", shown).await?;
    let next_cursor = (cut || more_chunks).then(|| app.cursors.seal(&scope, &seen)).transpose()?;
    Ok(Json(Page { items, next_cursor }))
}

fn outcomes() -> Schema {
    openapi::word(&["created", "updated", "unchanged", "skipped", "failed"])
}

fn failed_alone() -> Schema {
    openapi::word(&["failed"])
}

fn outcome(text: &str) -> Result<Ended, Problem> {
    serde_json::from_value(serde_json::Value::from(text)).map_err(|_| {
        let words = "must be created, updated, unchanged, skipped or failed";
        Problem::invalid_query(vec![FieldError::new("?outcome", "invalid_value", words)])
    })
}

/// Which rows a result file has.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ResultQuery {
    /// `failed`: those alone.
    #[param(schema_with = failed_alone)]
    pub only: Option<String>,
}

/// The result as a CSV file
///
/// Each row's number, line, outcome, patient and reasons; then the columns that were read, with the values of rows that
/// failed. Correct these and send the file again as it is: rows that were taken before count as unchanged. Cells that a
/// spreadsheet would run have a quote mark before them, which is taken away again when the file is read here.
#[utoipa::path(get, path = "/api/imports/{id}/result", tag = "imports", params(("id" = Uuid, Path), ResultQuery),
    security(("bearer" = ["staff"])),
    responses((status = 200, content_type = "text/csv", body = String),
              (status = 409, description = "`import_running`", body = Problem),
              (status = 410, description = "`import_result_gone`", body = Problem)))]
pub async fn file(
    State(app): State<App>,
    caller: Caller,
    cause: Cause,
    Path(id): Path<Uuid>,
    Query(query): Query<ResultQuery>,
) -> Result<Response, Problem> {
    let only_failed = match query.only.as_deref() {
        None => false,
        Some("failed") => true,
        Some(_) => {
            let error = FieldError::new("?only", "invalid_value", "must be failed, or absent");
            return Err(Problem::invalid_query(vec![error]));
        }
    };
    let standing = found(&app, &caller, id).await?;
    if standing.forgotten {
        return Err(gone());
    }
    if standing.state == "running" {
        return Err(running());
    }
    app.saw(&caller, &cause, "import.result_read", vec![id]).await?;
    let reading = Reading::begin(app, standing, only_failed).await?;
    let head = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"import-{id}.csv\"")),
    ];
    let lines = stream::unfold(reading, |mut reading| async move {
        let next = reading.next().await.transpose()?;
        Some((next.inspect_err(|abort| tracing::error!(%abort, "a result file broke off")), reading))
    });
    Ok((head, Body::from_stream(lines)).into_response())
}

/// A result file, read chunk by chunk while it is sent.
struct Reading {
    app: App,
    import: Uuid,
    columns: Columns,
    dates: Option<Order>,
    key: DataKey,
    only_failed: bool,
    begun: bool,
    chunk: i64,
}

impl Reading {
    async fn begin(app: App, standing: Standing, only_failed: bool) -> Result<Reading, Problem> {
        let keys = app.core.log.keys().find(&[standing.key_id]).await.map_err(lost)?;
        let Some(Found::Key(key)) = keys.get(&standing.key_id).copied() else {
            return Err(lost(KeysError::Missing(standing.key_id)));
        };
        let columns = standing.columns.map(|columns| columns.0).ok_or_else(Problem::not_found)?;
        let dates = standing.file.and_then(|file| file.0.date_order).map(Into::into);
        Ok(Reading { app, import: standing.id, columns, dates, key, only_failed, begun: false, chunk: -1 })
    }

    /// The next lines: first the headers, with a mark by which spreadsheets know UTF-8.
    async fn next(&mut self) -> Result<Option<String>, Abort> {
        if !self.begun {
            self.begun = true;
            return Ok(Some(format!("\u{feff}{}", result::headers(&self.columns))));
        }
        let mut reader = self.app.core.db.read().await?;
        let next = chunks::after(reader.conn(), self.import, self.chunk, self.only_failed).await?;
        drop(reader);
        let Some(chunk) = next else { return Ok(None) };
        self.chunk = chunk.chunk_no;
        Ok(Some(result::lines(&chunk, &self.columns, self.dates, &self.key, self.only_failed)?))
    }
}
