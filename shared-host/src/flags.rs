//! What a separate service is told. Every flag has an environment variable, since containers use those.

use anyhow::{Context, Result, bail};
use shared_http::{Algorithm, KeySource, ServiceToken, Verifier, VerifierConfig};
use shared_runtime::Db;
use shared_runtime::bus::{Bus, Topology};
use shared_runtime::clock::Clock;
use shared_runtime::db::Step;
use shared_runtime::secrets::{Missing, Secrets};
use std::net::SocketAddr;
use std::path::PathBuf;

/// Flags of a separate service.
#[derive(Debug, Clone, clap::Args)]
pub struct ServiceFlags {
    /// Where it serves its API.
    #[arg(long, env = "PF_LISTEN", default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
    /// Where it serves health and internal routes; keep it off the internet.
    #[arg(long, env = "PF_ADMIN_LISTEN", default_value = "127.0.0.1:0")]
    pub admin_listen: SocketAddr,
    /// The service's own database: postgres://USER@HOST/NAME or sqlite:PATH.
    #[arg(long, env = "PF_DATABASE_URL", hide_env_values = true)]
    pub database_url: String,
    /// The service's database of keys, apart from the other and from its backups.
    #[arg(long, env = "PF_KEYS_URL", hide_env_values = true)]
    pub keys_url: String,
    /// The bus: amqp://USER@HOST or embedded:PATH.
    #[arg(long, env = "PF_BUS_URL", hide_env_values = true)]
    pub bus_url: String,
    /// Begins every queue's and exchange's name, so that several products can share a broker.
    #[arg(long, env = "PF_BUS_PREFIX", default_value = "")]
    pub bus_prefix: String,
    /// The directory of key files; `patient-first keys init` makes one.
    #[arg(long, env = "PF_SECRETS_DIR")]
    pub secrets_dir: PathBuf,
    /// The file that tells which keys were destroyed, on a disk that no backup of a database holds; copies of a service
    /// that share a key database share this file. Without it, `erasures.log` in the secrets directory.
    #[arg(long, env = "PF_ERASURES")]
    pub erasures: Option<PathBuf>,
    /// A file of the tokens that open internal routes, one a line, each of 32 characters or more: several, so
    /// that one can be exchanged while the other still works. Without it there are no internal routes.
    #[arg(long, env = "PF_SERVICE_TOKEN_FILE")]
    pub service_token_file: Option<PathBuf>,
    /// Where people reach the product: the beginning of every link.
    #[arg(long, env = "PF_PUBLIC_URL", default_value = "http://127.0.0.1:8080")]
    pub public_url: String,
    /// Whose tokens are believed.
    #[command(flatten)]
    pub tokens: TokenFlags,
}

/// Whose tokens are believed.
#[derive(Debug, Clone, clap::Args)]
pub struct TokenFlags {
    /// The issuer's public key, PEM. Either this or --jwks-url.
    #[arg(long, env = "PF_JWT_PUBLIC_KEY_FILE")]
    pub jwt_public_key_file: Option<PathBuf>,
    /// Where the issuer publishes its keys.
    #[arg(long, env = "PF_JWKS_URL")]
    pub jwks_url: Option<String>,
    /// The only algorithm taken: eddsa, es256 or rs256.
    #[arg(long, env = "PF_JWT_ALGORITHM", default_value = "eddsa")]
    pub jwt_algorithm: String,
    /// The `iss` every token must have.
    #[arg(long, env = "PF_ISSUER", default_value = "patient-first")]
    pub issuer: String,
    /// The `aud` every token must have.
    #[arg(long, env = "PF_AUDIENCE", default_value = "patient-first")]
    pub audience: String,
}

/// Connections to a database that one process holds at most.
const CONNECTIONS: u32 = 16;

impl ServiceFlags {
    /// Opens the service's database and brings its schema up to date.
    pub async fn database(&self, steps: &[Step]) -> Result<Db> {
        Db::open(&self.database_url, CONNECTIONS, steps).await.context("cannot use --database-url")
    }

    /// Opens its database of keys.
    pub async fn keys(&self, steps: &[Step]) -> Result<Db> {
        Db::open(&self.keys_url, CONNECTIONS / 4, steps).await.context("cannot use --keys-url")
    }

    /// Where links lead.
    pub fn public_url(&self) -> Result<String> {
        if !["http://", "https://"].iter().any(|scheme| self.public_url.starts_with(scheme)) {
            bail!("--public-url must begin with https:// (or http:// to try things out)");
        }
        Ok(self.public_url.clone())
    }

    /// Opens the bus. RabbitMQ is not connected to yet: its outage must not keep the service from starting.
    pub async fn bus(&self) -> Result<Bus> {
        Bus::open(&self.bus_url, Topology::prefixed(&self.bus_prefix))
            .await
            .context("cannot use the bus (--bus-url)")
    }

    /// Reads the tokens that open internal routes.
    pub fn service_token(&self) -> Result<Option<ServiceToken>> {
        let Some(path) = &self.service_token_file else { return Ok(None) };
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read --service-token-file {}", path.display()))?;
        let tokens = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let token = ServiceToken::new(tokens).with_context(|| {
            format!("cannot use {}: it needs a token in every line, at least one", path.display())
        })?;
        Ok(Some(token))
    }

    /// Reads what `service` needs of the secrets directory.
    pub fn secrets(&self, service: &str) -> Result<Secrets> {
        let mut secrets = Secrets::open(&self.secrets_dir, service, Missing::Refuse).with_context(|| {
            format!(
                "cannot use the secrets directory {}; `patient-first keys init --secrets-dir DIR` makes one",
                self.secrets_dir.display()
            )
        })?;
        if let Some(erasures) = &self.erasures {
            secrets.erasures.clone_from(erasures);
        }
        Ok(secrets)
    }
}

impl TokenFlags {
    /// What checks tokens.
    pub fn verifier(&self, clock: &Clock) -> Result<Verifier> {
        let keys = match (&self.jwt_public_key_file, &self.jwks_url) {
            (Some(path), None) => KeySource::Pem(
                std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?,
            ),
            (None, Some(url)) => KeySource::Jwks(url.clone()),
            _ => bail!("say whose tokens are believed: either --jwt-public-key-file or --jwks-url"),
        };
        let algorithm = match self.jwt_algorithm.as_str() {
            "eddsa" => Algorithm::EdDSA,
            "es256" => Algorithm::ES256,
            "rs256" => Algorithm::RS256,
            other => bail!("--jwt-algorithm must be eddsa, es256 or rs256, not {other}"),
        };
        let config =
            VerifierConfig { keys, issuer: self.issuer.clone(), audience: self.audience.clone(), algorithm };
        let clock = clock.clone();
        Verifier::new(config, std::sync::Arc::new(move || clock.now())).context("cannot check tokens")
    }
}
