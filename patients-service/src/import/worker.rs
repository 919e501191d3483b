//! Carries imports out and undoes them, a step a transaction, until none waits.

use super::{carry_out, undo};
use crate::desk::Patients;
use crate::store::imports::{self, ends};
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
            let stepped = match self.step().await {
                // Somebody put one of the batch's patients on record meanwhile: decide again.
                Err(Abort::Conflict | Abort::Log(LogError::Conflict)) if conflicts < CONFLICTS => {
                    conflicts += 1;
                    continue;
                }
                // Tried again it would fail again, and keep every other import waiting behind it.
                Err(abort) if abort.is_fault() => {
                    tracing::error!(reason = %abort, "an import cannot go on");
                    self.give_up().await.map_err(|abort| abort.to_string())?;
                    continue;
                }
                stepped => stepped.map_err(|abort| abort.to_string())?,
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

    /// Ends the import that has waited longest: what was carried out stays, the rest is not.
    async fn give_up(&self) -> Result<(), Abort> {
        let mut tx = self.core.db.begin().await?;
        if let Some(import) = imports::take(&mut tx).await? {
            let words =
                "a fault of ours: the log of the service says which; rows without an outcome were not taken";
            imports::fail(&mut tx, import.id, words, self.core.clock.now()).await?;
        }
        Ok(tx.commit().await?)
    }

    /// One step of the import that has waited longest.
    pub async fn step(&self) -> Result<Stepped, Abort> {
        let mut tx = self.core.db.begin().await?;
        let stepped = match self.next(&mut tx).await {
            Ok(stepped) => stepped,
            Err(abort) => {
                // Now, not when the connection comes back to the pool: until then the import's row is locked,
                // and this worker's next step would find that none waits.
                let _ = tx.rollback().await;
                return Err(abort);
            }
        };
        tx.commit().await?;
        self.core.log.nudge();
        Ok(stepped)
    }

    async fn next(&self, tx: &mut Tx) -> Result<Stepped, Abort> {
        match imports::take(tx).await? {
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
