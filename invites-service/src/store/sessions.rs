//! Sessions of persons, by the SHA-256 of their token: whoever reads the table can use none of them.

use chrono::{DateTime, Utc};
use shared_runtime::db::{Conn, Rows, Tx};
use shared_runtime::{execute, fetch_optional};
use uuid::Uuid;

/// A session.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Session {
    /// SHA-256 of its token.
    pub token_hash: Vec<u8>,
    /// Whose login.
    pub user_id: Uuid,
    /// When the person signed in.
    pub created_at: DateTime<Utc>,
    /// Until when it may lie unused.
    pub idle_until: DateTime<Utc>,
    /// When it ends in any case.
    pub ends_at: DateTime<Utc>,
}

/// Keeps a session.
pub async fn insert(tx: &mut Tx, session: &Session) -> sqlx::Result<()> {
    let rows = Rows::of("account_sessions")
        .with("token_hash", vec![session.token_hash.clone()])
        .with("user_id", vec![session.user_id])
        .with("created_at", vec![session.created_at])
        .with("idle_until", vec![session.idle_until])
        .with("ends_at", vec![session.ends_at]);
    tx.insert(rows, "").await.map(drop)
}

/// The session of a token, if it has not ended at `now`.
pub async fn find(conn: Conn<'_>, token_hash: &[u8], now: DateTime<Utc>) -> sqlx::Result<Option<Session>> {
    fetch_optional!(
        conn,
        Session,
        "select token_hash, user_id, created_at, idle_until, ends_at from account_sessions
          where token_hash = $1 and idle_until > $2 and ends_at > $2",
        token_hash,
        now
    )
}

/// It was used: it may lie unused until `idle_until`.
pub async fn used(tx: &mut Tx, token_hash: &[u8], idle_until: DateTime<Utc>) -> sqlx::Result<()> {
    let sql = "update account_sessions set idle_until = $2 where token_hash = $1";
    execute!(tx.conn(), sql, token_hash, idle_until).map(drop)
}

/// Ends one session.
pub async fn end(tx: &mut Tx, token_hash: &[u8]) -> sqlx::Result<()> {
    execute!(tx.conn(), "delete from account_sessions where token_hash = $1", token_hash).map(drop)
}

/// Ends every session of a login.
pub async fn end_all(tx: &mut Tx, user_id: Uuid) -> sqlx::Result<()> {
    execute!(tx.conn(), "delete from account_sessions where user_id = $1", user_id).map(drop)
}

/// Drops sessions that have ended at `now`; returns how many.
pub async fn prune(tx: &mut Tx, now: DateTime<Utc>) -> sqlx::Result<u64> {
    execute!(tx.conn(), "delete from account_sessions where idle_until <= $1", now)
}
