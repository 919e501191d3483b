//! Which services an operator's command asks.

use crate::data_dir::DataDir;
use crate::embedded::Embedded;
use crate::server::{Found, Refused, Server, existing, find, written};
use anyhow::{Context, Result, anyhow, bail};
use serde_json::{Value, json};
use std::path::PathBuf;

/// Where to ask.
#[derive(Debug, clap::Args)]
pub struct Services {
    /// The data directory; its server is asked, and where none runs, the files are read.
    #[arg(long, default_value = "./data")]
    pub data_dir: PathBuf,
    /// The admin ports of separate services, with commas between them.
    #[arg(long, value_name = "URL", value_delimiter = ',', requires = "token_file")]
    admin_url: Vec<String>,
    /// The file of their service tokens; the first in it is used.
    #[arg(long, value_name = "FILE", env = "PF_SERVICE_TOKEN_FILE")]
    token_file: Option<PathBuf>,
}

impl Services {
    /// What each service answers at an internal path (an object a service), or `idle` where nobody serves the
    /// directory; and whether it was served. A service that is away says so in `error`.
    pub async fn ask(
        &self,
        path: &str,
        idle: impl AsyncFnOnce(&Embedded) -> Result<Value>,
    ) -> Result<(Vec<Value>, bool)> {
        if self.admin_url.is_empty() {
            of_directory(&existing(&self.data_dir)?, path, idle).await
        } else {
            Ok((self.each(path).await?, true))
        }
    }

    async fn each(&self, path: &str) -> Result<Vec<Value>> {
        let Some(file) = &self.token_file else {
            bail!("say which file holds the service token: --token-file FILE");
        };
        let text =
            std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        let Some(token) = text.lines().map(str::trim).find(|line| !line.is_empty()) else {
            bail!("{} holds no token", file.display());
        };
        let mut told = Vec::new();
        for url in &self.admin_url {
            // One that is away is what an operator looks for: the others are asked all the same.
            told.extend(
                ask(url, token, path)
                    .await
                    .unwrap_or_else(|error| vec![json!({ "service": url, "error": format!("{error:#}") })]),
            );
        }
        Ok(told)
    }
}

async fn of_directory(
    dir: &DataDir,
    path: &str,
    idle: impl AsyncFnOnce(&Embedded) -> Result<Value>,
) -> Result<(Vec<Value>, bool)> {
    match find(dir).await? {
        Found::Served => {
            let (url, token) = (written(dir, "admin-url").await?, written(dir, "service-token").await?);
            Ok((ask(&url, &token, path).await?, true))
        }
        Found::Idle(embedded) => {
            let told = idle(&embedded).await;
            embedded.close().await;
            let Value::Array(told) = told? else { bail!("the answer is no list") };
            Ok((told, false))
        }
    }
}

async fn ask(url: &str, token: &str, path: &str) -> Result<Vec<Value>> {
    let asked = Server::at(url, token)?.get(path).await;
    asked.map_err(|error| match error.downcast_ref::<Refused>().map(|refused| refused.status.as_u16()) {
        Some(401) => anyhow!("{url} does not take this service token: is it in the file that the service was given?"),
        Some(404) => anyhow!(
            "{url} has no internal routes: is it the admin port, and was the service given --service-token-file?"
        ),
        _ => error,
    })
}
