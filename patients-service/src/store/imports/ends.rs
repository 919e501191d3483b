//! How imports end: undone, forgotten by age, or given up while they were received.

use chrono::{DateTime, TimeDelta, Utc};
use shared_runtime::db::{Conn, Rows, Tx};
use shared_runtime::{execute, fetch_all, fetch_optional};
use uuid::Uuid;

/// How long failed rows and results are kept once an import is done.
pub const KEPT: TimeDelta = TimeDelta::days(30);
/// How long an upload may be silent before it is taken for given up: far above what a request may take.
const SILENT: TimeDelta = TimeDelta::minutes(10);

/// Begins undoing, as `actor` asked.
pub async fn undo(tx: &mut Tx, id: Uuid, actor: &str, at: DateTime<Utc>) -> sqlx::Result<()> {
    execute!(
        tx.conn(),
        "update imports set state = 'undoing', undo_actor = $2, touched_at = $3, finished_at = null where id = $1",
        id,
        actor,
        at
    )
    .map(drop)
}

/// The next patients that an import had made, in the order of their ids.
pub async fn made(
    tx: &mut Tx,
    account: &str,
    import: Uuid,
    after: Option<Uuid>,
    most: i64,
) -> sqlx::Result<Vec<Uuid>> {
    let rows = fetch_all!(
        tx.conn(),
        (Uuid,),
        "select id from patients where import_id = $1 and id > $2 and account_id = $3 order by id limit $4",
        import,
        after.unwrap_or(Uuid::nil()),
        account,
        most
    )?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}

/// A patient that undoing left alone, and why: `invited`, `updated`, `registered`, `archived` or `erased`.
pub type Left = (Uuid, &'static str);

/// Keeps what a step of undoing did.
pub async fn undid(
    tx: &mut Tx,
    id: Uuid,
    last: Uuid,
    archived: i64,
    left: &[Left],
    at: DateTime<Utc>,
) -> sqlx::Result<()> {
    let rows = Rows::of("import_left")
        .from(left, "import_id", |_| id)
        .from(left, "patient_id", |(patient, _)| *patient)
        .from(left, "reason", |(_, reason)| (*reason).to_owned());
    tx.insert(rows, "on conflict do nothing").await?;
    execute!(
        tx.conn(),
        "update imports set undo_after = $2, undo_archived = undo_archived + $3, undo_kept = undo_kept + $4, touched_at = $5
          where id = $1",
        id,
        last,
        archived,
        i64::try_from(left.len()).unwrap_or(i64::MAX),
        at
    )
    .map(drop)
}

/// Everything the import had made was looked at.
pub async fn undone(tx: &mut Tx, id: Uuid, at: DateTime<Utc>) -> sqlx::Result<()> {
    execute!(
        tx.conn(),
        "update imports set state = 'undone', finished_at = $2, touched_at = $2 where id = $1",
        id,
        at
    )
    .map(drop)
}

/// Patients that undoing left alone, after one of them where it is named.
pub async fn left(
    conn: Conn<'_>,
    import: Uuid,
    after: Option<Uuid>,
    most: i64,
) -> sqlx::Result<Vec<(Uuid, String)>> {
    fetch_all!(
        conn,
        (Uuid, String),
        "select patient_id, reason from import_left where import_id = $1 and patient_id > $2
          order by patient_id limit $3",
        import,
        after.unwrap_or(Uuid::nil()),
        most
    )
}

/// Removes an upload that came to nothing.
pub async fn discard(tx: &mut Tx, import: Uuid) -> sqlx::Result<()> {
    let gone = execute!(tx.conn(), "delete from imports where id = $1 and state = 'receiving'", import)?;
    if gone == 1 {
        execute!(tx.conn(), "delete from import_chunks where import_id = $1", import)?;
    }
    Ok(())
}

/// An upload that fell silent: its process was killed, or its client went away.
pub async fn silent(tx: &mut Tx, now: DateTime<Utc>) -> sqlx::Result<Option<Uuid>> {
    let row = fetch_optional!(
        tx.conn(),
        (Uuid,),
        "select id from imports where state = 'receiving' and touched_at < $1 order by touched_at, id limit 1",
        now - SILENT
    )?;
    Ok(row.map(|(id,)| id))
}

/// Forgets the rows of an import whose last row had its end long ago, and what is left of a dry run that could
/// not go on; `false` where there is none.
pub async fn forget(tx: &mut Tx, now: DateTime<Utc>) -> sqlx::Result<bool> {
    let row = fetch_optional!(
        tx.conn(),
        (Uuid,),
        "select id from imports
          where finished_at < $1 and not forgotten and state in ('inviting', 'done', 'undone', 'failed')
          order by finished_at, id limit 1",
        now - KEPT
    )?;
    let Some((id,)) = row else { return Ok(false) };
    // Somebody may have asked for its failed rows once more at this very moment: then these are kept.
    let forgotten = execute!(
        tx.conn(),
        "update imports set forgotten = true, words = null where id = $1 and finished_at < $2",
        id,
        now - KEPT
    )?;
    if forgotten == 1 {
        execute!(tx.conn(), "delete from import_chunks where import_id = $1", id)?;
        execute!(tx.conn(), "delete from rehearsed_patients where import_id = $1", id)?;
        execute!(tx.conn(), "delete from rehearsed_claims where import_id = $1", id)?;
        execute!(
            tx.conn(),
            "delete from import_invitations
              where import_id = $1 and exists (select 1 from imports where id = $1 and dry_run)",
            id
        )?;
    }
    Ok(true)
}
