//! The event log: what happened, in the order of each stream, and one global order for the relay.
//!
//! The table is the outbox: an event is there once its transaction committed, and it is relayed
//! because it is there. Personal fields are sealed per person before they reach the table.

mod append;
mod load;
mod number;
mod window;

pub use append::NewEvent;
pub use load::{Recorded, Stream};
pub use window::{Unsent, open_from_bus};

use crate::audit::Asked;
use crate::clock::Clock;
use crate::db::Db;
use crate::execute;
use crate::keys::{DataKeys, KeysError};
use serde::{Deserialize, Serialize};
use shared_events::DecodeError;
use std::sync::Arc;
use tokio::sync::Notify;
use uuid::Uuid;

/// The largest event, in bytes of its data and sealed block: larger ones are refused when they are
/// appended, so that none can block the relay for ever.
pub const LARGEST_EVENT: usize = 256 * 1024;

/// One service's event log. Cheap to clone.
#[derive(Clone)]
pub struct Log {
    pub(crate) source: &'static str,
    pub(crate) keys: DataKeys,
    pub(crate) clock: Clock,
    appended: Arc<Notify>,
}

/// Who and what caused an event. Kept beside it and sent with it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// `staff:ID`, `patient` or `system`.
    pub actor: String,
    /// What all that follows from one request has in common.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation: Option<Uuid>,
    /// The event or command that caused it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub causation: Option<Uuid>,
    /// W3C trace context.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// The request that asks for it at this moment; for the audit, and neither kept nor sent.
    #[serde(skip)]
    pub asked: Option<Asked>,
}

/// Why the log could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// A stream moved on, or an event id is taken: decide again from the new state.
    #[error("the stream has moved on since it was read")]
    Conflict,
    /// The database.
    #[error(transparent)]
    Db(#[from] sqlx::Error),
    /// The keys.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// An event larger than [`LARGEST_EVENT`].
    #[error("an event of {0} bytes is larger than the log takes")]
    TooLarge(usize),
    /// A stored event that this program cannot read.
    #[error("event {id}: {cause}")]
    Unreadable {
        /// Which.
        id: Uuid,
        /// Why.
        cause: DecodeError,
    },
    /// A stored block that does not open with the key it names.
    #[error("event {0} does not open with its key: it was changed, or the key was")]
    Unopened(Uuid),
}

impl Log {
    /// The log of the service `source` (`patients`, `invites`).
    pub fn new(source: &'static str, keys: DataKeys, clock: Clock) -> Log {
        Log { source, keys, clock, appended: Arc::default() }
    }

    /// Who speaks.
    pub fn source(&self) -> &'static str {
        self.source
    }

    /// The keys that seal its events.
    pub fn keys(&self) -> &DataKeys {
        &self.keys
    }

    /// Tells the relay, in this process, that something was committed. Only a hint: the relay also looks
    /// by itself.
    pub fn nudge(&self) {
        self.appended.notify_one();
    }

    /// Waits for the next nudge.
    pub async fn nudged(&self) {
        self.appended.notified().await;
    }

    /// Gives a fresh database its log id. Run at every start; the first one wins.
    pub async fn found(&self, db: &Db) -> sqlx::Result<()> {
        let mut tx = db.begin().await?;
        let id = self.clock.new_id();
        execute!(
            tx.conn(),
            "insert into relay (one, log_id, next_seq, published, epoch, owner, lease_until)
             values (true, $1, 1, 0, 0, '', 0) on conflict do nothing",
            id
        )?;
        tx.commit().await
    }
}
