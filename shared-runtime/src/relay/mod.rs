//! The relay: says aloud, in order, what the log holds.
//!
//! One relay works at a time, by a lease with an epoch. Each step numbers what was committed, reads
//! the next window above the cursor, publishes it, waits for every confirm, and moves the cursor over
//! the part from the front that was confirmed without a gap. Killed at any point, it sends a few
//! events again: consumers do not mind, see [`crate::consume`].

mod lease;
mod status;

pub use lease::owner;
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

    /// Publishes window after window. While one is on its way, the next is numbered, read and sealed: the
    /// broker and the database then work at the same time. The cursor moves only over what was confirmed.
    async fn work(&self, lease: &Lease) -> Result<(), RelayError> {
        let mut publisher = self.bus.publisher().await?;
        let Cursor { log_id, published: mut after } = self.cursor().await?;
        let mut window = self.prepare(lease.epoch, log_id, after).await?;
        loop {
            let Some(last) = window.sequences.last() else {
                tokio::select! {
                    () = self.log.nudged() => {}
                    () = tokio::time::sleep(LOOK_EVERY) => {}
                }
                window = self.prepare(lease.epoch, log_id, after).await?;
                continue;
            };
            after = *last;
            let (sent, next) = tokio::join!(
                self.send(lease.epoch, &mut publisher, &window),
                self.prepare(lease.epoch, log_id, after)
            );
            sent?;
            window = next?;
        }
    }

    /// Numbers what was committed, and makes the messages of the next window above `after`.
    async fn prepare(&self, epoch: i64, log_id: Uuid, after: i64) -> Result<Window, RelayError> {
        self.number(epoch).await?;
        let mut reader = self.db.read().await?;
        let unsent = self.log.window(reader.conn(), log_id, &self.bus_keys, after, WINDOW).await?;
        let (sequences, messages) =
            unsent.into_iter().map(|unsent| (unsent.sequence, message(unsent))).unzip();
        Ok(Window { sequences, messages })
    }

    /// Publishes a window, and moves the cursor over the part from its front that was confirmed.
    async fn send(&self, epoch: i64, publisher: &mut Publisher, window: &Window) -> Result<(), RelayError> {
        let published = publisher.publish(&window.messages, CONFIRM_WITHIN).await;
        if let Some(last) = published.confirmed.checked_sub(1).and_then(|last| window.sequences.get(last)) {
            lease::move_cursor(&self.db, epoch, *last).await?;
        }
        published.failure.map_or(Ok(()), |failure| Err(failure.into()))
    }

    async fn number(&self, epoch: i64) -> Result<(), RelayError> {
        if matches!(self.db, Db::Sqlite { .. }) {
            return Ok(()); // numbered as they were appended
        }
        let mut reader = self.db.read().await?;
        let unnumbered = "select exists (select 1 from events where global_seq is null)";
        let (some,) = fetch_one!(reader.conn(), (bool,), unnumbered)?;
        drop(reader);
        if !some {
            return Ok(()); // an idle relay writes nothing
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

/// Events in their order, ready to be sent.
struct Window {
    sequences: Vec<i64>,
    messages: Vec<Message>,
}

fn message(unsent: Unsent) -> Message {
    Message {
        id: unsent.envelope.id,
        body: serde_json::to_vec(&unsent.envelope).unwrap_or_default(),
        routing_key: unsent.routing_key,
        traceparent: unsent.envelope.traceparent,
    }
}
