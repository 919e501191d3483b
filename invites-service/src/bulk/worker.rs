//! Carries bulk jobs out, a batch a transaction, each job in its turn, until none is open.

use super::words_aad;
use crate::desk::{Command, Counts, Invites};
use crate::domain::bulk::{Filter, State, invite_of};
use crate::domain::{Ask, IssueAsk};
use crate::store::bulk::{self as jobs, Job};
use crate::store::bulk_patients::{self as patients, Closed};
use crate::tokens::Tokens;
use shared_events::AccountId;
use shared_runtime::Tx;
use shared_runtime::core::Core;
use shared_runtime::group::Abort;
use shared_runtime::keys::{Found, KeysError};
use shared_runtime::log::LogError;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Patients invited in one transaction: enough to share its flush, few enough that their own commands need
/// not wait long for the lock.
pub const BATCH: i64 = 200;
/// Patients looked at, or marked, in one transaction.
pub const GLANCE: i64 = 5_000;
/// How often a worker looks for jobs that another copy of the service took in.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often in a row a batch is decided again before the worker pauses and says so.
const CONFLICTS: u32 = 5;
/// What a patient fails with for whom something is wrong on our side.
pub const FAULT: &str = "internal";

/// Carries bulk jobs out.
#[derive(Clone)]
pub struct Worker {
    /// Database, log, clock.
    pub core: Core,
    /// Where invites are decided and written.
    pub desk: Invites,
    /// Names the key that links are made with.
    pub tokens: Tokens,
    /// Told of new jobs.
    pub waits: Arc<Notify>,
}

/// What one step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stepped {
    /// No job is open.
    Idle,
    /// So many patients were looked at.
    Gathered(usize),
    /// So many patients came to their outcomes.
    Decided(usize),
    /// So many patients of a cancelled job were marked.
    Marked(u64),
    /// A job was closed.
    Closed(Uuid),
}

/// How far a step came: what to set aside where it fails for good.
#[derive(Default)]
struct Place {
    job: Option<Job>,
    patients: Vec<Uuid>,
}

impl Worker {
    /// Works until `stop`.
    ///
    /// # Errors
    /// What kept it from working, in words; it may simply be started again.
    pub async fn run(&self, stop: &CancellationToken) -> Result<(), String> {
        let (mut conflicts, mut careful) = (0, 0);
        while !stop.is_cancelled() {
            let most = if careful > 0 { 1 } else { BATCH };
            match self.step_of(most).await {
                // Somebody was quicker with one of the patients: decide again.
                Err(Abort::Conflict | Abort::Log(LogError::Conflict)) if conflicts < CONFLICTS => {
                    conflicts += 1
                }
                // Tried again it would fail again: one by one, to find the patient for whom it does.
                Err(abort) if abort.is_fault() && careful == 0 => {
                    tracing::error!(reason = %abort, "a batch of a bulk invite failed; going on patient by patient");
                    careful = BATCH;
                }
                Err(abort) => return Err(abort.to_string()),
                Ok(Stepped::Idle) => {
                    (conflicts, careful) = (0, 0);
                    self.wait(stop).await;
                }
                Ok(_) => (conflicts, careful) = (0, (careful - 1).max(0)),
            }
        }
        Ok(())
    }

    async fn wait(&self, stop: &CancellationToken) {
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.waits.notified() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }

    /// One step of the job whose turn it is.
    ///
    /// # Errors
    /// The database is away or in the way, or a fault of ours; nothing was done.
    pub async fn step(&self) -> Result<Stepped, Abort> {
        self.step_of(BATCH).await
    }

    /// One step with at most so many patients. Of one patient alone a fault is the patient's outcome.
    async fn step_of(&self, most: i64) -> Result<Stepped, Abort> {
        let mut place = Place::default();
        let mut tx = self.core.db.begin().await?;
        match self.advance(&mut tx, most, &mut place).await {
            Ok(stepped) => {
                tx.commit().await?;
                self.core.log.nudge();
                Ok(stepped)
            }
            Err(abort) => {
                // Now, not when the connection comes back to the pool: until then the job's row is locked,
                // and this worker's next step would find that none is open.
                let _ = tx.rollback().await;
                if most == 1 && abort.is_fault() { self.set_aside(place, abort).await } else { Err(abort) }
            }
        }
    }

    async fn advance(&self, tx: &mut Tx, most: i64, place: &mut Place) -> Result<Stepped, Abort> {
        let Some(job) = jobs::take(tx).await? else { return Ok(Stepped::Idle) };
        place.job = Some(job.clone());
        jobs::pass(tx, job.id).await?;
        match job.state() {
            State::Gathering => self.gather(tx, &job).await,
            State::Running => {
                place.patients = patients::waiting(tx, job.id, job.tries, most).await?;
                self.invite(tx, &job, &place.patients).await
            }
            State::Cancelled | State::Done => match patients::cancel(tx, job.id, job.tries, GLANCE).await? {
                0 => self.close(tx, &job).await,
                marked => Ok(Stepped::Marked(marked)),
            },
        }
    }

