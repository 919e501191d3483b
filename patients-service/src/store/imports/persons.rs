//! What imports keep of persons: read and taken out when one is erased.

use super::chunks::Chunk;
use crate::import::chunk::Outcome;
use chrono::{DateTime, Utc};
use shared_runtime::db::{Conn, Tx};
use shared_runtime::{execute, fetch_all, fetch_one};
use sqlx::types::Json;
use uuid::Uuid;

/// An import whose rows are kept.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Kept {
    /// Its id.
    pub id: Uuid,
    /// The key its rows are sealed with.
    pub key_id: Uuid,
    /// Whether it is a rehearsal.
    pub dry_run: bool,
}

/// Whether an upload of the clinic that had begun by `at` is still on its way.
pub async fn receiving(conn: Conn<'_>, account: &str, at: DateTime<Utc>) -> sqlx::Result<bool> {
    let (some,) = fetch_one!(
        conn,
        (bool,),
        "select exists (select 1 from imports where account_id = $1 and state = 'receiving' and created_at <= $2)",
        account,
        at
    )?;
    Ok(some)
}

/// The clinic's imports whose rows are kept.
pub async fn imports(conn: Conn<'_>, account: &str) -> sqlx::Result<Vec<Kept>> {
    fetch_all!(
        conn,
        Kept,
        "select id, key_id, dry_run from imports
          where account_id = $1 and not forgotten and state <> 'receiving' order by created_at, id",
        account
    )
}

/// Keeps workers off an import until the transaction ends.
pub async fn lock(tx: &mut Tx, import: Uuid) -> sqlx::Result<()> {
    if let Tx::Postgres(_) = tx {
        fetch_all!(tx.conn(), (Uuid,), "select id from imports where id = $1 for update", import)?;
    }
    Ok(())
}

/// The next chunks that keep rows.
pub async fn chunks(tx: &mut Tx, import: Uuid, after: i64, most: i64) -> sqlx::Result<Vec<Chunk>> {
    fetch_all!(
        tx.conn(),
        Chunk,
        "select chunk_no, first_row, sealed, outcomes from import_chunks
          where import_id = $1 and chunk_no > $2 and (open or failed > 0) order by chunk_no limit $3",
        import,
        after,
        most
    )
}

/// Keeps a chunk as it is without rows that were taken out.
pub async fn keep(
    tx: &mut Tx,
    import: Uuid,
    number: i64,
    sealed: &[u8],
    outcomes: Option<&[Outcome]>,
) -> sqlx::Result<()> {
    execute!(
        tx.conn(),
        "update import_chunks set sealed = $3, outcomes = coalesce($4, outcomes) where import_id = $1 and chunk_no = $2",
        import,
        number,
        sealed,
        outcomes.map(Json)
    )
    .map(drop)
}

/// The next patients of a dry run's register, as they are sealed.
pub async fn rehearsed(
    tx: &mut Tx,
    import: Uuid,
    after: Uuid,
    most: i64,
) -> sqlx::Result<Vec<(Uuid, Vec<u8>)>> {
    fetch_all!(
        tx.conn(),
        (Uuid, Vec<u8>),
        "select patient_id, sealed from rehearsed_patients
          where import_id = $1 and patient_id > $2 order by patient_id limit $3",
        import,
        after,
        most
    )
}

/// Takes a patient out of a dry run's register.
pub async fn forget_rehearsed(tx: &mut Tx, import: Uuid, patient: Uuid) -> sqlx::Result<()> {
    execute!(
        tx.conn(),
        "delete from rehearsed_claims where import_id = $1 and patient_id = $2",
        import,
        patient
    )?;
    execute!(
        tx.conn(),
        "delete from rehearsed_patients where import_id = $1 and patient_id = $2",
        import,
        patient
    )
    .map(drop)
}

/// Takes what a person would claim out of a dry run's register.
pub async fn forget_claims(tx: &mut Tx, import: Uuid, claims: &[Vec<u8>]) -> sqlx::Result<()> {
    for claim in claims {
        execute!(
            tx.conn(),
            "delete from rehearsed_claims where import_id = $1 and claim = $2",
            import,
            claim
        )?;
    }
    Ok(())
}
