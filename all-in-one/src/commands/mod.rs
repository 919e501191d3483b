//! What can be typed.

mod import;
mod keys;
mod serve;
mod token;

use anyhow::Result;

/// A command.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Serve everything from one directory: both services, no other server needed.
    Serve(serve::Flags),
    /// Print a token for the API, and nothing else.
    Token(token::Flags),
    /// Import patients from a CSV file.
    Import(import::Flags),
    /// The key files of a secrets directory.
    #[command(subcommand)]
    Keys(keys::Command),
}

/// Carries a command out.
pub async fn run(command: Command) -> Result<()> {
    match command {
        Command::Serve(flags) => serve::run(flags).await,
        Command::Token(flags) => token::run(&flags),
        Command::Import(flags) => import::run(flags).await,
        Command::Keys(command) => keys::run(&command),
    }
}
