//! Forgets erased patients, part by part, each of which may be repeated: whatever a kill broke off is done by the next
//! start. Open invites were revoked and the copy of the record emptied when the erasure was heard of.

use crate::consumers::Hearer;
use crate::store::erasures::{self, AtWork};
use crate::store::{accounts, patients, sessions};
use shared_events::erasure::ErasureCompleted;
use shared_events::{AccountId, Event};
use shared_runtime::consume;
use shared_runtime::core::{Core, StartError};
use shared_runtime::group::Abort;
use shared_runtime::log::{Meta, NewEvent};
use std::collections::HashMap;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// How often it looks for what was heard: hearing is another matter, with many events a second.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Erasures that are looked at in one round.
const ROUND: i64 = 50;

/// Forgets erased patients.
#[derive(Clone)]
pub struct Eraser {
    /// Database, log, keys, clock.
    pub core: Core,
}

/// What is done for an erasure, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The keys go, and a tombstone says so for ever.
    Keys,
    /// Logins that stand for nobody else go, and messages that were parked.
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
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
        Ok(())
    }

    /// Does what is to be done for every open erasure; how many there were.
    ///
    /// # Errors
    /// The database is away, or the file of erasures cannot be written.
    pub async fn round(&self) -> Result<usize, Abort> {
        let open = self.open().await?;
        for erasure in &open {
            for part in Part::ALL {
                self.part(erasure, part).await?;
            }
        }
        Ok(open.len())
    }

    /// Erasures that have something left to be done.
    pub async fn open(&self) -> Result<Vec<AtWork>, Abort> {
        let mut reader = self.core.db.read().await?;
        Ok(erasures::open(reader.conn(), ROUND).await?)
    }

    /// Does one part.
    ///
    /// # Errors
    /// As [`Eraser::round`].
    pub async fn part(&self, erasure: &AtWork, part: Part) -> Result<(), Abort> {
        match part {
            Part::Keys => self.keys(erasure).await,
            Part::Rows => self.rows(erasure).await,
            Part::Said => self.say(erasure).await,
        }
    }

    async fn keys(&self, erasure: &AtWork) -> Result<(), Abort> {
        let mut reader = self.core.db.read().await?;
        let keys = erasures::keys(reader.conn(), erasure.patient_id).await?;
        drop(reader);
        Ok(self.core.erasures.destroy(erasure.id, &keys).await?)
    }

    async fn rows(&self, erasure: &AtWork) -> Result<(), Abort> {
        let mut tx = self.core.db.begin().await?;
        // As whoever accepts an invite does: first the patient, then the login.
        patients::lock(&mut tx, &[erasure.patient_id]).await?;
        patients::unregistered(&mut tx, erasure.patient_id).await?;
        for login in accounts::leave(&mut tx, erasure.patient_id).await? {
            sessions::end_all(&mut tx, login).await?;
        }
        consume::drop_parked_about(&mut tx, erasure.patient_id).await?;
        Ok(tx.commit().await?)
    }

    async fn say(&self, erasure: &AtWork) -> Result<(), Abort> {
        // A stored clinic id was parsed before it was stored.
        let account = AccountId::parse(&erasure.account_id).map_err(|_| Abort::Conflict)?;
        let mut tx = self.core.db.begin().await?;
        if !erasures::close(&mut tx, erasure).await? {
            return Ok(()); // another copy of the service was quicker
        }
        let completed = ErasureCompleted { erasure_id: erasure.id, patient_id: erasure.patient_id };
        let event = NewEvent {
            id: Uuid::new_v5(&erasure.cause, b"ErasureCompleted by invites"),
            stream: erasure.id,
            version: erasures::version(tx.conn(), erasure.id).await? + 1,
            account,
            key: None,
            occurred_at: self.core.clock.now(),
            meta: Meta { actor: "system".to_owned(), causation: Some(erasure.cause), ..Meta::default() },
            event: Event::ErasureCompleted(completed),
        };
        self.core.log.append(&mut tx, &[event]).await?;
        tx.commit().await?;
        self.core.log.nudge();
        Ok(())
    }
}

/// After a restore: patients whose keys the file of erasures tells to be destroyed are forgotten again. Run before anything
/// is served.
///
/// # Errors
/// A database that is away.
pub async fn forget_again(core: &Core, hearer: &Hearer) -> Result<(), StartError> {
    let mut place = 0;
    loop {
        let (last, told) = core.erasures.told_after(place).await?;
        if last == place {
            return Ok(());
        }
        place = last;
        let erasures: HashMap<Uuid, Uuid> = told.into_iter().collect();
        let keys: Vec<Uuid> = erasures.keys().copied().collect();
        let mut reader = core.db.read().await?;
        let back = self::erasures::with_keys(reader.conn(), &keys).await?;
        drop(reader);
        for (key, patient, account) in back {
            // A stored clinic id was parsed before it was stored.
            let (Ok(account), Some(erasure)) = (AccountId::parse(&account), erasures.get(&key)) else {
                continue;
            };
            hearer.forget(core, patient, &account, *erasure).await?;
            tracing::warn!(%patient, "a restored database brought an erased patient back; forgotten again");
        }
    }
}
