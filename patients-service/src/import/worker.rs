//! Carries imports out and undoes them, a step a transaction, until none waits.

use super::{carry_out, undo};
use crate::desk::Patients;
use crate::store::imports::{self, AtWork, ends};
use shared_runtime::Tx;
use shared_runtime::core::Core;
use shared_runtime::group::Abort;
use shared_runtime::log::LogError;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// How often a worker looks for imports that another copy of the service took in.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often what is old or came to nothing is removed.
const TIDY_EVERY: Duration = Duration::from_secs(60);
/// How often in a row a step is decided again before the worker pauses and says so.
const CONFLICTS: u32 = 5;

/// Carries imports out.
#[derive(Clone)]
pub struct Worker {
    /// Database, log, clock.
    pub core: Core,
    /// Decides and writes.
    pub patients: Patients,
    /// Told of new imports.
    pub waits: Arc<Notify>,
}

/// What one step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stepped {
    /// No import waits.
    Idle,
    /// So many rows came to their outcomes.
    Rows(usize),
    /// An import was finished.
    Finished(Uuid),
}

impl Worker {
    /// Works until `stop`.
    pub async fn run(&self, stop: &CancellationToken) -> Result<(), String> {
        let (mut conflicts, mut tidied) = (0, None::<Instant>);
        while !stop.is_cancelled() {
            if tidied.is_none_or(|at| at.elapsed() > TIDY_EVERY) {
                while self.tidy().await.map_err(|abort| abort.to_string())? {}
                tidied = Some(Instant::now());
            }
            let stepped = match self.try_step().await {
                // Somebody put one of the batch's patients on record meanwhile: decide again.
                Err((_, Abort::Conflict | Abort::Log(LogError::Conflict))) if conflicts < CONFLICTS => {
                    conflicts += 1;
                    continue;
                }
                // Tried again it would fail again, and keep every other import waiting behind it.
                Err((Some(import), abort)) if abort.is_fault() => {
                    tracing::error!(%import, reason = %abort, "an import cannot go on");
                    self.give_up(import).await.map_err(|abort| abort.to_string())?;
                    continue;
                }
                stepped => stepped.map_err(|(_, abort)| abort.to_string())?,
            };
            conflicts = 0;
            if stepped == Stepped::Idle {
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = self.waits.notified() => {}
                    () = tokio::time::sleep(LOOK_EVERY) => {}
                }
            }
        }
        Ok(())
    }

    /// Ends an import: what was carried out stays, the rest is not. It is named: by now another worker may be
    /// at it, and whichever waits longest is another clinic's.
    async fn give_up(&self, import: Uuid) -> Result<(), Abort> {
        let words =
            "a fault of ours: the log of the service says which; rows without an outcome were not taken";
        let mut tx = self.core.db.begin().await?;
        imports::fail(&mut tx, import, words, self.core.clock.now()).await?;
        Ok(tx.commit().await?)
    }

    /// One step of the import that has waited longest.
    pub async fn step(&self) -> Result<Stepped, Abort> {
        self.try_step().await.map_err(|(_, abort)| abort)
    }

    /// As [`Worker::step`]; a failure comes with the import it was at.
    async fn try_step(&self) -> Result<Stepped, (Option<Uuid>, Abort)> {
        let mut tx = self.core.db.begin().await.map_err(|error| (None, error.into()))?;
        let taken = imports::take(&mut tx).await.map_err(|error| (None, error.into()))?;
        let import = taken.as_ref().map(|import| import.id);
        let stepped = match self.next(&mut tx, taken).await {
            Ok(stepped) => stepped,
            Err(abort) => {
                // Now, not when the connection comes back to the pool: until then the import's row is locked,
                // and this worker's next step would find that none waits.
                let _ = tx.rollback().await;
                return Err((import, abort));
            }
        };
        tx.commit().await.map_err(|error| (import, error.into()))?;
        self.core.log.nudge();
        Ok(stepped)
    }

    async fn next(&self, tx: &mut Tx, taken: Option<AtWork>) -> Result<Stepped, Abort> {
        match taken {
            None => Ok(Stepped::Idle),
            Some(import) if import.state == "undoing" => undo::step(self, tx, &import).await,
            Some(import) => carry_out::step(self, tx, &import).await,
        }
    }

    /// Removes one upload that came to nothing or one import's rows that are old; `false` where there is none.
    pub async fn tidy(&self) -> Result<bool, Abort> {
        let now = self.core.clock.now();
        let mut tx = self.core.db.begin().await?;
        let tidied = match ends::silent(&mut tx, now).await? {
            Some(upload) => {
                ends::discard(&mut tx, upload).await?;
                true
            }
            None => ends::forget(&mut tx, now).await?,
        };
        tx.commit().await?;
        Ok(tidied)
    }
}
