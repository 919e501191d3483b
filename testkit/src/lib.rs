//! What the tests of several crates share.
//!
//! * [`api`]: proofs about an API, made from its own description.
//! * [`databases`]: databases of a test's own, on either side of the door.
//! * [`buses`]: a bus of a test's own, on either side of the door.
//! * [`core`]: a log and its keys on such databases, and events to put in it.

pub mod api;
pub mod buses;
pub mod core;
pub mod databases;
