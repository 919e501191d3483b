//! `patient-first`: see the library of the same name.

use all_in_one::commands::{self, Command};
use clap::Parser;
use std::process::ExitCode;

/// Patient records first, then invitations to register.
#[derive(Parser)]
#[command(name = "patient-first", version)]
struct Flags {
    #[command(subcommand)]
    command: Command,
}

fn main() -> ExitCode {
    let flags = Flags::parse();
    let ended = tokio::runtime::Runtime::new().map_err(anyhow::Error::from).and_then(|runtime| {
        let ended = runtime.block_on(commands::run(flags.command));
        // Whoever stopped a command must not wait for a read of standard input, which nobody can break off.
        runtime.shutdown_background();
        ended
    });
    ended.unwrap_or_else(|error| shared_host::ended("patient-first", Err(error)))
}
