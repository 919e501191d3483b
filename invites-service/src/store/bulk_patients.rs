//! The patients of bulk jobs, and what became of each.

use super::bulk::Job;
use crate::domain::bulk::{Filter, Outcome, State};
use chrono::{DateTime, Utc};
use shared_events::AccountId;
use shared_runtime::db::{Conn, Rows, Tx};
use shared_runtime::{execute, fetch_all};
use uuid::Uuid;

/// How many rows are written in one statement.
const CHUNK: usize = 2_000;

/// A patient of a job.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Row {
    /// Who.
    pub patient_id: Uuid,
    /// `issued`, `failed`, `cancelled` or none; see [`Row::stands`].
    outcome: Option<String>,
    /// In which try of the job.
    tries: i64,
    /// Why it failed.
    pub code: Option<String>,
}

/// What became of a patient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    /// Who.
    pub patient: Uuid,
    /// The refusal's code; none where an invite was issued.
    pub failed: Option<&'static str>,
}

/// Adds patients to a job, each of them once.
pub async fn add(tx: &mut Tx, job: Uuid, patients: &[Uuid]) -> sqlx::Result<()> {
    for chunk in patients.chunks(CHUNK) {
        let rows = Rows::of("bulk_invite_patients")
            .from(chunk, "bulk_id", |_| job)
            .from(chunk, "patient_id", |patient| *patient)
            .from(chunk, "tries", |_| 0_i64);
        tx.insert(rows, "").await?;
    }
    Ok(())
}

/// Looks at the clinic's next patients in the order of their ids, at most `most`: who they are, and
/// whether each fits and may be invited.
pub async fn scan(
    conn: Conn<'_>,
    account: &AccountId,
    filter: &Filter,
    after: Uuid,
    most: i64,
    now: DateTime<Utc>,
) -> sqlx::Result<Vec<(Uuid, bool)>> {
    // A bounded piece of the register, however few of it fit: no statement takes long.
    fetch_all!(
        conn,
        (Uuid, bool),
        "select p.id, coalesce(p.status = 'pending' and p.user_id is null
                and ($4 is null or p.import_id = $4)
                and ($5 is null or p.clinician_id = $5)
                and ($6 is null or lower(p.preferred_language) = $6)
                and ($7 is null or $7 = exists (
                     select 1 from invites i
                      where i.patient_id = p.id and i.status = 'pending' and i.expires_at > $8))
                and ($9 is null or $9 = exists (select 1 from invites i where i.patient_id = p.id)), false)
           from (select * from known_patients
                  where account_id = $1 and id > $2 order by id limit $3) p
          order by p.id",
        account.as_str(),
        after,
        most,
        filter.import_id,
        filter.clinician_id.as_deref(),
        filter.preferred_language.as_deref(),
        filter.has_pending_invite,
        now,
        filter.ever_invited
    )
}

/// Patients of a job who wait, at most `most`.
pub async fn waiting(tx: &mut Tx, job: Uuid, tries: i64, most: i64) -> sqlx::Result<Vec<Uuid>> {
    let rows = fetch_all!(
        tx.conn(),
        (Uuid,),
        "select patient_id from bulk_invite_patients
          where bulk_id = $1 and (outcome is null or outcome = 'failed') and tries < $2
          order by tries, patient_id limit $3",
        job,
        tries,
        most
    )?;
    Ok(rows.into_iter().map(|(patient,)| patient).collect())
}

/// Writes what became of patients who waited, in the job's try; how many did.
pub async fn close(tx: &mut Tx, job: Uuid, tries: i64, closed: &[Closed]) -> sqlx::Result<u64> {
    let outcome = |one: &Closed| if one.failed.is_some() { Outcome::Failed } else { Outcome::Issued };
    // An upsert of rows that are all there, because it is the one form of update that takes many rows.
    let rows = Rows::of("bulk_invite_patients")
        .from(closed, "bulk_id", |_| job)
        .from(closed, "patient_id", |one| one.patient)
        .from(closed, "outcome", |one| Some(outcome(one).as_str().to_owned()))
        .from(closed, "tries", |_| tries)
        .from(closed, "code", |one| one.failed.map(str::to_owned));
    tx.insert(
        rows,
        "on conflict (bulk_id, patient_id) do update
            set outcome = excluded.outcome, tries = excluded.tries, code = excluded.code
          where bulk_invite_patients.tries < excluded.tries",
    )
    .await
}

/// Marks patients who waited as cancelled, at most `most`; how many there were.
pub async fn cancel(tx: &mut Tx, job: Uuid, tries: i64, most: i64) -> sqlx::Result<u64> {
    execute!(
        tx.conn(),
        "update bulk_invite_patients set outcome = 'cancelled', tries = $2, code = null
          where bulk_id = $1 and patient_id in (
                select patient_id from bulk_invite_patients
                 where bulk_id = $1 and (outcome is null or outcome = 'failed') and tries < $2
                 order by tries, patient_id limit $3)",
        job,
        tries,
        most
    )
}

/// `select` of one page of a job's [`Row`]s, in the order of ids.
macro_rules! page {
    ($wanted:literal) => {
        concat!(
            "select patient_id, outcome, tries, code from bulk_invite_patients
              where bulk_id = $1 and patient_id > $3 and ",
            $wanted,
            " order by patient_id limit $4"
        )
    };
}

/// One page of a job's patients after `after`, of all outcomes or of one.
pub async fn page(
    conn: Conn<'_>,
    job: &Job,
    outcome: Option<Outcome>,
    after: Uuid,
    limit: i64,
) -> sqlx::Result<Vec<Row>> {
    let cancelled = job.state() == State::Cancelled;
    // A text each, so that the few who failed among many are found by their index: SQLite takes it only
    // where nothing else is asked of `tries`.
    let sql = match outcome {
        None => page!("tries <= $2"),
        Some(Outcome::Waiting) if cancelled => return Ok(Vec::new()),
        Some(Outcome::Waiting) => page!("(outcome is null or outcome = 'failed') and tries < $2"),
        Some(Outcome::Issued) => page!("outcome = 'issued' and tries <= $2"),
        Some(Outcome::Failed) => page!("outcome = 'failed' and tries = $2"),
        Some(Outcome::Cancelled) if cancelled => page!(
            "(outcome = 'cancelled' and tries <= $2
              or (outcome is null or outcome = 'failed') and tries < $2)"
        ),
        Some(Outcome::Cancelled) => page!("outcome = 'cancelled' and tries <= $2"),
    };
    fetch_all!(conn, Row, sql, job.id, job.tries, after, limit)
}

impl Row {
    /// What became of the patient: nobody waits in a cancelled job.
    pub fn stands(&self, job: &Job) -> Outcome {
        match self.outcome.as_deref() {
            Some("issued") => Outcome::Issued,
            Some("cancelled") => Outcome::Cancelled,
            Some(_) if self.tries == job.tries => Outcome::Failed,
            _ if job.state() == State::Cancelled => Outcome::Cancelled,
            _ => Outcome::Waiting,
        }
    }
}
