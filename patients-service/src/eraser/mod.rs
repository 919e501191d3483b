//! Leaves nothing of erased patients, part by part, each of which may be repeated: whatever a kill broke off is
//! done by the next start.
//!
//! * [`Part::Keys`]: the tombstone goes into the file of erasures, the keys are destroyed.
//! * [`Part::Rows`]: rows of imports that are about the person go, and messages that were parked.
//! * [`Part::Said`]: `ErasureCompleted`, and this service's part is closed.
//!
//! [`restored`] finds patients that a restored database brought back.

pub mod restored;
mod rows;

use crate::store::erasures::{self, AtWork};
use shared_events::erasure::ErasureCompleted;
use shared_events::{AccountId, Event};
use shared_runtime::consume;
use shared_runtime::core::Core;
use shared_runtime::group::Abort;
use shared_runtime::log::{Meta, NewEvent};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// How often it looks for what another copy of the service took in, or what could not be done yet.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Erasures that are looked at in one round.
const ROUND: i64 = 50;

/// Leaves nothing of erased patients.
#[derive(Clone)]
pub struct Eraser {
    /// Database, log, keys, clock.
    pub core: Core,
    /// Told of new erasures.
    pub waits: Arc<Notify>,
}

/// What is done for an erasure, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The keys go, and a tombstone says so for ever.
    Keys,
    /// Copies outside the log go.
    Rows,
    /// It is said that all is gone.
    Said,
}

impl Part {
    /// All of them, in order.
    pub const ALL: [Part; 3] = [Part::Keys, Part::Rows, Part::Said];
}

impl Eraser {
    /// Works until `stop`.
    ///
    /// # Errors
    /// What kept it from working, in words; it may simply be started again.
    pub async fn run(&self, stop: &CancellationToken) -> Result<(), String> {
        while !stop.is_cancelled() {
            self.round().await.map_err(|abort| abort.to_string())?;
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.waits.notified() => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
        Ok(())
    }

    /// Does what can be done for every open erasure; how many came to their end here.
    ///
    /// # Errors
    /// The database is away, or the file of erasures cannot be written.
    pub async fn round(&self) -> Result<usize, Abort> {
        let mut ended = 0;
        for erasure in self.open().await? {
            let mut undone = false;
            for part in Part::ALL {
                undone = undone || !self.part(&erasure, part).await?;
            }
            ended += usize::from(!undone);
        }
        Ok(ended)
    }

    /// Erasures that have something left to be done.
    pub async fn open(&self) -> Result<Vec<AtWork>, Abort> {
        let mut reader = self.core.db.read().await?;
        Ok(erasures::open(reader.conn(), ROUND).await?)
    }

    /// Does one part. `false` where it must wait for something.
    ///
    /// # Errors
    /// As [`Eraser::round`].
    pub async fn part(&self, erasure: &AtWork, part: Part) -> Result<bool, Abort> {
        match part {
            Part::Keys => self.keys(erasure).await.map(|()| true),
            Part::Rows => self.rows(erasure).await,
            Part::Said => self.say(erasure).await.map(|()| true),
        }
    }

    async fn keys(&self, erasure: &AtWork) -> Result<(), Abort> {
        let mut reader = self.core.db.read().await?;
        let keys = erasures::keys(reader.conn(), erasure.patient_id).await?;
        drop(reader);
        Ok(self.core.erasures.destroy(erasure.id, &keys).await?)
    }

    async fn rows(&self, erasure: &AtWork) -> Result<bool, Abort> {
        if !rows::purge(&self.core, erasure).await? {
            return Ok(false);
        }
        let mut tx = self.core.db.begin().await?;
        consume::drop_parked_about(&mut tx, erasure.patient_id).await?;
        erasures::gone_through(&mut tx, erasure.id).await?;
        tx.commit().await?;
        // Last: what it sealed is gone by now, and what cannot be opened would count as about the person.
        if let Some(key) = erasure.traces_key {
            self.core.log.keys().erase(key).await?;
        }
        Ok(true)
    }

    async fn say(&self, erasure: &AtWork) -> Result<(), Abort> {
        // A stored clinic id was parsed before it was stored.
        let account = AccountId::parse(&erasure.account_id).map_err(|_| Abort::Conflict)?;
        let mut tx = self.core.db.begin().await?;
        if !erasures::close(&mut tx, erasure.id).await? {
            return Ok(()); // another copy of the service was quicker
        }
        let now = self.core.clock.now();
        let completed = ErasureCompleted { erasure_id: erasure.id, patient_id: erasure.patient_id };
        let event = NewEvent {
            id: Uuid::new_v5(&erasure.id, b"ErasureCompleted by patients"),
            stream: erasure.id,
            version: erasures::version(tx.conn(), erasure.id).await? + 1,
            account,
            key: None,
            occurred_at: now,
            meta: Meta { actor: "system".to_owned(), ..Meta::default() },
            event: Event::ErasureCompleted(completed),
        };
        self.core.log.append(&mut tx, &[event]).await?;
        erasures::report(&mut tx, erasure.id, &erasure.account_id, self.core.log.source(), now).await?;
        tx.commit().await?;
        self.core.log.nudge();
        Ok(())
    }
}
