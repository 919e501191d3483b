//! What a repeated command is answered: the status, the resource and its version are kept, and the
//! answer is rendered again from them. Never the answer itself, which may hold personal data or a link.

use crate::db::{Conn, Rows, Tx};
use crate::{execute, fetch_optional};
use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

/// How long an answer is kept.
pub const KEPT: TimeDelta = TimeDelta::hours(24);

/// A client's name for one command of theirs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repeatable {
    /// The clinic.
    pub account: String,
    /// Who asks: keys of two people never meet.
    pub principal: String,
    /// The `Idempotency-Key`.
    pub key: String,
    /// Keyed hash of method, path and body: another request under the same key is found out.
    pub fingerprint: [u8; 32],
}

/// What was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answered {
    /// The HTTP status.
    pub status: u16,
    /// What the command made or changed.
    pub resource: Uuid,
    /// Its version then.
    pub version: i64,
}

/// What is known of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recalled {
    /// The same request was answered so.
    Same(Answered),
    /// The key stands for another request.
    Other,
}

#[derive(sqlx::FromRow)]
struct Row {
    fingerprint: Vec<u8>,
    status: i64,
    resource_id: Uuid,
    version: i64,
}

/// Looks a key up.
pub async fn recall(conn: Conn<'_>, asked: &Repeatable) -> sqlx::Result<Option<Recalled>> {
    let row = fetch_optional!(
        conn,
        Row,
        "select fingerprint, status, resource_id, version from idempotency
          where account_id = $1 and principal = $2 and key = $3",
        &asked.account,
        &asked.principal,
        &asked.key
    )?;
    Ok(row.map(|row| {
        if row.fingerprint != asked.fingerprint {
            return Recalled::Other;
        }
        let status = u16::try_from(row.status).unwrap_or(200);
        Recalled::Same(Answered { status, resource: row.resource_id, version: row.version })
    }))
}

/// Keeps answers, in the transaction of their commands. `false` where a key was taken meanwhile: roll
/// back and look again.
pub async fn remember(
    tx: &mut Tx,
    answers: &[(Repeatable, Answered)],
    now: DateTime<Utc>,
) -> sqlx::Result<bool> {
    let rows = Rows::of("idempotency")
        .from(answers, "account_id", |(asked, _)| asked.account.clone())
        .from(answers, "principal", |(asked, _)| asked.principal.clone())
        .from(answers, "key", |(asked, _)| asked.key.clone())
        .from(answers, "fingerprint", |(asked, _)| asked.fingerprint.to_vec())
        .from(answers, "status", |(_, answered)| i64::from(answered.status))
        .from(answers, "resource_id", |(_, answered)| answered.resource)
        .from(answers, "version", |(_, answered)| answered.version)
        .from(answers, "answered_at", |_| now);
    let kept = tx.insert(rows, "on conflict do nothing").await?;
    Ok(kept == answers.len() as u64)
}

/// Drops answers older than [`KEPT`]; returns how many.
pub async fn prune(tx: &mut Tx, now: DateTime<Utc>) -> sqlx::Result<u64> {
    execute!(tx.conn(), "delete from idempotency where answered_at < $1", now - KEPT)
}
