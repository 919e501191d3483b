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

#[tokio::main]
async fn main() -> ExitCode {
    match commands::run(Flags::parse().command).await {
        Ok(code) => code,
        Err(error) => shared_host::ended("patient-first", Err(error)),
    }
}
