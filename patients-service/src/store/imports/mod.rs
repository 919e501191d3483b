//! Imports as jobs: how each stands. Their rows are in [`chunks`], a dry run's register in [`rehearsal`],
//! invitations they asked for in [`invitations`], what is taken out of them for an erased person in [`persons`], and
//! how a clinic's headers are read in [`mappings`].

pub mod chunks;
pub mod ends;
pub mod invitations;
pub mod mappings;
pub mod persons;
pub mod rehearsal;

use crate::import::chunk::Ended;
use crate::import::columns::Columns;
use crate::import::options::Options;
use crate::import::shown::{FileFacts, Shown};
use chrono::{DateTime, Utc};
use shared_events::AccountId;
use shared_runtime::db::{Conn, Tx};
use shared_runtime::{execute, fetch_all, fetch_optional};
use sqlx::types::Json;
use uuid::Uuid;

/// An import that begins to be received.
#[derive(Debug, Clone)]
pub struct NewImport {
    /// Its id.
    pub id: Uuid,
    /// The clinic.
    pub account: AccountId,
    /// Who sends it.
    pub actor: String,
    /// Whether it is a rehearsal.
    pub dry_run: bool,
    /// What was said beside the file.
    pub options: Options,
    /// The key its rows are sealed with.
    pub key: Uuid,
    /// Staff's words to those who are invited, sealed.
    pub words: Option<Vec<u8>>,
    /// When.
    pub at: DateTime<Utc>,
}

/// Begins to receive an import.
pub async fn begin(tx: &mut Tx, import: &NewImport) -> sqlx::Result<()> {
    execute!(
        tx.conn(),
        "insert into imports (id, account_id, actor, state, dry_run, options, key_id, words, rows_read, created,
             updated, unchanged, skipped, failed, invites_requested, invites_issued, invites_refused,
             undo_archived, undo_kept, shown, forgotten, created_at, touched_at)
         values ($1, $2, $3, 'receiving', $4, $5, $6, $7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, $8, false, $9, $9)",
        import.id,
        import.account.as_str(),
        &import.actor,
        import.dry_run,
        Json(&import.options),
        import.key,
        &import.words,
        Json(Shown::default()),
        import.at
    )
    .map(drop)
}

/// What is known once the whole file is there.
#[derive(Debug, Clone)]
pub struct Received {
    /// What was found in it.
    pub file: FileFacts,
    /// Which column is which.
    pub columns: Columns,
    /// Its rows.
    pub rows: i64,
}

/// The whole file is there: from now on the import is carried out, whatever happens to this process.
/// `false` where it was given up meanwhile.
pub async fn received(tx: &mut Tx, id: Uuid, what: &Received, at: DateTime<Utc>) -> sqlx::Result<bool> {
    let kept = execute!(
        tx.conn(),
        "update imports set state = 'running', file = $2, columns = $3, rows_read = $4, touched_at = $5
          where id = $1 and state = 'receiving'",
        id,
        Json(&what.file),
        Json(&what.columns),
        what.rows,
        at
    )?;
    Ok(kept == 1)
}

/// Says that an import is still being worked at. `false` where it was given up meanwhile.
pub async fn touch(tx: &mut Tx, id: Uuid, at: DateTime<Utc>) -> sqlx::Result<bool> {
    Ok(execute!(tx.conn(), "update imports set touched_at = $2 where id = $1", id, at)? == 1)
}

/// An import at work.
#[derive(Debug, Clone, sqlx::FromRow)]
#[expect(missing_docs, reason = "named as in the table, see there")]
pub struct AtWork {
    pub id: Uuid,
    pub account_id: String,
    pub actor: String,
    pub state: String,
    pub dry_run: bool,
    pub options: Json<Options>,
    pub key_id: Uuid,
    pub words: Option<Vec<u8>>,
    pub file: Json<FileFacts>,
    pub columns: Json<Columns>,
    pub shown: Json<Shown>,
    pub undo_after: Option<Uuid>,
    pub undo_archived: i64,
    pub undo_kept: i64,
    pub undo_actor: Option<String>,
}

/// Takes the import that waited longest for its next step, and keeps other workers off it until the
/// transaction ends. Each step puts it last, so that a clinic's million rows do not hold up another's ten.
pub async fn take(tx: &mut Tx) -> sqlx::Result<Option<AtWork>> {
    macro_rules! next {
        ($lock:literal) => {
            concat!(
                "select id, account_id, actor, state, dry_run, options, key_id, words, file, columns, shown, undo_after,
                        undo_archived, undo_kept, undo_actor
                   from imports where state in ('running', 'undoing') order by touched_at, id limit 1 ",
                $lock
            )
        };
    }
    let sql = match tx {
        Tx::Postgres(_) => next!("for update skip locked"),
        Tx::Sqlite(_) => next!(""),
    };
    fetch_optional!(tx.conn(), AtWork, sql)
}

/// How many rows came to which end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "the words are the product's own")]
pub struct Counts {
    pub created: i64,
    pub updated: i64,
    pub unchanged: i64,
    pub skipped: i64,
    pub failed: i64,
}

