//! What became of each mail: the newest that the mailer told of it. Apart from an invite's status.

use chrono::{DateTime, Utc};
use shared_events::AccountId;
use shared_runtime::Tx;
use shared_runtime::db::{Conn, Rows};
use shared_runtime::fetch_by_ids;
use std::collections::BTreeMap;
use uuid::Uuid;

/// A mail as it stands.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
#[expect(missing_docs, reason = "named as in the events")]
pub struct Row {
    pub id: Uuid,
    pub account_id: String,
    pub invite_id: Uuid,
    /// `invite`, `reminder` or `link_request`.
    pub purpose: String,
    pub issue_no: i64,
    /// `queued`, `sent`, `failed`, `bounced` or `held`.
    pub state: String,
    pub attempt: i64,
    pub code: Option<i64>,
    pub enhanced_status: Option<String>,
    pub words: Option<String>,
    pub next_attempt_at: Option<DateTime<Utc>>,
    pub version: i64,
    pub queued_at: Option<DateTime<Utc>>,
    pub updated_at: DateTime<Utc>,
}

/// Keeps the newest of what was told of each mail, and when it was queued, whichever is heard first.
pub async fn put(tx: &mut Tx, told: &[Row]) -> sqlx::Result<()> {
    // One statement may touch a row once, and rows are locked in one order by all.
    let mut newest: BTreeMap<Uuid, &Row> = BTreeMap::new();
    let mut queued: BTreeMap<Uuid, &Row> = BTreeMap::new();
    for one in told {
        if one.queued_at.is_some() {
            queued.insert(one.id, one);
        }
        let kept = newest.entry(one.id).or_insert(one);
        if kept.version < one.version {
            *kept = one;
        }
    }
    let newest: Vec<&Row> = newest.into_values().collect();
    let queued: Vec<&Row> = queued.into_values().collect();
    tx.insert(
        columns(&newest),
        "on conflict (id) do update set
            state = excluded.state, attempt = excluded.attempt, code = excluded.code,
            enhanced_status = excluded.enhanced_status, words = excluded.words,
            next_attempt_at = excluded.next_attempt_at, version = excluded.version, updated_at = excluded.updated_at
          where deliveries.version < excluded.version",
    )
    .await?;
    tx.insert(
        columns(&queued),
        "on conflict (id) do update set queued_at = excluded.queued_at where deliveries.queued_at is null",
    )
    .await
    .map(drop)
}

fn columns(rows: &[&Row]) -> Rows {
    Rows::of("deliveries")
        .from(rows, "id", |r| r.id)
        .from(rows, "account_id", |r| r.account_id.clone())
        .from(rows, "invite_id", |r| r.invite_id)
        .from(rows, "purpose", |r| r.purpose.clone())
        .from(rows, "issue_no", |r| r.issue_no)
        .from(rows, "state", |r| r.state.clone())
        .from(rows, "attempt", |r| r.attempt)
        .from(rows, "code", |r| r.code)
        .from(rows, "enhanced_status", |r| r.enhanced_status.clone())
        .from(rows, "words", |r| r.words.clone())
        .from(rows, "next_attempt_at", |r| r.next_attempt_at)
        .from(rows, "version", |r| r.version)
        .from(rows, "queued_at", |r| r.queued_at)
        .from(rows, "updated_at", |r| r.updated_at)
}

/// The mails of invites of a clinic, oldest first.
pub async fn of(conn: Conn<'_>, account: &AccountId, invites: &[Uuid]) -> sqlx::Result<Vec<Row>> {
    fetch_by_ids!(
        conn,
        Row,
        invites,
        "select id, account_id, invite_id, purpose, issue_no, state, attempt, code, enhanced_status, words,
                next_attempt_at, version, queued_at, updated_at
           from deliveries where invite_id",
        "and account_id = $2 order by issue_no, coalesce(queued_at, updated_at), id",
        account.as_str()
    )
}
