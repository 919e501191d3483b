//! How a service is started and stopped. Every binary is: read [`flags`], put the service together,
//! [`serve`] it.
//!
//! * [`audit`]: who read or changed what.
//! * [`flags`]: what a separate service is told, by flag or environment.
//! * [`health`]: what every service leans on.
//! * [`keys`]: its key files, for operators.
//! * [`logs`]: where it writes.
//! * [`purge`]: making deleted bytes unfindable.
//! * [`requests`]: where a request meets the log.
//! * [`serve`]: sockets, signals, draining.
//! * [`status`]: how far a service is, for operators; [`verification`]: whether its audit is whole.

pub mod audit;
pub mod flags;
pub mod health;
pub mod keys;
pub mod logs;
pub mod purge;
pub mod requests;
pub mod serve;
pub mod status;
pub mod verification;

use std::process::ExitCode;

/// How a program ends: in silence where all was well, else with one line that says what failed, and why.
pub fn ended(program: &str, outcome: anyhow::Result<()>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{program}: {error:#}");
            ExitCode::FAILURE
        }
    }
}

pub use flags::ServiceFlags;
pub use serve::{Hosted, serve, stop_on_signal};
