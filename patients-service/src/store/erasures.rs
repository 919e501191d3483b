//! Erasures: asked for, carried out here, reported by others.

use chrono::{DateTime, Utc};
use shared_events::AccountId;
use shared_runtime::db::{Conn, Reader, Rows, Tx};
use shared_runtime::{execute, fetch_all, fetch_by_ids, fetch_one, fetch_optional};
use std::collections::BTreeMap;
use uuid::Uuid;

/// An erasure that begins.
#[derive(Debug, Clone)]
pub struct New {
    /// Its id.
    pub id: Uuid,
    /// The clinic.
    pub account: AccountId,
    /// Who is to be forgotten.
    pub patient: Uuid,
    /// By what the person is recognised, sealed.
    pub traces: Vec<u8>,
    /// The key that sealed it.
    pub traces_key: Uuid,
    /// When.
    pub at: DateTime<Utc>,
}

/// Begins an erasure. `false` where it had begun before.
pub async fn begin(tx: &mut Tx, new: &New) -> sqlx::Result<bool> {
    let begun = execute!(
        tx.conn(),
        "insert into erasures (id, account_id, patient_id, traces, traces_key, open, requested_at)
         values ($1, $2, $3, $4, $5, true, $6) on conflict (id) do nothing",
        new.id,
        new.account.as_str(),
        new.patient,
        &new.traces,
        new.traces_key,
        new.at
    )?;
    Ok(begun == 1)
}

/// An erasure at work.
#[derive(Debug, Clone, sqlx::FromRow)]
#[expect(missing_docs, reason = "named and explained in the schema")]
pub struct AtWork {
    pub id: Uuid,
    pub account_id: String,
    pub patient_id: Uuid,
    pub traces: Option<Vec<u8>>,
    pub traces_key: Option<Uuid>,
    pub requested_at: DateTime<Utc>,
}

/// Erasures that have something left to be done here, oldest first.
pub async fn open(conn: Conn<'_>, most: i64) -> sqlx::Result<Vec<AtWork>> {
    fetch_all!(
        conn,
        AtWork,
        "select id, account_id, patient_id, traces, traces_key, requested_at from erasures
          where open order by requested_at, id limit $1",
        most
    )
}

/// Keys that sealed what the log says of a patient.
pub async fn keys(conn: Conn<'_>, patient: Uuid) -> sqlx::Result<Vec<Uuid>> {
    let rows = fetch_all!(
        conn,
        (Uuid,),
        "select distinct key_id from events where stream_id = $1 and key_id is not null",
        patient
    )?;
    Ok(rows.into_iter().map(|(key,)| key).collect())
}

/// Every row that may tell of the person was gone through: by what they are recognised goes as well.
pub async fn gone_through(tx: &mut Tx, id: Uuid) -> sqlx::Result<()> {
    execute!(tx.conn(), "update erasures set traces = null, traces_key = null where id = $1", id).map(drop)
}

/// Nothing is left to be done here. `false` where it was closed before.
pub async fn close(tx: &mut Tx, id: Uuid) -> sqlx::Result<bool> {
    Ok(execute!(tx.conn(), "update erasures set open = false where id = $1 and open", id)? == 1)
}

/// The version of the erasure's stream.
pub async fn version(conn: Conn<'_>, id: Uuid) -> sqlx::Result<i64> {
    let (version,) =
        fetch_one!(conn, (i64,), "select coalesce(max(version), 0) from events where stream_id = $1", id)?;
    Ok(version)
}

/// Notes that a service has forgotten the person: once, however often it says so, and only of an erasure of its clinic.
pub async fn report(
    tx: &mut Tx,
    id: Uuid,
    account: &str,
    service: &str,
    at: DateTime<Utc>,
) -> sqlx::Result<()> {
    let (known,) = fetch_one!(
        tx.conn(),
        (bool,),
        "select exists (select 1 from erasures where id = $1 and account_id = $2)",
        id,
        account
    )?;
    if known {
        let rows = Rows::of("erasure_reports")
            .with("erasure_id", vec![id])
            .with("service", vec![service.to_owned()])
            .with("completed_at", vec![at]);
        tx.insert(rows, "on conflict do nothing").await?;
    }
    Ok(())
}

/// An erasure as it is shown.
#[derive(Debug, Clone)]
pub struct Standing {
    /// Its id.
    pub id: Uuid,
    /// Who is forgotten.
    pub patient: Uuid,
    /// When it was asked for.
    pub requested_at: DateTime<Utc>,
    /// When each service had forgotten the person.
    pub completed: BTreeMap<String, DateTime<Utc>>,
}

/// Reads an erasure of the clinic.
pub async fn find(reader: &mut Reader, account: &AccountId, id: Uuid) -> sqlx::Result<Option<Standing>> {
    let found = fetch_optional!(
        reader.conn(),
        (Uuid, DateTime<Utc>),
        "select patient_id, requested_at from erasures where id = $1 and account_id = $2",
        id,
        account.as_str()
    )?;
    let Some((patient, requested_at)) = found else { return Ok(None) };
    let reports = fetch_all!(
        reader.conn(),
        (String, DateTime<Utc>),
        "select service, completed_at from erasure_reports where erasure_id = $1",
        id
    )?;
    Ok(Some(Standing { id, patient, requested_at, completed: reports.into_iter().collect() }))
}

/// Patients on record whose key was destroyed: a restored database does not know that they were erased.
pub async fn with_keys(conn: Conn<'_>, keys: &[Uuid]) -> sqlx::Result<Vec<(Uuid, String)>> {
    fetch_by_ids!(
        conn,
        (Uuid, String),
        keys,
        "select id, account_id from patients where key_id",
        "order by id"
    )
}

/// How many erasures have something left to be done here.
pub async fn at_work(conn: Conn<'_>) -> sqlx::Result<i64> {
    let (count,) = fetch_one!(conn, (i64,), "select count(*) from erasures where open")?;
    Ok(count)
}
