//! How a service is started and stopped. Every binary is: read [`flags`], put the service together,
//! [`serve`] it.
//!
//! * [`flags`]: what a separate service is told, by flag or environment.
//! * [`health`]: what every service leans on.
//! * [`logs`]: where it writes.
//! * [`serve`]: sockets, signals, draining.

pub mod flags;
pub mod health;
pub mod logs;
pub mod serve;

pub use flags::ServiceFlags;
pub use serve::{Hosted, serve, stop_on_signal};
