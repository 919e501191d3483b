//! What the services say to each other: every event, the envelope it travels in, and which of its
//! fields are personal.
//!
//! This is the only crate a consumer outside the house needs. It knows no database, no broker and no
//! clock.
//!
//! * [`catalogue`]: the one table of events. Schemas, documents and golden tests are made from it.
//! * [`clinic`], [`patient`], [`invite`], [`account`], [`delivery`], [`erasure`]: what each event carries.
//! * [`personal`]: the wrapper around fields that are sealed wherever they are kept or sent.
//! * [`envelope`]: CloudEvents 1.0, as it stands on the bus.
//! * [`values`]: the few value types both services must read alike.
//!
//! To add an event: write its payload beside its siblings, add one line to the table in
//! [`catalogue`], run the tests, and commit the golden file they ask for. A stored event is never
//! changed: a new shape is a new version with an upcaster (see `docs/adding-a-command.md`).

pub mod account;
pub mod catalogue;
pub mod clinic;
pub mod delivery;
pub mod envelope;
pub mod erasure;
pub mod invite;
pub mod patient;
pub mod personal;
mod upcast;
pub mod values;

pub use catalogue::{CATALOGUE, DecodeError, Event, Kind};
pub use envelope::Envelope;
pub use personal::Secret;
pub use values::{AccountId, Email};
