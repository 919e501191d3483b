//! Waiting commands, committed together.
//!
//! A commit costs one flush to disk however much it holds. So commands that arrive while a transaction
//! is under way wait for the next one and share it: at one client nothing changes, at thirty-two a
//! dozen commands share each flush. Commands of a group are ordered by stream, which keeps two
//! writers from waiting for each other in a circle. If anything goes wrong, the group is rolled back
//! and each command runs alone, so that one command's trouble is never another's.

use crate::db::{Db, Tx, is_transient};
use crate::keys::KeysError;
use crate::log::LogError;
use crate::retry;
use futures_util::FutureExt as _;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, mpsc, oneshot};
use uuid::Uuid;

/// The largest group.
const LARGEST: usize = 128;
/// How often a command is decided again because its stream had moved on.
const ROUNDS: u32 = 12;
const FIRST_PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(200);
/// Above every bound that the database itself puts on a statement or a lock.
const LONGEST_ATTEMPT: Duration = Duration::from_secs(90);
const MISCOUNTED: &str = "a desk answered more or fewer commands than it was given";

/// What a service does with a group of commands.
pub trait Desk: Send + Sync + 'static {
    /// What is asked.
    type Command: Send + Sync + 'static;
    /// What is answered; a refusal by the domain is an answer too.
    type Outcome: Send + 'static;

    /// What the command is about: groups are ordered by it.
    fn subject(&self, command: &Self::Command) -> Uuid;

    /// Decides and writes every command of the group in `tx`, in order, and answers each. In round 0
    /// the rare cases (a repeated command, a taken address) may be left to [`Abort::Conflict`]; from
    /// round 1 on the command is alone and must look for them.
    fn execute(
        &self,
        tx: &mut Tx,
        commands: &[Self::Command],
        round: u32,
    ) -> impl Future<Output = Result<Vec<Self::Outcome>, Abort>> + Send;

    /// Something was committed.
    fn committed(&self) {}
}

/// Why a group was rolled back.
#[derive(Debug, thiserror::Error)]
pub enum Abort {
    /// Something was not as expected: decide again.
    #[error("something changed meanwhile")]
    Conflict,
    /// The log, the keys or the database.
    #[error(transparent)]
    Log(#[from] LogError),
}

impl From<sqlx::Error> for Abort {
    fn from(error: sqlx::Error) -> Self {
        Abort::Log(LogError::Db(error))
    }
}

impl From<KeysError> for Abort {
    fn from(error: KeysError) -> Self {
        Abort::Log(LogError::Keys(error))
    }
}

/// Whether another transaction was in the way: serialisation failure, deadlock, lock not available;
/// SQLite busy.
fn is_in_the_way(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|refusal| refusal.code());
    ["40001", "40P01", "55P03", "5", "517"].contains(&code.as_deref().unwrap_or_default())
}

impl Abort {
    /// Whether it is a fault that trying again does not mend.
    pub fn is_fault(&self) -> bool {
        match self {
            Abort::Conflict | Abort::Log(LogError::Conflict) => false,
            Abort::Log(LogError::Db(error) | LogError::Keys(KeysError::Db(error))) => !is_transient(error),
            Abort::Log(_) => true,
        }
    }

    /// Whether deciding again may help.
    fn is_contention(&self) -> bool {
        match self {
            Abort::Conflict | Abort::Log(LogError::Conflict) => true,
            Abort::Log(LogError::Db(error)) => is_in_the_way(error),
            Abort::Log(_) => false,
        }
    }
}

/// Why a command got no answer. Whether it took effect is not known; repeating it with the same
/// idempotency key is safe.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Unanswered {
    /// The database is away, or too much is in the way: try again.
    #[error("the command could not be carried out now: {0}")]
    Busy(String),
    /// A fault of ours.
    #[error("the command failed: {0}")]
    Failed(String),
}

impl From<Abort> for Unanswered {
    fn from(abort: Abort) -> Self {
        if abort.is_fault() {
            Unanswered::Failed(abort.to_string())
        } else {
            Unanswered::Busy(abort.to_string())
        }
    }
}

type Waiting<D> = (<D as Desk>::Command, oneshot::Sender<Result<<D as Desk>::Outcome, Unanswered>>);

/// Takes commands and answers them. Cheap to clone.
pub struct Group<D: Desk> {
    door: mpsc::Sender<Waiting<D>>,
}

impl<D: Desk> Clone for Group<D> {
    fn clone(&self) -> Self {
        Group { door: self.door.clone() }
    }
}

impl<D: Desk> Group<D> {
    /// Starts the writers. They end when the last clone of the group is dropped.
    pub fn start(db: Db, desk: Arc<D>) -> Group<D> {
        let (door, queue) = mpsc::channel(1024);
        let queue = Arc::new(Mutex::new(queue));
        for _ in 0..db.writers() {
            tokio::spawn(write(db.clone(), desk.clone(), queue.clone()));
        }
        Group { door }
    }

