//! Is it allowed, and what then happened? Pure: no clock, no database, no HTTP.

pub mod clinic;
pub mod erasure;
pub mod fields;
pub mod patient;
pub mod refusal;

pub use fields::{Draft, FieldError, Patch, RawDraft};
pub use patient::{Ask, Known, Patient};
pub use refusal::Refusal;

#[cfg(test)]
mod tests;
