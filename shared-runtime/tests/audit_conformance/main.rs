//! The audit, on both databases: rows are chained once and in order, and whoever changes one is found out.

mod chaining;
mod stage;
mod tampering;
