//! `patient-first keys rebuild-erasures`.

use crate::server::existing;
use anyhow::{Context, Result, bail};
use shared_runtime::Db;
use shared_runtime::clock::Clock;
use shared_runtime::keys::{DataKeys, ErasureFile, Erasures, Keyring};
use std::path::PathBuf;

/// Which file, from which database.
#[derive(Debug, clap::Args)]
pub struct Flags {
    /// The data directory, while no server runs on it.
    #[arg(long, default_value = "./data", conflicts_with = "keys_url")]
    data_dir: PathBuf,
    /// The key database of a separate service.
    #[arg(long, env = "PF_KEYS_URL", hide_env_values = true, requires_all = ["service", "erasures"])]
    keys_url: Option<String>,
    /// Whose it is: patients or invites.
    #[arg(long)]
    service: Option<String>,
    /// The file that is written.
    #[arg(long, env = "PF_ERASURES")]
    erasures: Option<PathBuf>,
}

/// Writes what is missing in the file.
pub async fn run(flags: Flags) -> Result<()> {
    let services = [patients_service::service::NAME, invites_service::service::NAME];
    if let (Some(url), Some(name), Some(file)) = (&flags.keys_url, &flags.service, &flags.erasures) {
        let Some(service) = services.into_iter().find(|service| service == name) else {
            bail!("--service is patients or invites, not {name}");
        };
        return rebuild(service, url, ErasureFile::at(file)).await;
    }
    let dir = existing(&flags.data_dir)?;
    let file = flags.erasures.unwrap_or_else(|| dir.secrets_dir().join("erasures.log"));
    for service in services {
        rebuild(service, &dir.sqlite(&format!("{service}-keys.db")), ErasureFile::at(&file)).await?;
    }
    Ok(())
}

async fn rebuild(service: &'static str, url: &str, file: ErasureFile) -> Result<()> {
    let db = Db::open(url, 2, migrations::KEYS).await.context("cannot open the key database")?;
    let path = file.path().display().to_string();
    // No key is opened for it, so no wrapping key is needed.
    let keys = DataKeys::new(db.clone(), Keyring::generate("none"), Clock::System);
    let written = Erasures::new(service, keys, file).rebuild().await;
    db.close().await;
    println!("{service}: {} lines added to {path}", written?);
    Ok(())
}