impl Counts {
    /// Counts one more.
    pub fn add(&mut self, ended: Ended) {
        match ended {
            Ended::Created => self.created += 1,
            Ended::Updated => self.updated += 1,
            Ended::Unchanged => self.unchanged += 1,
            Ended::Skipped => self.skipped += 1,
            Ended::Failed => self.failed += 1,
        }
    }
}

/// Adds what a step did.
pub async fn advance(
    tx: &mut Tx,
    id: Uuid,
    counts: Counts,
    invites: i64,
    shown: &Shown,
    at: DateTime<Utc>,
) -> sqlx::Result<()> {
    execute!(
        tx.conn(),
        "update imports set created = created + $2, updated = updated + $3, unchanged = unchanged + $4,
                skipped = skipped + $5, failed = failed + $6, invites_requested = invites_requested + $7,
                shown = $8, touched_at = $9
          where id = $1",
        id,
        counts.created,
        counts.updated,
        counts.unchanged,
        counts.skipped,
        counts.failed,
        invites,
        Json(shown),
        at
    )
    .map(drop)
}

/// Every row has its end. Where invitations were asked for, the import is done once all are answered.
pub async fn finish(tx: &mut Tx, id: Uuid, at: DateTime<Utc>) -> sqlx::Result<()> {
    execute!(
        tx.conn(),
        "update imports
            set state = case when not dry_run and invites_issued + invites_refused < invites_requested then 'inviting' else 'done' end,
                finished_at = $2, touched_at = $2
          where id = $1",
        id,
        at
    )
    .map(drop)
}

/// The failed rows of an import are to be carried out once more.
pub async fn again(tx: &mut Tx, id: Uuid, at: DateTime<Utc>) -> sqlx::Result<()> {
    execute!(
        tx.conn(),
        "update imports set state = 'running', failed = 0, shown = $3, failure = null, finished_at = null, touched_at = $2
          where id = $1",
        id,
        at,
        Json(Shown::default())
    )
    .map(drop)
}

/// Marks an import as one that cannot go on.
pub async fn fail(tx: &mut Tx, id: Uuid, why: &str, at: DateTime<Utc>) -> sqlx::Result<()> {
    execute!(
        tx.conn(),
        "update imports set state = 'failed', failure = $2, finished_at = $3, touched_at = $3
          where id = $1 and state in ('running', 'undoing')",
        id,
        why,
        at
    )
    .map(drop)
}

/// An import as it is shown.
#[derive(Debug, Clone, sqlx::FromRow)]
#[expect(missing_docs, reason = "named as in the answer")]
pub struct Standing {
    pub id: Uuid,
    pub state: String,
    pub dry_run: bool,
    pub options: Json<Options>,
    pub key_id: Uuid,
    pub file: Option<Json<FileFacts>>,
    pub columns: Option<Json<Columns>>,
    pub rows_read: i64,
    pub created: i64,
    pub updated: i64,
    pub unchanged: i64,
    pub skipped: i64,
    pub failed: i64,
    pub invites_requested: i64,
    pub invites_issued: i64,
    pub invites_refused: i64,
    pub undo_archived: i64,
    pub undo_kept: i64,
    pub shown: Json<Shown>,
    pub failure: Option<String>,
    pub forgotten: bool,
    pub created_at: DateTime<Utc>,
    pub finished_at: Option<DateTime<Utc>>,
}

macro_rules! standing {
    ($($tail:literal),+) => {
        concat!(
            "select id, state, dry_run, options, key_id, file, columns, rows_read, created, updated, unchanged, skipped,
                    failed, invites_requested, invites_issued, invites_refused, undo_archived, undo_kept, shown,
                    failure, forgotten, created_at, finished_at
               from imports where account_id = $1 and state <> 'receiving' ",
            $($tail),+
        )
    };
}

/// Reads an import of the clinic. One that is still being received is not there yet.
pub async fn find(conn: Conn<'_>, account: &AccountId, id: Uuid) -> sqlx::Result<Option<Standing>> {
    fetch_optional!(conn, Standing, standing!("and id = $2"), account.as_str(), id)
}

/// Reads an import of the clinic and keeps workers off it until the transaction ends.
pub async fn locked(tx: &mut Tx, account: &AccountId, id: Uuid) -> sqlx::Result<Option<Standing>> {
    let sql = match tx {
        Tx::Postgres(_) => standing!("and id = $2 for update"),
        Tx::Sqlite(_) => standing!("and id = $2"),
    };
    fetch_optional!(tx.conn(), Standing, sql, account.as_str(), id)
}

/// A page of the clinic's imports, newest first; after `last` where one is given.
pub async fn list(
    conn: Conn<'_>,
    account: &AccountId,
    last: Option<(DateTime<Utc>, Uuid)>,
    most: i64,
) -> sqlx::Result<Vec<Standing>> {
    match last {
        None => fetch_all!(
            conn,
            Standing,
            standing!("order by created_at desc, id desc limit $2"),
            account.as_str(),
            most
        ),
        Some((at, id)) => fetch_all!(
            conn,
            Standing,
            standing!("and (created_at, id) < ($3, $4) order by created_at desc, id desc limit $2"),
            account.as_str(),
            most,
            at,
            id
        ),
    }
}
