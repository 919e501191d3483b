//! What is remembered: rows beside the log, written in the transaction of their events.

pub mod claims;
pub mod clinics;
pub mod erasures;
pub mod imports;
pub mod invites;
pub mod list;
pub mod patients;
pub mod working;
