//! The relay: says aloud, in order, what the log holds.
//!
//! One relay works at a time, by a lease with an epoch. Each step numbers what was committed, reads
//! the next window above the cursor, publishes it, waits for every confirm, and moves the cursor over
//! the part from the front that was confirmed without a gap. Killed at any point, it sends a few
//! events again: consumers do not mind, see [`crate::consume`].

mod lease;
mod status;

pub use status::RelayStatus;

use crate::bus::{Bus, BusError, Message, Publisher};
use crate::db::Db;
use crate::fetch_one;
use crate::keys::Keyring;
use crate::log::{Log, LogError, Unsent};
use lease::Lease;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// How many events are published before their confirms are awaited.
const WINDOW: i64 = 1000;
/// How long a window's confirms may take: a broker that blocks publishers does so in silence.
const CONFIRM_WITHIN: Duration = Duration::from_secs(10);
/// How often the relay looks for events of another process, and a standby for a free lease.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// One service's relay.
#[derive(Clone)]
pub struct Relay {
    /// Where the log is.
    pub db: Db,
    /// The log.
    pub log: Log,
    /// Where it is said.
    pub bus: Bus,
    /// What personal fields are sealed with on the way.
    pub bus_keys: Keyring,
}

/// Why the relay gave up its turn.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// The bus.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// The log or its keys.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The database.
    #[error(transparent)]
    Db(#[from] sqlx::Error),
    /// Another relay has the lease.
    #[error("another relay has taken over")]
    Deposed,
}

/// What one step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stepped {
    /// There was nothing to send.
    Idle,
    /// So many events were sent and confirmed.
    Sent(usize),
}

impl Relay {
    /// Relays until `stop`; on any error it lets go of the lease's work and reports.
    pub async fn run(&self, stop: &CancellationToken) -> Result<(), RelayError> {
        while !stop.is_cancelled() {
            match Lease::acquire(&self.db, self.log.clock.new_id()).await? {
                Some(lease) => {
                    let outcome = tokio::select! {
                        () = stop.cancelled() => Ok(()),
                        outcome = self.work(&lease) => outcome,
                        // Whoever cannot renew must stop at once, wherever it is.
                        outcome = lease.keep(&self.db) => outcome,
                    };
                    // Let a standby begin now instead of when the lease runs out.
                    lease.release(&self.db).await.ok();
                    outcome?;
                }
                None => {
                    tokio::select! {
                        () = stop.cancelled() => {}
                        () = tokio::time::sleep(LOOK_EVERY * 5) => {}
                    }
                }
            }
        }
        Ok(())
    }

    async fn work(&self, lease: &Lease) -> Result<(), RelayError> {
        let mut publisher = self.bus.publisher().await?;
        let mut cursor = self.cursor().await?;
        loop {
            if self.step(lease.epoch, &mut cursor, &mut publisher).await? == Stepped::Idle {
                tokio::select! {
                    () = self.log.nudged() => {}
                    () = tokio::time::sleep(LOOK_EVERY) => {}
                }
            }
        }
    }

    /// One step: number, read, publish, move the cursor.
    async fn step(
        &self,
        epoch: i64,
        cursor: &mut Cursor,
        publisher: &mut Publisher,
    ) -> Result<Stepped, RelayError> {
        self.number(epoch).await?;
        let mut reader = self.db.read().await?;
        let window =
            self.log.window(reader.conn(), cursor.log_id, &self.bus_keys, cursor.published, WINDOW).await?;
        drop(reader);
        if window.is_empty() {
            return Ok(Stepped::Idle);
        }
        let published = publisher.publish(&messages(&window), CONFIRM_WITHIN).await;
        if let Some(last) = published.confirmed.checked_sub(1).and_then(|last| window.get(last)) {
            lease::move_cursor(&self.db, epoch, last.sequence).await?;
            cursor.published = last.sequence;
        }
        match published.failure {
            None => Ok(Stepped::Sent(published.confirmed)),
            Some(failure) => Err(failure.into()),
        }
    }

    async fn number(&self, epoch: i64) -> Result<(), RelayError> {
        if matches!(self.db, Db::Sqlite { .. }) {
            return Ok(()); // numbered as they were appended
        }
        let mut tx = self.db.begin().await?;
        self.log.number(&mut tx, epoch).await?.ok_or(RelayError::Deposed)?;
        Ok(tx.commit().await?)
    }

    async fn cursor(&self) -> sqlx::Result<Cursor> {
        let mut reader = self.db.read().await?;
        fetch_one!(reader.conn(), Cursor, "select log_id, published from relay")
    }
}

#[derive(Debug, sqlx::FromRow)]
struct Cursor {
    log_id: Uuid,
    published: i64,
}

fn messages(window: &[Unsent]) -> Vec<Message> {
    window
        .iter()
        .map(|unsent| Message {
            id: unsent.envelope.id,
            routing_key: unsent.routing_key.clone(),
            body: serde_json::to_vec(&unsent.envelope).unwrap_or_default(),
            traceparent: unsent.envelope.traceparent.clone(),
        })
        .collect()
}
