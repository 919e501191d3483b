//! Where a process writes what it does: standard error, a line an event; JSON where asked.

use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// What is written where `PF_LOG` says nothing. lapin prints returned messages whole at `WARN`.
const USUAL: &str = "info,sqlx=warn,lapin=error,lapin::returned_messages=error";

/// Begins to write. `PF_LOG` filters (`debug`, `patients_service=trace,info`), `PF_LOG_FORMAT=json` is
/// for machines.
pub fn start() {
    let filter = EnvFilter::try_from_env("PF_LOG").unwrap_or_else(|_| EnvFilter::new(USUAL));
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false);
    if std::env::var("PF_LOG_FORMAT").is_ok_and(|format| format == "json") {
        lines.json().init();
    } else {
        lines.compact().init();
    }
}
