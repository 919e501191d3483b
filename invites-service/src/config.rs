//! What the binary is told, and how it turns that into the parts of the service.

use crate::service::{Parts, Secrets};
use anyhow::{Context, bail};
use clap::Parser;
use shared_http::{Algorithm, KeySource, Verifier, VerifierConfig};
use shared_runtime::Db;
use shared_runtime::bus::{Bus, Topology};
use shared_runtime::clock::Clock;
use shared_runtime::keys::Keyring;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How many connections to each database.
const CONNECTIONS: u32 = 10;

/// Invites a clinic makes to its patients, and the logins of those who took them up.
#[derive(Debug, Parser)]
#[command(name = "invites-service", version)]
pub struct Config {
    /// Where the API is served.
    #[arg(long, env = "PF_LISTEN", default_value = "127.0.0.1:8082")]
    pub listen: SocketAddr,
    /// Where /livez and /readyz are served; keep it off the public network.
    #[arg(long, env = "PF_ADMIN_LISTEN", default_value = "127.0.0.1:9082")]
    pub admin_listen: SocketAddr,
    /// The service's database: postgres://USER@HOST/NAME or sqlite:PATH.
    #[arg(long, env = "PF_DATABASE_URL", hide_env_values = true)]
    pub database_url: String,
    /// The database of persons' keys: another one, with short-lived backups.
    #[arg(long, env = "PF_KEYS_URL", hide_env_values = true)]
    pub keys_url: String,
    /// The bus: amqp://USER@HOST or embedded:PATH.
    #[arg(long, env = "PF_BUS_URL", hide_env_values = true)]
    pub bus_url: String,
    /// A folder with wrapping-invites.keys, bus.keys, tokens.keys and http.keys.
    #[arg(long, env = "PF_SECRETS_DIR")]
    pub secrets_dir: PathBuf,
    /// Where links lead, such as https://clinic.example.
    #[arg(long, env = "PF_PUBLIC_URL")]
    pub public_url: String,
    /// The key that staff's tokens are signed with: a file with a public key as PEM.
    #[arg(long, env = "PF_JWT_PUBLIC_KEY_FILE", conflicts_with = "jwks_url")]
    pub jwt_public_key_file: Option<PathBuf>,
    /// Or where the issuer publishes its keys.
    #[arg(long, env = "PF_JWKS_URL")]
    pub jwks_url: Option<String>,
    /// How staff's tokens are signed: eddsa, es256 or rs256.
    #[arg(long, env = "PF_JWT_ALGORITHM", default_value = "eddsa")]
    pub jwt_algorithm: String,
    /// Who issues staff's tokens.
    #[arg(long, env = "PF_ISSUER", default_value = "patient-first")]
    pub issuer: String,
    /// For whom they are issued.
    #[arg(long, env = "PF_AUDIENCE", default_value = "patient-first")]
    pub audience: String,
}

impl Config {
    /// Opens everything.
    ///
    /// # Errors
    /// What is wrong, and what to do about it.
    pub async fn parts(&self) -> anyhow::Result<Parts> {
        if !["http://", "https://"].iter().any(|scheme| self.public_url.starts_with(scheme)) {
            bail!("--public-url must begin with https:// (or http:// to try things out)");
        }
        let clock = Clock::System;
        let secrets = self.secrets()?;
        let verifier = self.verifier(&clock)?;
        let db = Db::open(&self.database_url, CONNECTIONS, migrations::INVITES)
            .await
            .context("--database-url cannot be used")?;
        let keys = Db::open(&self.keys_url, CONNECTIONS, migrations::KEYS)
            .await
            .context("--keys-url cannot be used")?;
        let bus = Bus::open(&self.bus_url, Topology::standard()).await.context("--bus-url cannot be used")?;
        Ok(Parts { db, keys, bus, clock, secrets, verifier, public_url: self.public_url.clone() })
    }

    fn secrets(&self) -> anyhow::Result<Secrets> {
        let load = |name: &str| {
            Keyring::load(&self.secrets_dir.join(name)).with_context(|| {
                format!(
                    "--secrets-dir must hold {name}: a line each of a name, a blank and 32 random bytes in base64, \
                     such as `echo \"k1 $(openssl rand -base64 32)\"`; bus.keys is the one patients-service has"
                )
            })
        };
        Ok(Secrets {
            wrapping: load("wrapping-invites.keys")?,
            bus: load("bus.keys")?,
            tokens: load("tokens.keys")?,
            http: *load("http.keys")?.current(),
        })
    }

    fn verifier(&self, clock: &Clock) -> anyhow::Result<Verifier> {
        let keys = match (&self.jwt_public_key_file, &self.jwks_url) {
            (Some(file), _) => KeySource::Pem(read(file)?),
            (None, Some(url)) => KeySource::Jwks(url.clone()),
            (None, None) => {
                bail!("give --jwt-public-key-file or --jwks-url: whose tokens are to be believed?")
            }
        };
        let algorithm = match self.jwt_algorithm.to_ascii_lowercase().as_str() {
            "eddsa" => Algorithm::EdDSA,
            "es256" => Algorithm::ES256,
            "rs256" => Algorithm::RS256,
            _ => bail!("--jwt-algorithm must be eddsa, es256 or rs256"),
        };
        let config =
            VerifierConfig { keys, issuer: self.issuer.clone(), audience: self.audience.clone(), algorithm };
        let clock = clock.clone();
        Verifier::new(config, Arc::new(move || clock.now())).context("staff's tokens cannot be checked")
    }
}

fn read(file: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(file).with_context(|| format!("--jwt-public-key-file {}", file.display()))
}
