//! What the group commit promises its callers, on both databases: waiting commands share a transaction,
//! one command's trouble is never another's, every caller gets its own answer and none before the
//! commit, and whatever becomes of a desk or a database, nobody is left waiting.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is how a failure is said")]

mod answering;
mod desk;
mod sharing;
mod trouble;
