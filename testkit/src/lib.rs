//! What the tests of several crates share.
//!
//! * [`databases`]: databases of a test's own, on either side of the door.

pub mod databases;
