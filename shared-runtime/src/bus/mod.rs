//! The bus: RabbitMQ, or an embedded one that promises no less. Chosen by one URL.
//!
//! | URL | side |
//! |---|---|
//! | `amqp://…`, `amqps://…` | RabbitMQ |
//! | `embedded:PATH` | a SQLite file of its own, in this process |
//!
//! Both carry the same bytes, keep what they confirmed through a kill, deliver at least once, and
//! pass one conformance suite (`tests/bus_conformance/`).
//!
//! The way of a message: [`Bus::publisher`] → [`Publisher::publish`] → the queues of [`Topology`] →
//! [`Bus::subscribe`] → [`Subscription::next`] → work, committed → [`Subscription::ack`].
//!
//! Nothing here reconnects by itself. On any error the caller drops the publisher or subscription,
//! waits ([`crate::retry`]) and makes a new one; start-up is the same path. A message may arrive twice
//! and out of order; it is not lost.
//!
//! Bodies are never logged here. lapin, however, prints a returned message whole at `WARN`: keep
//! `lapin::returned_messages` at `error` in the log filter.

mod embedded;
mod handles;
mod rabbit;
mod topic;
pub mod topology;

pub use handles::{Publisher, Subscription};
pub use topology::{Queue, Topology};

use std::path::Path;
use std::time::Duration;
use uuid::Uuid;

/// The bus, opened. Cheap to clone; clones share what lies beneath.
#[derive(Debug, Clone)]
pub enum Bus {
    /// A broker of its own.
    RabbitMq(rabbit::Rabbit),
    /// A file in this process.
    Embedded(embedded::Embedded),
}

impl Bus {
    /// Reads the URL. An embedded bus is opened, and its file made where there is none; its folder must
    /// exist. RabbitMQ is not yet connected to, since a broker's outage must not keep a service from
    /// starting; `?heartbeat=SECONDS` in its URL is heeded, and 15 otherwise.
    ///
    /// # Errors
    /// [`BusError::Away`] for a URL or file that cannot be used, [`BusError::Topology`] where the file
    /// was made for other queues. The URL is not repeated in the words: it may hold a password.
    pub async fn open(url: &str, topology: Topology) -> Result<Bus, BusError> {
        if let Some(path) = url.strip_prefix("embedded:") {
            return Ok(Bus::Embedded(embedded::Embedded::open(Path::new(path), topology).await?));
        }
        Ok(Bus::RabbitMq(rabbit::Rabbit::open(url, topology)?))
    }

    /// A publisher. On RabbitMQ a connection of its own, the topology declared, confirms switched on.
    ///
    /// # Errors
    /// [`BusError::Away`] or [`BusError::Late`] where the broker cannot be reached or holds publishers
    /// back, [`BusError::Topology`] where its queues differ from the table.
    pub async fn publisher(&self) -> Result<Publisher, BusError> {
        Ok(match self {
            Bus::RabbitMq(rabbit) => Publisher::RabbitMq(rabbit.publisher().await?),
            Bus::Embedded(embedded) => Publisher::Embedded(embedded.publisher()),
        })
    }

    /// Starts to consume a queue, named as in [`topology`]. At most `prefetch` deliveries are unacked
    /// at any time; 0 means no limit. On RabbitMQ a connection of its own, the topology declared.
    ///
    /// # Errors
    /// As [`Bus::publisher`]; also [`BusError::Topology`] for a queue that is not in the table, or is
    /// a log: a log is read by offset, and would close the connection upon the first refusal.
    pub async fn subscribe(&self, queue: &str, prefetch: u16) -> Result<Subscription, BusError> {
        Ok(match self {
            Bus::RabbitMq(rabbit) => {
                Subscription::RabbitMq(Box::new(rabbit.subscribe(queue, prefetch).await?))
            }
            Bus::Embedded(embedded) => Subscription::Embedded(embedded.subscribe(queue, prefetch)?),
        })
    }

    /// Asks the bus for a sign of life, for the readiness page. Cheap enough for every few seconds.
    ///
    /// # Errors
    /// [`BusError::Away`] or [`BusError::Late`].
    pub async fn ping(&self) -> Result<(), BusError> {
        match self {
            Bus::RabbitMq(rabbit) => rabbit.ping().await,
            Bus::Embedded(embedded) => embedded.ping().await,
        }
    }

