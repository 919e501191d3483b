//! Which server a command asks, and how the command ends with it.

use crate::server::Server;
use anyhow::{Context, Result, bail};
use shared_events::AccountId;
use shared_host::stop_on_signal;
use std::path::PathBuf;
use std::process::ExitCode;
use tokio_util::sync::CancellationToken;

/// How a program ends that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

/// Which server, and who asks.
#[derive(Debug, Clone, clap::Args)]
pub struct Target {
    /// The server; without it, the one of the data directory.
    #[arg(long, requires = "token")]
    url: Option<String>,
    /// The token to ask it with.
    #[arg(long, env = "PF_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// The data directory.
    #[arg(long, default_value = "./data")]
    data_dir: PathBuf,
    /// The clinic, where no token says it.
    #[arg(long, default_value = "demo")]
    account: String,
}

/// How a command's work came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It was done.
    Done,
    /// The person stopped waiting for it.
    Interrupted,
}

impl Target {
    /// Does work with the server; where that is one of our own, it is stopped cleanly however the work ends.
    pub async fn with(
        &self,
        work: impl AsyncFnOnce(&Server, &CancellationToken) -> Result<Ending>,
    ) -> Result<ExitCode> {
        let server = self.server().await?;
        let stop = stop_on_signal()?;
        match work(&server, &stop).await {
            Ok(Ending::Done) => {
                server.done(&stop).await?;
                Ok(ExitCode::SUCCESS)
            }
            Ok(Ending::Interrupted) => {
                server.leave().await?;
                Ok(ExitCode::from(INTERRUPTED))
            }
            Err(error) => {
                // What went wrong first is what is said.
                let _ = server.leave().await;
                Err(error)
            }
        }
    }

    async fn server(&self) -> Result<Server> {
        match (&self.url, &self.token) {
            (Some(url), Some(token)) => Server::at(url, token),
            (None, Some(_)) => {
                bail!("a token was given (--token or PF_TOKEN) but no --url: say which server it is for")
            }
            _ => Server::of(&self.data_dir, &AccountId::parse(&self.account).context("--account")?).await,
        }
    }

    /// A command on the same server, to be shown: without the token, which should not stay on screens.
    pub fn again(&self, command: &str) -> String {
        match &self.url {
            Some(url) => format!("patient-first {command} --url {url} --token \"$TOKEN\""),
            None => {
                let mut shown = format!("patient-first {command}");
                if self.data_dir.to_str() != Some("./data") {
                    shown += &format!(" --data-dir {}", self.data_dir.display());
                }
                if self.account != "demo" {
                    shown += &format!(" --account {}", self.account);
                }
                shown
            }
        }
    }

    /// Says on standard error that nobody waits any more but the job goes on, and how to look again.
    pub fn left(&self, server: &Server, jobs: &str, look: &[String]) {
        if server.is_own() {
            eprintln!(
                "Stopped. No server runs beside this command, so {jobs} at the next start: `patient-first serve`."
            );
        } else {
            eprintln!("No longer waiting: {jobs} in the server.");
        }
        eprintln!("Look again with:");
        for command in look {
            eprintln!("  {}", self.again(command));
        }
    }
}
