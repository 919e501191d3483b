//! How it is kept and carried: what every service stands on, and no service repeats.
//!
//! * [`bus`]: carries events between services; RabbitMQ, or a file in this process.
//! * [`retry`]: how long to wait before the next attempt.

pub mod bus;
pub mod retry;
