//! `patient-first status`: how far the services are, for an operator.

use super::words::{counts, plain};
use crate::data_dir::DataDir;
use crate::server::{Found, Refused, Server, existing, find, written};
use anyhow::{Context, Result, anyhow, bail};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::path::PathBuf;
use std::process::ExitCode;

/// Where to ask.
#[derive(Debug, clap::Args)]
pub struct Flags {
    /// The data directory; its server is asked, and where none runs, the files are read.
    #[arg(long, default_value = "./data")]
    data_dir: PathBuf,
    /// The admin ports of separate services, with commas between them.
    #[arg(long, value_name = "URL", value_delimiter = ',', requires = "token_file")]
    admin_url: Vec<String>,
    /// The file of their service tokens; the first in it is used.
    #[arg(long, value_name = "FILE", env = "PF_SERVICE_TOKEN_FILE")]
    token_file: Option<PathBuf>,
    /// Print JSON: an array, one object a service.
    #[arg(long)]
    json: bool,
}

/// How a service stands.
#[derive(Debug, Deserialize)]
struct Standing {
    service: String,
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    log_id: String,
    #[serde(default)]
    events: u64,
    #[serde(default)]
    published: u64,
    #[serde(default)]
    waiting: u64,
    #[serde(default)]
    parked: u64,
    #[serde(default)]
    relay_owner: Option<String>,
    /// Kinds of jobs among them: objects that say how many run.
    #[serde(flatten)]
    work: Map<String, Value>,
}

/// Asks every service and prints what it says; the program fails where one of them does not answer.
pub async fn run(flags: Flags) -> Result<ExitCode> {
    let (told, served) = if flags.admin_url.is_empty() {
        of_directory(&existing(&flags.data_dir)?).await?
    } else {
        (flags.of_services().await?, true)
    };
    let away = told.iter().any(|service| service.get("error").is_some());
    let code = if away { ExitCode::FAILURE } else { ExitCode::SUCCESS };
    if flags.json {
        println!("{}", Value::Array(told));
        return Ok(code);
    }
    if !served {
        println!("No server runs on {}: this is read from its files.\n", flags.data_dir.display());
    }
    let standings: Vec<Standing> = told
        .into_iter()
        .map(serde_json::from_value)
        .collect::<Result<_, _>>()
        .context("the answer is not understood: are program and server of one version?")?;
    let said: Vec<String> = standings.iter().map(|standing| worded(standing, served)).collect();
    print!("{}", said.join("\n"));
    Ok(code)
}

/// What the server of a directory says, or its files; and whether it was a server.
async fn of_directory(dir: &DataDir) -> Result<(Vec<Value>, bool)> {
    match find(dir).await? {
        Found::Served => {
            let (url, token) = (written(dir, "admin-url").await?, written(dir, "service-token").await?);
            Ok((ask(&url, &token).await?, true))
        }
        Found::Idle(embedded) => {
            let told = serde_json::to_value(embedded.status().read().await)?;
            embedded.close().await;
            let Value::Array(mut told) = told else { bail!("the status is no list") };
            // The lease of a relay that was killed outlives it by moments.
            for service in told.iter_mut().filter_map(Value::as_object_mut) {
                service.remove("relay_owner");
            }
            Ok((told, false))
        }
    }
}

async fn ask(url: &str, token: &str) -> Result<Vec<Value>> {
    let asked = Server::at(url, token)?.get("/internal/status").await;
    asked.map_err(|error| match error.downcast_ref::<Refused>().map(|refused| refused.status.as_u16()) {
        Some(401) => anyhow!("{url} does not take this service token: is it in the file that the service was given?"),
        Some(404) => anyhow!(
            "{url} has no internal routes: is it the admin port, and was the service given --service-token-file?"
        ),
        _ => error,
    })
}

impl Flags {
    async fn of_services(&self) -> Result<Vec<Value>> {
        let Some(path) = &self.token_file else {
            bail!("say which file holds the service token: --token-file FILE");
        };
        let text =
            std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let Some(token) = text.lines().map(str::trim).find(|line| !line.is_empty()) else {
            bail!("{} holds no token", path.display());
        };
        let mut told = Vec::new();
        for url in &self.admin_url {
            // One that is away is what an operator looks for: the others are asked all the same.
            told.extend(
                ask(url, token)
                    .await
                    .unwrap_or_else(|error| vec![json!({ "service": url, "error": format!("{error:#}") })]),
            );
        }
        Ok(told)
    }
}

fn worded(standing: &Standing, served: bool) -> String {
    let name = plain(&standing.service);
    if let Some(error) = &standing.error {
        return format!("{name}: {}\n", plain(error));
    }
    let relay = match (&standing.relay_owner, served) {
        (Some(_), _) => "the relay is at work",
        (None, true) => "nobody relays at this moment",
        (None, false) => "events are relayed once a server runs",
    };
    let mut said = format!("{name}: log {}, {relay}\n", plain(&standing.log_id));
    let mut lines = vec![
        (standing.events, "events in the log".to_owned()),
        (standing.published, "of them confirmed by the bus".to_owned()),
        (standing.waiting, "wait to be sent".to_owned()),
        (standing.parked, "messages parked for a person to look at".to_owned()),
    ];
    for (kind, work) in &standing.work {
        if let Some(running) = work.get("running").and_then(Value::as_u64) {
            lines.push((running, format!("{} not at their end", plain(kind))));
        }
    }
    let lines: Vec<(u64, &str)> = lines.iter().map(|(count, what)| (*count, what.as_str())).collect();
    said += &counts(&lines);
    said
}
