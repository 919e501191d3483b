//! The one table of exchanges and queues. Every process declares all of it, publishers included.
//!
//! The log binds `#`, so RabbitMQ finds a home for every message and `mandatory` alone would never
//! notice that a service's queue is missing. What guards the queues is that nobody publishes on a
//! connection that has not declared them first.
//!
//! Redeclaring a queue with other arguments is refused by RabbitMQ, so a change of arguments is a new
//! name (`.v2`), with the old queue drained before it is deleted.

use super::{BusError, topic};
use std::time::Duration;

/// What patients-service hears.
pub const PATIENTS: &str = "pf.patients.v1";
/// What invites-service hears.
pub const INVITES: &str = "pf.invites.v1";
/// Where messages lie that were refused or failed too often.
pub const PARKING: &str = "pf.parking.v1";
/// Everything, for analytics. Read by offset, never subscribed to.
pub const LOG: &str = "pf.log.v1";

/// Deliveries of one message that may fail before it is parked. Each restart of a consumer with
/// messages in hand counts as one for all of them, so this is well above what a handler needs.
const DELIVERY_LIMIT: u32 = 20;
/// RabbitMQ 4 gives a queue without a limit one of 20, and drops what exceeds it where there is no
/// further dead-letter exchange. `-1` means "never" there and "at once" on 3.10: a large number it is.
const PARKING_LIMIT: u32 = 1_000_000;
const LOG_AGE: Duration = Duration::from_secs(7 * 24 * 3600);
const LOG_BYTES: u64 = 5_000_000_000;

/// The two exchanges, both durable and of type topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exchange {
    /// `pf.events`.
    Events,
    /// `pf.dead`.
    Dead,
}

impl Exchange {
    /// Both, the one for dead letters first: queues name it.
    pub const ALL: [Exchange; 2] = [Exchange::Dead, Exchange::Events];

    /// Its name without a prefix.
    pub fn name(self) -> &'static str {
        match self {
            Exchange::Events => "pf.events",
            Exchange::Dead => "pf.dead",
        }
    }
}

/// How a queue keeps messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keeps {
    /// Until acked; what is refused or fails too often goes to [`Exchange::Dead`].
    UntilAcked {
        /// How often a message may come back before it is dead.
        delivery_limit: u32,
    },
    /// Until acked; what is refused is gone. The parking queue, and no other.
    Parked {
        /// How often a message may come back before it is gone.
        delivery_limit: u32,
    },
    /// For a time, for whoever reads by offset.
    AsLog {
        /// How long.
        max_age: Duration,
        /// And at most how much.
        max_bytes: u64,
    },
}

/// One queue and what it is bound to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queue {
    /// Its name without a prefix.
    pub name: String,
    /// Where its messages come from.
    pub exchange: Exchange,
    /// Topic patterns; one that matches is enough.
    pub bindings: Vec<String>,
    /// How it keeps messages.
    pub keeps: Keeps,
}

impl Queue {
    /// A queue of a service: dead-letters, with the usual delivery limit.
    pub fn of_service(name: &str, bindings: &[&str]) -> Queue {
        let keeps = Keeps::UntilAcked { delivery_limit: DELIVERY_LIMIT };
        Queue::new(name, Exchange::Events, bindings, keeps)
    }

    fn new(name: &str, exchange: Exchange, bindings: &[&str], keeps: Keeps) -> Queue {
        let bindings = bindings.iter().map(|pattern| (*pattern).to_owned()).collect();
        Queue { name: name.to_owned(), exchange, bindings, keeps }
    }

    /// Whether a message with this key, sent to this exchange, belongs here.
    pub(crate) fn wants(&self, exchange: Exchange, routing_key: &str) -> bool {
        self.exchange == exchange && self.bindings.iter().any(|pattern| topic::matches(pattern, routing_key))
    }

