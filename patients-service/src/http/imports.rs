//! `/api/patients/import` and `/api/imports`: a clinic's register in one file.

use super::{App, refusals};
use crate::import::reader::{self, Sheet};
use crate::import::worker::row_aad;
use crate::store::imports::{self, NewImport, NewRow};
use aws_lc_rs::digest::{SHA256, digest};
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use serde::Serialize;
use shared_host::requests::lost;
use shared_http::{Caller, IdempotencyKey, Json, Path, Problem, Role};
use shared_runtime::group::Abort;
use shared_runtime::idempotency::{self, Answered, Recalled, Repeatable};
use utoipa::ToSchema;
use uuid::Uuid;

/// An import that was taken in.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ImportStarted {
    /// Follow it at `/api/imports/{id}`.
    pub id: Uuid,
}

/// Takes in a CSV file; it is carried out in the background, whatever happens to this process.
#[utoipa::path(post, path = "/api/patients/import", tag = "imports",
    request_body(content = String, content_type = "text/csv", description = "The file, headers in its first line"),
    params(IdempotencyKey),
    responses((status = 202, description = "Taken in", body = ImportStarted)))]
pub async fn start(
    State(app): State<App>,
    caller: Caller,
    key: IdempotencyKey,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    caller.require(Role::Staff)?;
    csv_only(&headers)?;
    let file = body.map_err(|rejection| unreadable(&rejection))?;
    let repeatable = key.over(&file).map(|key| Repeatable {
        account: caller.account.to_string(),
        principal: caller.subject.clone(),
        key: key.key,
        fingerprint: key.fingerprint,
    });
    let sheet = reader::read(&file).map_err(|why| {
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "file_unreadable", "The file cannot be imported")
            .detail(why.to_string())
    })?;
    let hash = digest(&SHA256, &file).as_ref().to_vec();
    let upload = Upload { sheet, hash, repeatable };
    let kept = match keep(&app, &caller, &upload).await {
        // The same request was at work at the same moment: now its answer is there to be recalled.
        Err(Abort::Conflict) => keep(&app, &caller, &upload).await,
        other => other,
    };
    let id = kept.map_err(lost)?.map_err(refusals::problem)?;
    app.import_waits.notify_one();
    let location = [(header::LOCATION, format!("/api/imports/{id}"))];
    Ok((StatusCode::ACCEPTED, location, Json(ImportStarted { id })).into_response())
}

fn csv_only(headers: &HeaderMap) -> Result<(), Problem> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if ["text/csv", "text/plain", "application/octet-stream"].contains(&kind.as_str()) {
        return Ok(());
    }
    Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", "This is not taken here")
        .detail("Send the file as it is, with Content-Type: text/csv."))
}

fn unreadable(rejection: &BytesRejection) -> Problem {
    if rejection.status() != StatusCode::PAYLOAD_TOO_LARGE {
        let status = StatusCode::BAD_REQUEST;
        return Problem::new(status, "body_unreadable", "The body broke off before its end");
    }
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", "The body is too large").detail(format!(
        "A file may have {} MiB; split it, the headers in each part.",
        super::LARGEST_IMPORT / (1024 * 1024)
    ))
}

/// A file that was read.
struct Upload {
    sheet: Sheet,
    hash: Vec<u8>,
    repeatable: Option<Repeatable>,
}

