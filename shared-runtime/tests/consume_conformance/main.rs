//! What a consumer promises, over both buses and both databases: duplicates, disorder, rivals and
//! failures in the middle come to the same rows; nothing is acked before its effect is committed; what
//! cannot be handled is parked with its reason while its neighbours go on.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is how a failure is said")]

mod converging;
mod parking;
mod stage;
