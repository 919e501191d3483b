//! Erasures that were heard of: whom this service has still to forget.

use chrono::{DateTime, Utc};
use shared_events::AccountId;
use shared_runtime::db::{Conn, Db, Tx};
use shared_runtime::{execute, fetch_all, fetch_by_ids, fetch_one};
use uuid::Uuid;

/// An erasure that was heard of.
#[derive(Debug, Clone)]
pub struct Heard {
    /// Its id.
    pub id: Uuid,
    /// The clinic.
    pub account: AccountId,
    /// Who is to be forgotten.
    pub patient: Uuid,
    /// The event that told it.
    pub cause: Uuid,
    /// When it was heard.
    pub at: DateTime<Utc>,
}

/// Begins an erasure; the same event heard again begins nothing, another one (after a restore) begins it anew.
pub async fn begin(tx: &mut Tx, heard: &Heard) -> sqlx::Result<()> {
    execute!(
        tx.conn(),
        "insert into erasures (id, account_id, patient_id, cause, open, heard_at) values ($1, $2, $3, $4, true, $5)
         on conflict (id) do update set cause = excluded.cause, open = true, heard_at = excluded.heard_at
          where erasures.cause <> excluded.cause",
        heard.id,
        heard.account.as_str(),
        heard.patient,
        heard.cause,
        heard.at
    )
    .map(drop)
}

/// An erasure at work.
#[derive(Debug, Clone, sqlx::FromRow)]
#[expect(missing_docs, reason = "named and explained in the schema")]
pub struct AtWork {
    pub id: Uuid,
    pub account_id: String,
    pub patient_id: Uuid,
    pub cause: Uuid,
}

/// Erasures that have something left to be done here, oldest first.
pub async fn open(conn: Conn<'_>, most: i64) -> sqlx::Result<Vec<AtWork>> {
    fetch_all!(
        conn,
        AtWork,
        "select id, account_id, patient_id, cause from erasures where open order by heard_at, id limit $1",
        most
    )
}

/// Keys that sealed what the log says of a patient's invites, and the one that would seal the next.
pub async fn keys(conn: Conn<'_>, patient: Uuid) -> sqlx::Result<Vec<Uuid>> {
    let rows = fetch_all!(
        conn,
        (Uuid,),
        "select key_id from known_patients where id = $1
         union
         select e.key_id from invites i join events e on e.stream_id = i.id
          where i.patient_id = $1 and e.key_id is not null",
        patient
    )?;
    Ok(rows.into_iter().map(|(key,)| key).collect())
}

/// Nothing is left to be done for what this cause asked. `false` where it was closed before, or begun anew meanwhile.
pub async fn close(tx: &mut Tx, erasure: &AtWork) -> sqlx::Result<bool> {
    let closed = execute!(
        tx.conn(),
        "update erasures set open = false where id = $1 and cause = $2 and open",
        erasure.id,
        erasure.cause
    )?;
    Ok(closed == 1)
}

/// The version of the erasure's stream.
pub async fn version(conn: Conn<'_>, id: Uuid) -> sqlx::Result<i64> {
    let (version,) =
        fetch_one!(conn, (i64,), "select coalesce(max(version), 0) from events where stream_id = $1", id)?;
    Ok(version)
}

/// Patients known here whose key was destroyed: a restored database does not know that they were erased.
pub async fn with_keys(conn: Conn<'_>, keys: &[Uuid]) -> sqlx::Result<Vec<(Uuid, Uuid, String)>> {
    fetch_by_ids!(
        conn,
        (Uuid, Uuid, String),
        keys,
        "select key_id, id, account_id from known_patients where status <> 'erased' and key_id",
        "order by id"
    )
}

/// How many erasures have something left to be done here.
pub async fn at_work(db: &Db) -> sqlx::Result<i64> {
    let mut reader = db.read().await?;
    let (count,) = fetch_one!(reader.conn(), (i64,), "select count(*) from erasures where open")?;
    Ok(count)
}