/// Seals every row and keeps the import, all in one transaction.
async fn keep(
    app: &App,
    caller: &Caller,
    upload: &Upload,
) -> Result<Result<Uuid, crate::domain::Refusal>, Abort> {
    let key = app.core.log.keys().take(1).await?.pop().ok_or(Abort::Conflict)?;
    let now = app.core.clock.now();
    let import = NewImport {
        id: app.core.clock.new_id(),
        account: caller.account.clone(),
        actor: format!("staff:{}", caller.subject),
        file_hash: upload.hash.clone(),
        ignored: upload.sheet.columns.ignored.clone(),
        key: key.id,
        at: now,
    };
    let seal = |(number, row): (i64, &reader::RawRow)| {
        let plain = serde_json::to_vec(row).unwrap_or_default();
        NewRow { number, sealed: key.seal(&row_aad(number), plain) }
    };
    // Before the transaction: sealing a large file takes seconds in which nobody else could write.
    let rows: Vec<NewRow> = tokio::task::block_in_place(|| (1..).zip(&upload.sheet.rows).map(seal).collect());
    let mut tx = app.core.db.begin().await?;
    if let Some(repeatable) = &upload.repeatable {
        match idempotency::recall(tx.conn(), repeatable).await? {
            Some(Recalled::Same(answered)) => return Ok(Ok(answered.resource)),
            Some(Recalled::Other) => return Ok(Err(crate::domain::Refusal::KeyReused)),
            None => {}
        }
    }
    imports::keep(&mut tx, &import, &rows).await?;
    if let Some(repeatable) = &upload.repeatable {
        let answered = Answered { status: 202, resource: import.id, version: 1 };
        if !idempotency::remember(&mut tx, &[(repeatable.clone(), answered)], now).await? {
            return Err(Abort::Conflict);
        }
    }
    tx.commit().await?;
    Ok(Ok(import.id))
}

/// How an import stands. `read` = `created` + `updated` + `unchanged` + `skipped` + `failed`, once done.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ImportAnswer {
    /// The import.
    pub id: Uuid,
    /// `running`, `done` or `failed`.
    #[schema(example = "done")]
    pub state: String,
    /// Rows in the file.
    pub read: i64,
    /// New patients.
    pub created: i64,
    /// Patients changed.
    pub updated: i64,
    /// Patients that were already on record just so.
    pub unchanged: i64,
    /// Patients on record with other fields, left as they are.
    pub skipped: i64,
    /// Rows that could not be taken.
    pub failed: i64,
    /// Headers of columns that were not read.
    pub ignored_columns: Vec<String>,
    /// The first hundred rows that failed.
    pub errors: Vec<RowError>,
    /// When the file was taken in.
    pub created_at: DateTime<Utc>,
    /// When the last row was carried out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<DateTime<Utc>>,
    /// Why it could not go on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// A row that could not be taken.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RowError {
    /// Which, from 1; the header line does not count.
    pub row: i64,
    /// Why: `email_taken`, `ambiguous`, or the fields and what is wrong with them.
    pub reason: String,
}

/// How an import stands.
#[utoipa::path(get, path = "/api/imports/{id}", tag = "imports", params(("id" = Uuid, Path)),
    responses((status = 200, body = ImportAnswer)))]
pub async fn read(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<Uuid>,
) -> Result<Json<ImportAnswer>, Problem> {
    caller.require(Role::Viewer)?;
    let answer = stand(&app, &caller, id).await.map_err(lost)?;
    answer.map(Json).ok_or_else(Problem::not_found)
}

async fn stand(
    app: &App,
    caller: &Caller,
    id: Uuid,
) -> Result<Option<ImportAnswer>, shared_runtime::db::DbError> {
    let mut reader = app.core.db.read().await?;
    let Some(row) = imports::find(reader.conn(), &caller.account, id).await? else { return Ok(None) };
    let counts = imports::counts(reader.conn(), id).await?;
    let count =
        |name: &str| counts.iter().find(|(outcome, _)| outcome == name).map_or(0, |(_, count)| *count);
    let failures = imports::failures(reader.conn(), id, 100).await?;
    let ignored = row.columns.get("ignored").and_then(|names| serde_json::from_value(names.clone()).ok());
    Ok(Some(ImportAnswer {
        id: row.id,
        state: row.state,
        read: row.rows_read,
        created: count("created"),
        updated: count("updated"),
        unchanged: count("unchanged"),
        skipped: count("skipped"),
        failed: count("failed"),
        ignored_columns: ignored.unwrap_or_default(),
        errors: failures.into_iter().map(|(row, reason)| RowError { row, reason }).collect(),
        created_at: row.created_at,
        finished_at: row.finished_at,
        failure: row.failure,
    }))
}
