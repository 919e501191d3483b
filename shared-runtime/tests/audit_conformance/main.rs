//! The audit, on both databases: rows are chained once and in order, and whoever changes one is found out.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is how a failure is said")]

mod chaining;
mod stage;
mod tampering;