    async fn close(&self, tx: &mut Tx, job: &Job) -> Result<Stepped, Abort> {
        let state = if job.state() == State::Cancelled { State::Cancelled } else { State::Done };
        jobs::close(tx, job.id, state, self.core.clock.now()).await?;
        Ok(Stepped::Closed(job.id))
    }

    /// Looks at the clinic's next patients and adds those that fit.
    async fn gather(&self, tx: &mut Tx, job: &Job) -> Result<Stepped, Abort> {
        let account = clinic(job)?;
        let filter = job.filter.as_ref().map_or_else(Filter::default, |filter| filter.0.clone());
        let now = self.core.clock.now();
        let seen = patients::scan(tx.conn(), &account, &filter, job.gathered_to, GLANCE, now).await?;
        let fitting: Vec<Uuid> = seen.iter().filter(|(_, fits)| *fits).map(|(id, _)| *id).collect();
        patients::add(tx, job.id, &fitting).await?;
        let to = seen.last().map_or(job.gathered_to, |(id, _)| *id);
        let all = seen.len() < usize::try_from(GLANCE).unwrap_or(usize::MAX);
        jobs::gathered(tx, job.id, to, number(fitting.len()), all).await?;
        Ok(Stepped::Gathered(seen.len()))
    }

    /// Invites patients, and writes what became of each: both or neither.
    async fn invite(&self, tx: &mut Tx, job: &Job, waiting: &[Uuid]) -> Result<Stepped, Abort> {
        if waiting.is_empty() {
            return self.close(tx, job).await;
        }
        let (account, message) = (clinic(job)?, self.words(job).await?);
        let command = |patient: &Uuid| self.command(job, &account, *patient, message.clone());
        let commands: Vec<Command> = waiting.iter().map(command).collect();
        let outcomes = self.desk.carry_out(tx, &commands, false).await?;
        let closed: Vec<Closed> = waiting
            .iter()
            .zip(outcomes)
            .map(|(patient, outcome)| Closed {
                patient: *patient,
                failed: outcome.err().map(|refusal| refusal.code()),
            })
            .collect();
        let failed = closed.iter().filter(|one| one.failed.is_some()).count();
        patients::close(tx, job.id, job.tries, &closed).await?;
        jobs::count(tx, job.id, number(closed.len() - failed), number(failed)).await?;
        Ok(Stepped::Decided(closed.len()))
    }

    fn command(&self, job: &Job, account: &AccountId, patient: Uuid, message: Option<String>) -> Command {
        let ask = IssueAsk {
            invite: invite_of(job.id, patient),
            provider_id: job.provider_id.clone(),
            send_email: job.send_email,
            message,
            expiry_days: job.expiry_days.and_then(|days| u16::try_from(days).ok()),
            import_id: None,
            token_key_id: self.tokens.current_id(),
        };
        Command {
            account: account.clone(),
            patient,
            ask: Ask::Issue(Box::new(ask)),
            cause: Some(job.id),
            meta: job.meta.0.clone(),
            at: self.core.clock.now(),
            counts: Counts::AsJob,
            repeatable: None,
        }
    }

    /// Staff's words to the patients.
    async fn words(&self, job: &Job) -> Result<Option<String>, Abort> {
        let (Some(sealed), Some(key_id)) = (&job.words, job.key_id) else { return Ok(None) };
        let Some(Found::Key(key)) = self.core.log.keys().find(&[key_id]).await?.remove(&key_id) else {
            return Err(KeysError::Missing(key_id).into());
        };
        let words = key.open(&words_aad(job.id), sealed)?;
        String::from_utf8(words).map(Some).map_err(|_| KeysError::Unopened(key_id).into())
    }

    /// A step that fails for good: its one patient fails, and the others go on. Where there is none, the
    /// next job has its turn, and the fault is for the caller to say and to wait after.
    async fn set_aside(&self, place: Place, abort: Abort) -> Result<Stepped, Abort> {
        let Some(job) = place.job else { return Err(abort) };
        let mut tx = self.core.db.begin().await?;
        let now = jobs::lock(&mut tx, &clinic(&job)?, job.id).await?;
        jobs::pass(&mut tx, job.id).await?;
        let Some(patient) = place.patients.first() else {
            tx.commit().await?;
            return Err(abort);
        };
        // Meanwhile another worker may have been luckier, or staff have cancelled it.
        if let Some(job) = now.filter(|now| now.state() == State::Running) {
            tracing::error!(reason = %abort, bulk = %job.id, %patient, "a patient of a bulk invite was set aside");
            let closed = Closed { patient: *patient, failed: Some(FAULT) };
            let failed = patients::close(&mut tx, job.id, job.tries, &[closed]).await?;
            jobs::count(&mut tx, job.id, 0, i64::try_from(failed).unwrap_or(i64::MAX)).await?;
        }
        tx.commit().await?;
        Ok(Stepped::Decided(1))
    }
}

/// The job's clinic. A stored clinic id was parsed before it was stored.
fn clinic(job: &Job) -> Result<AccountId, Abort> {
    AccountId::parse(&job.account_id).map_err(|_| Abort::Conflict)
}

fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
