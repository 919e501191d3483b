//! `patient-first keys`.

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
}

/// Carries it out.
pub fn run(command: &Command) -> Result<()> {
    let Command::Init { secrets_dir } = command;
    make_keys(secrets_dir)?;
    eprintln!(
        "The keys are in {}. Keep them apart from the databases and their backups.",
        secrets_dir.display()
    );
    Ok(())
}
