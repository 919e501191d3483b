//! Imports and their rows.

use chrono::{DateTime, Utc};
use shared_events::AccountId;
use shared_runtime::db::{Conn, Rows, Tx};
use shared_runtime::{execute, fetch_all, fetch_by_texts, fetch_optional};
use sqlx::types::Json;
use uuid::Uuid;

/// A row of an upload as it is kept.
#[derive(Debug, Clone)]
pub struct NewRow {
    /// Its place in the file, from 1.
    pub number: i64,
    /// Its values, sealed.
    pub sealed: Vec<u8>,
}

/// An import about to be kept.
#[derive(Debug, Clone)]
pub struct NewImport {
    /// Its id.
    pub id: Uuid,
    /// The clinic.
    pub account: AccountId,
    /// Who sent it.
    pub actor: String,
    /// SHA-256 of the upload.
    pub file_hash: Vec<u8>,
    /// Headers of columns that are not read.
    pub ignored: Vec<String>,
    /// The key its rows are sealed with.
    pub key: Uuid,
    /// When.
    pub at: DateTime<Utc>,
}

/// Keeps an import and its rows.
pub async fn keep(tx: &mut Tx, import: &NewImport, rows: &[NewRow]) -> sqlx::Result<()> {
    execute!(
        tx.conn(),
        "insert into imports (id, account_id, actor, state, file_hash, options, columns, rows_read, created_at)
         values ($1, $2, $3, 'running', $4, $5, $6, $7, $8)",
        import.id,
        import.account.as_str(),
        &import.actor,
        &import.file_hash,
        Json(serde_json::json!({ "on_match": "skip" })),
        Json(serde_json::json!({ "ignored": import.ignored })),
        i64::try_from(rows.len()).unwrap_or(i64::MAX),
        import.at
    )?;
    for chunk in rows.chunks(2_000) {
        let rows = Rows::of("import_rows")
            .from(chunk, "import_id", |_| import.id)
            .from(chunk, "row_no", |row| row.number)
            .from(chunk, "key_id", |_| import.key)
            .from(chunk, "sealed", |row| Some(row.sealed.clone()));
        tx.insert(rows, "").await?;
    }
    Ok(())
}

/// The import that has waited longest.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Waiting {
    /// Its id.
    pub id: Uuid,
    /// The clinic.
    pub account_id: String,
    /// Who sent it.
    pub actor: String,
}

/// Takes the import that has waited longest, and keeps other workers off it until the transaction ends.
pub async fn take(tx: &mut Tx) -> sqlx::Result<Option<Waiting>> {
    let sql = match tx {
        Tx::Postgres(_) => {
            "select id, account_id, actor from imports where state = 'running'
              order by created_at, id limit 1 for update skip locked"
        }
        Tx::Sqlite(_) => {
            "select id, account_id, actor from imports where state = 'running' order by created_at, id limit 1"
        }
    };
    fetch_optional!(tx.conn(), Waiting, sql)
}

/// A row that waits to be carried out.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Open {
    /// Its place in the file.
    pub row_no: i64,
    /// The key it is sealed with.
    pub key_id: Uuid,
    /// Its values, sealed.
    pub sealed: Vec<u8>,
}

/// The next rows without an outcome.
pub async fn open_rows(tx: &mut Tx, import: Uuid, most: i64) -> sqlx::Result<Vec<Open>> {
    fetch_all!(
        tx.conn(),
        Open,
        "select row_no, key_id, sealed from import_rows
          where import_id = $1 and outcome is null order by row_no limit $2",
        import,
        most
    )
}

/// What became of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Its place in the file.
    pub row_no: i64,
    /// `created`, `unchanged`, `skipped` or `failed`.
    pub outcome: &'static str,
    /// The patient it made or met.
    pub patient: Option<Uuid>,
    /// Why it failed.
    pub reason: Option<String>,
}

/// Writes outcomes. What was carried out is no longer needed: only failed rows stay, sealed.
pub async fn close_rows(tx: &mut Tx, import: Uuid, outcomes: &[Outcome]) -> sqlx::Result<()> {
    // An upsert of rows that are all there, because it is the one form of update that takes many rows.
    let rows = Rows::of("import_rows")
        .from(outcomes, "import_id", |_| import)
        .from(outcomes, "row_no", |o| o.row_no)
        .from(outcomes, "key_id", |_| Uuid::nil())
        .from(outcomes, "outcome", |o| Some(o.outcome.to_owned()))
        .from(outcomes, "patient_id", |o| o.patient)
        .from(outcomes, "reason", |o| o.reason.clone());
    tx.insert(
        rows,
        "on conflict (import_id, row_no) do update
            set outcome = excluded.outcome, patient_id = excluded.patient_id, reason = excluded.reason,
                sealed = case when excluded.outcome = 'failed' then import_rows.sealed end
          where import_rows.outcome is null",
    )
    .await
    .map(drop)
}

/// Marks an import as done.
pub async fn finish(tx: &mut Tx, import: Uuid, at: DateTime<Utc>) -> sqlx::Result<()> {
    execute!(tx.conn(), "update imports set state = 'done', finished_at = $2 where id = $1", import, at)
        .map(drop)
}

/// Marks an import as one that cannot go on.
pub async fn fail(tx: &mut Tx, import: Uuid, why: &str, at: DateTime<Utc>) -> sqlx::Result<()> {
    execute!(
        tx.conn(),
        "update imports set state = 'failed', failure = $2, finished_at = $3 where id = $1",
        import,
        why,
        at
    )
    .map(drop)
}

/// An import as it is shown.
#[derive(Debug, Clone, sqlx::FromRow)]
#[expect(missing_docs, reason = "named as in the answer")]
pub struct Row {
    pub id: Uuid,
    pub state: String,
    pub columns: Json<serde_json::Value>,
    pub rows_read: i64,
    pub created_at: DateTime<Utc>,
    pub finished_at: Option<DateTime<Utc>>,
    pub failure: Option<String>,
}

/// Reads an import of the clinic.
pub async fn find(conn: Conn<'_>, account: &AccountId, id: Uuid) -> sqlx::Result<Option<Row>> {
    fetch_optional!(
        conn,
        Row,
        "select id, state, columns, rows_read, created_at, finished_at, failure from imports where account_id = $1 and id = $2",
        account.as_str(),
        id
    )
}

/// How many rows came to which outcome.
pub async fn counts(conn: Conn<'_>, import: Uuid) -> sqlx::Result<Vec<(String, i64)>> {
    fetch_all!(
        conn,
        (String, i64),
        "select outcome, count(*) from import_rows where import_id = $1 and outcome is not null group by outcome",
        import
    )
}

/// The first rows that failed, with their reasons.
pub async fn failures(conn: Conn<'_>, import: Uuid, most: i64) -> sqlx::Result<Vec<(i64, String)>> {
    fetch_all!(
        conn,
        (i64, String),
        "select row_no, coalesce(reason, '') from import_rows
          where import_id = $1 and outcome = 'failed' order by row_no limit $2",
        import,
        most
    )
}

/// Who holds what: kind, value and patient of each claim among `values`.
pub async fn holders(
    tx: &mut Tx,
    account: &AccountId,
    values: &[String],
) -> sqlx::Result<Vec<(String, String, Uuid)>> {
    fetch_by_texts!(
        tx.conn(),
        (String, String, Uuid),
        values,
        "select kind, value, patient_id from claims where account_id = $2 and value",
        "order by kind, value, patient_id",
        account.as_str()
    )
}
