//! Bulk jobs. Their patients stand in [`super::bulk_patients`].

use crate::domain::bulk::{Filter, State, Terms};
use chrono::{DateTime, Utc};
use shared_events::AccountId;
use shared_runtime::db::{Conn, Tx};
use shared_runtime::log::Meta;
use shared_runtime::{execute, fetch_all, fetch_optional};
use sqlx::types::Json;
use uuid::Uuid;

/// Staff's words, sealed: they open only as those of their job.
#[derive(Debug, Clone)]
pub struct Words {
    /// The words.
    pub sealed: Vec<u8>,
    /// The key.
    pub key: Uuid,
}

/// A job about to be kept.
#[derive(Debug, Clone)]
pub struct NewJob {
    /// Its id.
    pub id: Uuid,
    /// The clinic.
    pub account: AccountId,
    /// Whom to gather; none where the patients were named.
    pub filter: Option<Filter>,
    /// How many patients were named.
    pub named: i64,
    /// What the invites are issued with.
    pub terms: Terms,
    /// Staff's words to the patients.
    pub words: Option<Words>,
    /// Who and what caused it.
    pub meta: Meta,
    /// When.
    pub at: DateTime<Utc>,
}

/// A job's row.
#[derive(Debug, Clone, sqlx::FromRow)]
#[expect(missing_docs, reason = "named and explained in the schema")]
pub struct Job {
    pub id: Uuid,
    pub account_id: String,
    pub state: String,
    pub open: bool,
    pub filter: Option<Json<Filter>>,
    pub gathered_to: Uuid,
    pub provider_id: String,
    pub send_email: bool,
    pub expiry_days: Option<i64>,
    pub words: Option<Vec<u8>>,
    pub key_id: Option<Uuid>,
    pub tries: i64,
    pub total: i64,
    pub issued: i64,
    pub failed: i64,
    pub cancelled: i64,
    pub meta: Json<Meta>,
    pub created_at: DateTime<Utc>,
    pub finished_at: Option<DateTime<Utc>>,
}

impl Job {
    /// How it stands.
    pub fn state(&self) -> State {
        State::of(&self.state)
    }

    /// How many of its patients have no outcome yet.
    pub fn waiting(&self) -> i64 {
        self.total - self.issued - self.failed - self.cancelled
    }
}

/// `select` of a [`Job`], and what follows.
macro_rules! jobs {
    ($tail:literal) => {
        concat!(
            "select id, account_id, state, open, filter, gathered_to, provider_id, send_email, expiry_days,
                    words, key_id, tries, total, issued, failed, cancelled, meta, created_at, finished_at
               from bulk_invites ",
            $tail
        )
    };
}

/// Keeps a job. Its turn is the next.
pub async fn keep(tx: &mut Tx, job: &NewJob) -> sqlx::Result<()> {
    let state = if job.filter.is_some() { State::Gathering } else { State::Running };
    execute!(
        tx.conn(),
        "insert into bulk_invites
            (id, account_id, state, open, turn, filter, gathered_to, provider_id, send_email, expiry_days,
             words, key_id, tries, total, issued, failed, cancelled, meta, created_at)
         values ($1, $2, $3, true, 0, $4, $5, $6, $7, $8, $9, $10, 1, $11, 0, 0, 0, $12, $13)",
        job.id,
        job.account.as_str(),
        state.as_str(),
        job.filter.clone().map(Json),
        Uuid::nil(),
        &job.terms.provider_id,
        job.terms.send_email,
        job.terms.expiry_days.map(i64::from),
        job.words.as_ref().map(|words| words.sealed.clone()),
        job.words.as_ref().map(|words| words.key),
        job.named,
        Json(job.meta.clone()),
        job.at
    )
    .map(drop)
}

/// Takes the open job whose turn it is, of those whose state this program knows, and keeps other workers off it until the transaction ends.
pub async fn take(tx: &mut Tx) -> sqlx::Result<Option<Job>> {
    let sql = match tx {
        Tx::Postgres(_) => {
            jobs!(
                "where open and state in ('gathering', 'running', 'cancelled')
                 order by turn, id limit 1 for update skip locked"
            )
        }
        Tx::Sqlite(_) => {
            jobs!("where open and state in ('gathering', 'running', 'cancelled') order by turn, id limit 1")
        }
    };
    fetch_optional!(tx.conn(), Job, sql)
}

