//! `patient-first keys`.

mod ask;
mod rebuild;

use super::door::Where;
use crate::data_dir::make_keys;
use anyhow::Result;
use std::path::PathBuf;

/// What is done with keys.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Make every key that is missing in a secrets directory, for the separate services.
    Init {
        /// The directory.
        #[arg(long)]
        secrets_dir: PathBuf,
    },
    /// Show every key: its id, since when it seals, and how many things still need it. Never the key itself.
    List(Where),
    /// Add a key. It opens at once, and seals once every copy of the services had time to learn of it.
    Rotate {
        /// Which.
        which: Which,
        /// Only this service's; else of every service that is asked.
        #[arg(long)]
        service: Option<String>,
        /// After how many seconds it seals.
        #[arg(long, default_value_t = 60)]
        after_seconds: u32,
        #[command(flatten)]
        at: Where,
    },
    /// Remove a key that nothing needs any more.
    Retire {
        /// Which.
        which: Which,
        /// The key's id.
        id: String,
        /// Only this service's.
        #[arg(long)]
        service: Option<String>,
        /// Even where something still needs it, which is lost then.
        #[arg(long)]
        force: bool,
        #[command(flatten)]
        at: Where,
    },
    /// For a key of links that leaked: give every open invite of it a new link, then retire it. May be broken off and
    /// begun again.
    Reissue {
        /// The key that leaked; without it, the one that makes links now.
        #[arg(long)]
        key: Option<String>,
        #[command(flatten)]
        at: Where,
    },
    /// Write a lost file of erasures anew, from a key database that never was restored from a backup.
    RebuildErasures(rebuild::Flags),
}

/// A kind of keys.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub enum Which {
    /// Wrap persons' keys.
    Wrapping,
    /// Seal personal fields on the bus.
    Bus,
    /// Make links.
    Tokens,
    /// Tell repeated requests and cursors; seal from the next start of each service on.
    Http,
}

impl Which {
    fn as_str(self) -> &'static str {
        match self {
            Which::Wrapping => "wrapping",
            Which::Bus => "bus",
            Which::Tokens => "tokens",
            Which::Http => "http",
        }
    }
}

/// Carries it out.
pub async fn run(command: Command) -> Result<()> {
    match command {
        Command::Init { secrets_dir } => {
            make_keys(&secrets_dir)?;
            eprintln!(
                "The keys are in {}. Keep them apart from the databases and their backups.",
                secrets_dir.display()
            );
            Ok(())
        }
        Command::List(at) => ask::list(&at).await,
        Command::Rotate { which, service, after_seconds, at } => {
            ask::rotate(&at, which.as_str(), service, after_seconds).await
        }
        Command::Retire { which, id, service, force, at } => {
            ask::retire(&at, which.as_str(), id, service, force).await
        }
        Command::Reissue { key, at } => ask::reissue(&at, key).await,
        Command::RebuildErasures(flags) => rebuild::run(flags).await,
    }
}
