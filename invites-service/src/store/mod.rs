//! What is remembered: rows beside the log, written in the transaction of their events.

pub mod accounts;
pub mod bulk;
pub mod bulk_patients;
pub mod clinics;
pub mod deliveries;
pub mod erasures;
pub mod invites;
pub mod links;
pub mod list;
pub mod patients;
pub mod reissues;
pub mod sessions;
pub mod working;
