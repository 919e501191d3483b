//! How it is kept and carried: what every service shares between its domain and the outside.
//!
//! * [`core`]: what every service is built on.
//! * [`clock`]: time and identities.
//! * [`db`]: the database door, PostgreSQL or SQLite.
//! * [`keys`]: sealing of personal data; keys that live outside the database.
//! * [`log`]: the event log, which is also the outbox.
//! * [`audit`]: who read or changed what, in a chain of hashes.
//! * [`group`]: waiting commands, committed in one transaction.
//! * [`secrets`]: the directory of keys.
//! * [`limits`]: how often something may be done.
//! * [`idempotency`]: what a repeated command is answered.
//! * [`bus`]: the bus door, RabbitMQ or embedded.
//! * [`relay`]: log to bus.
//! * [`consume`]: bus to handlers.
//! * [`retry`], [`supervise`]: waiting and staying alive.

pub mod audit;
pub mod bus;
pub mod clock;
pub mod consume;
pub mod core;
pub mod db;
pub mod group;
pub mod idempotency;
pub mod keys;
pub mod limits;
pub mod log;
pub mod relay;
pub mod retry;
pub mod secrets;
pub mod supervise;

pub use clock::Clock;
pub use db::{Conn, Db, Reader, Tx};