    /// How often a message may come back; `None` for a log.
    pub(crate) fn delivery_limit(&self) -> Option<u32> {
        match self.keeps {
            Keeps::UntilAcked { delivery_limit } | Keeps::Parked { delivery_limit } => Some(delivery_limit),
            Keeps::AsLog { .. } => None,
        }
    }
}

/// Exchanges, queues and bindings of one installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topology {
    prefix: String,
    /// In the order of declaration: the parking queue first, so that no message dies homeless.
    pub queues: Vec<Queue>,
}

impl Topology {
    /// What the services run on.
    pub fn standard() -> Topology {
        Topology::prefixed("")
    }

    /// The same under other names, so that many tests can share a broker. Callers go on using the
    /// plain names; the prefix is put on where names meet the wire.
    pub fn prefixed(prefix: &str) -> Topology {
        let parked = Keeps::Parked { delivery_limit: PARKING_LIMIT };
        let as_log = Keeps::AsLog { max_age: LOG_AGE, max_bytes: LOG_BYTES };
        Topology {
            prefix: prefix.to_owned(),
            queues: vec![
                Queue::new(PARKING, Exchange::Dead, &["#"], parked),
                // An erasure is done when the mailer, too, has said that it purged its copies.
                Queue::of_service(PATIENTS, &["invites.#", "mailer.erasure.#"]),
                Queue::of_service(INVITES, &["patients.#", "mailer.delivery.#"]),
                Queue::new(LOG, Exchange::Events, &["#"], as_log),
            ],
        }
    }

    /// The same without one queue.
    pub fn without(mut self, name: &str) -> Topology {
        self.queues.retain(|queue| queue.name != name);
        self
    }

    /// The same with one more queue, or with another in the place of its namesake.
    pub fn with(self, queue: Queue) -> Topology {
        let mut changed = self.without(&queue.name);
        changed.queues.push(queue);
        changed
    }

    /// A name as it stands on the broker.
    pub fn full_name(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// A name as it stands in this table, from one that stands on the broker.
    pub(crate) fn plain_name<'a>(&self, full: &'a str) -> &'a str {
        full.strip_prefix(self.prefix.as_str()).unwrap_or(full)
    }

    /// The queue of that (plain) name.
    pub fn queue(&self, name: &str) -> Option<&Queue> {
        self.queues.iter().find(|queue| queue.name == name)
    }

    /// The place in the table of a queue that can be consumed.
    pub(crate) fn place(&self, name: &str) -> Result<usize, BusError> {
        let place = self.queues.iter().position(|queue| queue.name == name);
        let place = place.ok_or_else(|| BusError::Topology(format!("no queue {name} is in the table")))?;
        if self.queues[place].delivery_limit().is_none() {
            return Err(BusError::Topology(format!("{name} is a log: read it by offset")));
        }
        Ok(place)
    }

    /// How long the log keeps messages, where there is a log.
    pub(crate) fn log_age(&self) -> Option<Duration> {
        self.queues.iter().find_map(|queue| match queue.keeps {
            Keeps::AsLog { max_age, .. } => Some(max_age),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared_events::CATALOGUE;

    #[test]
    fn every_event_of_another_service_reaches_the_one_that_lives_on_it() {
        let topology = Topology::standard();
        let wants = |queue: &str, key: &str| {
            topology.queue(queue).is_some_and(|queue| queue.wants(Exchange::Events, key))
        };
        for kind in CATALOGUE {
            for source in kind.sources {
                let key = kind.routing_key(source);
                assert!(wants(LOG, &key), "{key} is not logged");
                let mailer = |aggregate| source.contains("mailer") && kind.aggregate == aggregate;
                let patients = source.contains("invites") || mailer("erasure");
                assert_eq!(wants(PATIENTS, &key), patients, "{key} at patients");
                let invites = source.contains("patients") || mailer("delivery");
                assert_eq!(wants(INVITES, &key), invites, "{key} at invites");
            }
        }
    }

    #[test]
    fn the_parking_queue_comes_first() {
        assert_eq!(Topology::standard().queues[0].name, PARKING);
    }
}
