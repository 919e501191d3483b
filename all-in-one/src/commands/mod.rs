//! What can be typed.

mod audit;
mod door;
mod follow;
mod import;
mod imports;
mod invite;
mod invites;
mod keys;
mod progress;
mod purge;
mod serve;
mod services;
mod status;
mod target;
mod token;
mod words;

use anyhow::Result;
use std::process::ExitCode;

/// A command.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Serve everything from one directory: both services, no other server needed.
    Serve(serve::Flags),
    /// Print a token for the API, and nothing else.
    Token(token::Flags),
    /// Import patients from a CSV file.
    Import(Box<import::Flags>),
    /// What became of imports; retry, undo, save the result.
    #[command(subcommand)]
    Imports(imports::Command),
    /// Invite many patients at once.
    Invite(invite::Flags),
    /// What became of them; retry, cancel.
    #[command(subcommand)]
    Invites(invites::Command),
    /// Who read or changed what, and whether anybody changed that.
    #[command(subcommand)]
    Audit(audit::Command),
    /// Show how far the services are: events, what waits, what was parked.
    Status(status::Flags),
    /// Rewrite every database without what was deleted, after an erasure. Each table is locked for a while.
    Purge(purge::Flags),
    /// Keys: list, rotate, retire; new links after a leak.
    #[command(subcommand)]
    Keys(keys::Command),
}

/// Carries a command out; how the program ends where it did not fail.
pub async fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Serve(flags) => serve::run(flags).await?,
        Command::Token(flags) => token::run(&flags)?,
        Command::Keys(command) => keys::run(command).await?,
        Command::Purge(flags) => return purge::run(flags).await,
        Command::Import(flags) => return import::run(*flags).await,
        Command::Imports(command) => return imports::run(command).await,
        Command::Invite(flags) => return invite::run(flags).await,
        Command::Invites(command) => return invites::run(command).await,
        Command::Audit(command) => return audit::run(command).await,
        Command::Status(flags) => return status::run(flags).await,
    }
    Ok(ExitCode::SUCCESS)
}
