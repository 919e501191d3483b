//! `patient-first token`.

use crate::data_dir::{DataDir, make_keys, token};
use anyhow::{Context, Result};
use clap::ValueEnum;
use shared_events::AccountId;
use shared_http::Role;
use std::path::PathBuf;

/// For whom.
#[derive(Debug, clap::Args)]
pub struct Flags {
    /// The data directory whose key signs it.
    #[arg(long, default_value = "./data", conflicts_with = "secrets_dir")]
    data_dir: PathBuf,
    /// The secrets directory whose key signs it, for the separate services.
    #[arg(long)]
    secrets_dir: Option<PathBuf>,
    /// The clinic.
    #[arg(long, default_value = "demo")]
    account: String,
    /// What its bearer may do.
    #[arg(long, default_value = "admin")]
    role: RoleName,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum RoleName {
    Viewer,
    Staff,
    Admin,
}

/// Prints one token on standard output, and nothing else.
pub fn run(flags: &Flags) -> Result<()> {
    let secrets = match &flags.secrets_dir {
        Some(dir) => dir.clone(),
        None => DataDir::open(&flags.data_dir)?.secrets_dir(),
    };
    if flags.secrets_dir.is_none() {
        make_keys(&secrets)?;
    }
    let account = AccountId::parse(&flags.account).context("--account")?;
    let role = match flags.role {
        RoleName::Viewer => Role::Viewer,
        RoleName::Staff => Role::Staff,
        RoleName::Admin => Role::Admin,
    };
    println!("{}", token(&secrets, &account, role)?);
    Ok(())
}
