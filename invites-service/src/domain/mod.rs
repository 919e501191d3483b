//! Is it allowed, and what then happened? Pure: no clock, no database, no HTTP.
//!
//! Everything that concerns one patient's invites is decided from one [`Book`]: the patient, the
//! clinic's settings, the invites concerned and the logins at the patient's address. [`reset`] decides about one
//! login.

pub mod account;
pub mod book;
pub mod bulk;
pub mod decide;
pub mod fact;
pub mod fields;
pub mod invite;
pub mod password;
pub mod patient;
pub mod refusal;
pub mod reset;

#[cfg(test)]
mod tests;

pub use account::Login;
pub use book::{Book, Reissue};
pub use decide::{Ask, IssueAsk, Said, decide};
pub use fact::{Fact, FactKind};
pub use fields::FieldError;
pub use invite::{Invite, Place, Stands};
pub use patient::Patient;
pub use refusal::Refusal;
