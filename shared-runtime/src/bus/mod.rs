//! The bus: RabbitMQ, or an embedded one that promises no less. Chosen by one URL.
//!
//! | URL | side |
//! |---|---|
//! | `amqp://…`, `amqps://…` | RabbitMQ |
//! | `embedded:PATH` | a SQLite file of its own, in this process |
//!
//! Both carry the same bytes, keep what they confirmed through a kill, deliver at least once, and
//! pass one conformance suite (`tests/bus_conformance.rs`).

pub mod topology;
mod embedded;
mod rabbit;

pub use topology::{Queue, Topology};

use std::time::Duration;
use uuid::Uuid;

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

/// Why the bus did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// The connection is gone, or could not be made. Everything made from it must be dropped.
    #[error("the bus cannot be reached: {0}")]
    Away(String),
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