/// Locks a job of the clinic until the transaction ends, and reads it.
pub async fn lock(tx: &mut Tx, account: &AccountId, id: Uuid) -> sqlx::Result<Option<Job>> {
    let sql = match tx {
        Tx::Postgres(_) => jobs!("where account_id = $1 and id = $2 for update"),
        Tx::Sqlite(_) => jobs!("where account_id = $1 and id = $2"),
    };
    fetch_optional!(tx.conn(), Job, sql, account.as_str(), id)
}

/// Reads a job of the clinic.
pub async fn find(conn: Conn<'_>, account: &AccountId, id: Uuid) -> sqlx::Result<Option<Job>> {
    fetch_optional!(conn, Job, jobs!("where account_id = $1 and id = $2"), account.as_str(), id)
}

/// One page of the clinic's jobs, newest first.
pub async fn page(
    conn: Conn<'_>,
    account: &AccountId,
    after: Option<(DateTime<Utc>, Uuid)>,
    limit: i64,
) -> sqlx::Result<Vec<Job>> {
    let (at, id) = after.unzip();
    fetch_all!(
        conn,
        Job,
        jobs!(
            "where account_id = $1 and ($2 is null or (created_at, id) < ($2, $3))
             order by created_at desc, id desc limit $4"
        ),
        account.as_str(),
        at,
        id,
        limit
    )
}

/// Passes the turn on to the other open jobs.
pub async fn pass(tx: &mut Tx, id: Uuid) -> sqlx::Result<()> {
    execute!(
        tx.conn(),
        "update bulk_invites
            set turn = (select coalesce(max(turn), 0) + 1 from bulk_invites where open) where id = $1",
        id
    )
    .map(drop)
}

/// Notes up to which patient a job has gathered, and how many it found. `all`: there are no more.
pub async fn gathered(tx: &mut Tx, id: Uuid, to: Uuid, found: i64, all: bool) -> sqlx::Result<()> {
    let state = if all { State::Running } else { State::Gathering };
    execute!(
        tx.conn(),
        "update bulk_invites set gathered_to = $2, total = total + $3, state = $4 where id = $1",
        id,
        to,
        found,
        state.as_str()
    )
    .map(drop)
}

/// Adds outcomes to a job's counts.
pub async fn count(tx: &mut Tx, id: Uuid, issued: i64, failed: i64) -> sqlx::Result<()> {
    execute!(
        tx.conn(),
        "update bulk_invites set issued = issued + $2, failed = failed + $3 where id = $1",
        id,
        issued,
        failed
    )
    .map(drop)
}

/// Closes a job: nothing is left to do for it until staff act. Its words stay only while they may be told
/// to somebody yet.
pub async fn close(tx: &mut Tx, id: Uuid, state: State, at: DateTime<Utc>) -> sqlx::Result<()> {
    execute!(
        tx.conn(),
        "update bulk_invites
            set state = $2, open = false, finished_at = coalesce(finished_at, $3),
                words = case when failed > 0 then words end
          where id = $1",
        id,
        state.as_str(),
        at
    )
    .map(drop)
}

/// Cancels a job: who waits counts as cancelled from here on, and is marked later.
pub async fn cancel(tx: &mut Tx, id: Uuid, at: DateTime<Utc>) -> sqlx::Result<()> {
    execute!(
        tx.conn(),
        "update bulk_invites set state = $2, cancelled = total - issued - failed, finished_at = $3 where id = $1",
        id,
        State::Cancelled.as_str(),
        at
    )
    .map(drop)
}

/// Opens a job again for one more try, and so lets its failed wait. What follows is caused by who asked for it.
pub async fn reopen(tx: &mut Tx, id: Uuid, meta: &Meta) -> sqlx::Result<()> {
    execute!(
        tx.conn(),
        "update bulk_invites
            set state = $2, open = true, turn = 0, tries = tries + 1, failed = 0, finished_at = null, meta = $3
          where id = $1",
        id,
        State::Running.as_str(),
        Json(meta.clone())
    )
    .map(drop)
}
