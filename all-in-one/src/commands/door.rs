//! Where operators' commands go: the admin ports of services, or a data directory, served or not.

use crate::data_dir::DataDir;
use crate::embedded::Embedded;
use crate::server::{Found, Refused, Server, existing, find, written};
use anyhow::{Context, Result, anyhow, bail};
use std::path::PathBuf;

/// Where to ask.
#[derive(Debug, Clone, clap::Args)]
pub struct Where {
    /// The data directory; its server is asked, and where none runs, the files are worked on.
    #[arg(long, default_value = "./data")]
    pub data_dir: PathBuf,
    /// The admin ports of separate services, with commas between them.
    #[arg(long, value_name = "URL", value_delimiter = ',', requires = "token_file")]
    admin_url: Vec<String>,
    /// The file of their service tokens; the first in it is used.
    #[arg(long, value_name = "FILE", env = "PF_SERVICE_TOKEN_FILE")]
    token_file: Option<PathBuf>,
}

/// What was found there.
pub enum Door {
    /// A directory nobody serves, opened.
    Idle(Box<Embedded>),
    /// Servers that are asked, each at its admin port.
    Served(Vec<Server>),
}

impl Where {
    /// Opens it.
    pub async fn open(&self) -> Result<Door> {
        if !self.admin_url.is_empty() {
            let token = self.token()?;
            let servers = self.admin_url.iter().map(|url| Server::at(url, &token));
            return Ok(Door::Served(servers.collect::<Result<_>>()?));
        }
        let dir: DataDir = existing(&self.data_dir)?;
        Ok(match find(&dir).await? {
            Found::Idle(embedded) => Door::Idle(embedded),
            Found::Served => {
                let (url, token) = (written(&dir, "admin-url").await?, written(&dir, "service-token").await?);
                Door::Served(vec![Server::at(&url, &token)?])
            }
        })
    }

    /// Whether a data directory is meant.
    pub fn is_directory(&self) -> bool {
        self.admin_url.is_empty()
    }

    fn token(&self) -> Result<String> {
        let Some(path) = &self.token_file else {
            bail!("say which file holds the service token: --token-file FILE");
        };
        let text =
            std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let token = text.lines().map(str::trim).find(|line| !line.is_empty());
        token.map(str::to_owned).with_context(|| format!("{} holds no token", path.display()))
    }
}

/// Says more of what an admin port answers.
pub fn explained(error: anyhow::Error) -> anyhow::Error {
    match error.downcast_ref::<Refused>().map(|refused| refused.status.as_u16()) {
        Some(401) => {
            anyhow!("the service does not take this service token: is it in the file that it was given?")
        }
        Some(404) => {
            anyhow!(
                "there are no internal routes: is it the admin port, and was the service given --service-token-file?"
            )
        }
        _ => error,
    }
}