    /// Carries a command out. Once this is called the command goes on even if the caller goes away.
    pub async fn submit(&self, command: D::Command) -> Result<D::Outcome, Unanswered> {
        let (answer, answered) = oneshot::channel();
        let gone = || Unanswered::Busy("the service is stopping".to_owned());
        self.door.send((command, answer)).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}

/// Why an attempt came to nothing.
enum Failure {
    /// The desk gave up, or the database refused the commit. It was rolled back.
    Aborted(Abort),
    /// The desk is at fault. It was rolled back.
    Fault(&'static str),
    /// The database is away. Where that was found out at the commit, it may have happened or not: what
    /// was decided must not be carried out a second time here.
    Away(sqlx::Error),
}

impl From<Failure> for Unanswered {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Aborted(abort) => abort.into(),
            Failure::Fault(what) => Unanswered::Failed(what.to_owned()),
            Failure::Away(error) => Unanswered::Busy(error.to_string()),
        }
    }
}

async fn write<D: Desk>(db: Db, desk: Arc<D>, queue: Arc<Mutex<mpsc::Receiver<Waiting<D>>>>) {
    loop {
        let mut group = Vec::new();
        if queue.lock().await.recv_many(&mut group, LARGEST).await == 0 {
            return;
        }
        group.sort_by_key(|(command, _)| desk.subject(command));
        let (commands, answers): (Vec<_>, Vec<_>) = group.into_iter().unzip();
        match attempt(&db, desk.as_ref(), &commands, 0).await {
            Ok(outcomes) => {
                for (answer, outcome) in answers.into_iter().zip(outcomes) {
                    // A caller that went away does not want its answer.
                    let _ = answer.send(Ok(outcome));
                }
            }
            Err(failure) => {
                let mut away = match failure {
                    Failure::Away(_) => Some(Unanswered::from(failure)),
                    Failure::Aborted(_) | Failure::Fault(_) => None,
                };
                for (command, answer) in commands.into_iter().zip(answers) {
                    // Each would wait for the database anew, and the last one longest.
                    let outcome = match &away {
                        Some(away) => Err(away.clone()),
                        None => alone(&db, desk.as_ref(), command).await.map_err(|failure| {
                            let is_away = matches!(failure, Failure::Away(_));
                            let unanswered = Unanswered::from(failure);
                            away = is_away.then(|| unanswered.clone());
                            unanswered
                        }),
                    };
                    let _ = answer.send(outcome);
                }
            }
        }
    }
}

async fn alone<D: Desk>(db: &Db, desk: &D, command: D::Command) -> Result<D::Outcome, Failure> {
    let commands = [command];
    let mut pause = retry::between(FIRST_PAUSE, LONGEST_PAUSE);
    let mut round = 1;
    loop {
        match attempt(db, desk, &commands, round).await {
            Ok(mut outcomes) => return outcomes.pop().ok_or(Failure::Fault(MISCOUNTED)),
            Err(Failure::Aborted(abort)) if abort.is_contention() && round < ROUNDS => {
                tokio::time::sleep(pause.next_delay()).await;
                round += 1;
            }
            Err(failure) => return Err(failure),
        }
    }
}

/// An attempt that ends: a connection whose other end is gone without a word must not hold a writer for
/// ever.
async fn attempt<D: Desk>(
    db: &Db,
    desk: &D,
    commands: &[D::Command],
    round: u32,
) -> Result<Vec<D::Outcome>, Failure> {
    let bounded = tokio::time::timeout(LONGEST_ATTEMPT, unbounded(db, desk, commands, round)).await;
    bounded.unwrap_or(Err(Failure::Away(sqlx::Error::PoolTimedOut)))
}

async fn unbounded<D: Desk>(
    db: &Db,
    desk: &D,
    commands: &[D::Command],
    round: u32,
) -> Result<Vec<D::Outcome>, Failure> {
    let mut tx = db.begin().await.map_err(Failure::Away)?;
    // A panic must not take the writer with it: every later caller would be told that we are stopping.
    let executed = AssertUnwindSafe(desk.execute(&mut tx, commands, round)).catch_unwind().await;
    let failure = match executed {
        Ok(Ok(outcomes)) if outcomes.len() == commands.len() => {
            tx.commit().await.map_err(uncommitted)?;
            desk.committed();
            return Ok(outcomes);
        }
        Ok(Ok(_)) => Failure::Fault(MISCOUNTED),
        Ok(Err(abort)) => Failure::Aborted(abort),
        Err(_) => Failure::Fault("it panicked"),
    };
    // The connection may be what failed; the pool drops it then.
    let _ = tx.rollback().await;
    Err(failure)
}

/// What a failed commit means.
fn uncommitted(error: sqlx::Error) -> Failure {
    // Where another transaction was in the way, or the database gave a reason, it did not happen.
    if is_transient(&error) && !is_in_the_way(&error) {
        Failure::Away(error)
    } else {
        Failure::Aborted(error.into())
    }
}
