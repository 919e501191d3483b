//! What the relay promises, over both buses and both databases: what was committed arrives, in order,
//! and nothing else does; the cursor stands behind the last event of the confirmed front; one relay
//! works at a time, and one that was deposed without knowing it can neither number nor move the cursor.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is how a failure is said")]

mod lease;
mod sending;
mod stage;