    /// How many messages wait in a queue, not counting those in somebody's hands.
    ///
    /// # Errors
    /// As [`Bus::subscribe`].
    pub async fn depth(&self, queue: &str) -> Result<u64, BusError> {
        match self {
            Bus::RabbitMq(rabbit) => rabbit.depth(queue).await,
            Bus::Embedded(embedded) => embedded.depth(queue).await,
        }
    }

    /// Ends it. The embedded bus ends for all clones: publishers and subscriptions err from now on, and
    /// its file is closed when this returns. On RabbitMQ they have connections of their own, and go on
    /// until dropped.
    pub async fn close(self) {
        match self {
            Bus::RabbitMq(rabbit) => rabbit.close().await,
            Bus::Embedded(embedded) => embedded.close().await,
        }
    }

    /// Removes every exchange and queue of the topology from the broker, messages and all. For tests;
    /// an embedded bus is removed by deleting its file.
    ///
    /// # Errors
    /// [`BusError::Away`] or [`BusError::Late`].
    pub async fn delete_topology(&self) -> Result<(), BusError> {
        match self {
            Bus::RabbitMq(rabbit) => rabbit.delete_topology().await,
            Bus::Embedded(_) => Ok(()),
        }
    }
}

/// A message to be published: the bytes of an envelope, its id, and where it goes.
#[derive(Debug, Clone)]
pub struct Message {
    /// The event's id; the `message_id` on the wire.
    pub id: Uuid,
    /// `<service>.<aggregate>.<Event>.v<n>`.
    pub routing_key: String,
    /// The envelope as JSON.
    pub body: Vec<u8>,
    /// W3C trace context, also in the headers.
    pub traceparent: Option<String>,
}

/// What became of a window of messages.
#[derive(Debug)]
pub struct Published {
    /// How many from the front of the window the bus has taken for good.
    pub confirmed: usize,
    /// Why the rest was not, where there is a rest.
    pub failure: Option<BusError>,
}

/// A message in a subscriber's hands, to be acked or rejected there.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The event's id. None where somebody else wrote to the exchange without one.
    pub id: Option<Uuid>,
    /// The key it was published with, also in the parking queue.
    pub routing_key: String,
    /// The bytes that were published.
    pub body: Vec<u8>,
    /// Whether it was handed out before. False does not promise that its effects are new: a message
    /// may also have been published twice.
    pub redelivered: bool,
    /// In the parking queue: the queue in which it died, named as in [`topology`].
    pub died_in: Option<String>,
    tag: Tag,
}

/// Which delivery, and of which subscription: RabbitMQ counts tags per channel, so a tag kept over a
/// reconnect would ack a stranger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Tag {
    subscription: u64,
    number: u64,
}

/// Longest routing key that AMQP can carry, in bytes. Longer ones are refused on both sides.
const LONGEST_KEY: usize = 255;

/// Why the bus did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// The connection is gone, or could not be made. Everything made from it must be dropped.
    #[error("the bus cannot be reached: {0}")]
    Away(String),
    /// The file of an embedded bus belongs to another process.
    #[error("{0} is in use by another process; an embedded bus belongs to one alone")]
    InUse(String),
    /// No queue wanted the message.
    #[error("no queue is bound for {routing_key}: the topology is incomplete")]
    Returned {
        /// The key that led nowhere.
        routing_key: String,
    },
    /// The bus said no to a message.
    #[error("the bus refused message {id}: {reason}")]
    Refused {
        /// The message's id.
        id: Uuid,
        /// The bus's words.
        reason: String,
    },
    /// The bus did not answer in time.
    #[error("no confirm within {0:?}")]
    Late(Duration),
    /// An object exists with other arguments.
    #[error("the topology differs from what this program declares: {0}")]
    Topology(String),
}

impl BusError {
    /// A delivery that came from elsewhere was to be settled.
    fn stranger() -> BusError {
        BusError::Away("the delivery was not handed out by this subscription".to_owned())
    }
}
