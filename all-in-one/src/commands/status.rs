//! `patient-first status`: how far the services are, for an operator.

use super::services::Services;
use super::words::{counts, plain};
use crate::embedded::Embedded;
use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::process::ExitCode;

/// What to ask, and where.
#[derive(Debug, clap::Args)]
pub struct Flags {
    #[command(flatten)]
    services: Services,
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
    let (told, served) = flags.services.ask("/internal/status", idle).await?;
    let away = told.iter().any(|service| service.get("error").is_some());
    let code = if away { ExitCode::FAILURE } else { ExitCode::SUCCESS };
    if flags.json {
        println!("{}", Value::Array(told));
        return Ok(code);
    }
    if !served {
        println!("No server runs on {}: this is read from its files.\n", flags.services.data_dir.display());
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

/// What the files of a directory say that nobody serves.
async fn idle(embedded: &Embedded) -> Result<Value> {
    let mut told = serde_json::to_value(embedded.status().read().await)?;
    // The lease of a relay that was killed outlives it by moments.
    for service in told.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
        service.remove("relay_owner");
    }
    Ok(told)
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
