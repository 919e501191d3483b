//! `patient-first audit`: who read or changed what, and whether anybody changed that.

use super::services::Services;
use super::target::{Ending, Target};
use super::words::plain;
use crate::server::Server;
use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::Value;
use shared_host::verification::{Expected, Verified};
use std::process::ExitCode;

/// The services that keep an audit.
const SERVICES: [&str; 2] = ["patients", "invites"];

/// What is done with the audit.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Read the whole audit and check that no row was changed, removed or moved.
    Verify(Verify),
    /// List who read or changed what in a clinic, newest first.
    List(Box<List>),
}

/// What to check.
#[derive(Debug, clap::Args)]
pub struct Verify {
    #[command(flatten)]
    services: Services,
    /// A head that an earlier run printed and that was kept elsewhere; may be given once a service.
    #[arg(long, value_name = "SERVICE:PLACE:HASH")]
    expect: Vec<Expected>,
    /// Print JSON: an array, one object a service.
    #[arg(long)]
    json: bool,
}

/// What to list.
#[derive(Debug, clap::Args)]
pub struct List {
    #[command(flatten)]
    target: Target,
    /// One actor: `staff:ID` or `patient`.
    #[arg(long)]
    actor: Option<String>,
    /// One action, such as patient.read or invite.link_shown.
    #[arg(long)]
    action: Option<String>,
    /// Rows about this patient, invite, import or job.
    #[arg(long)]
    id: Option<uuid::Uuid>,
    /// At this time or later, such as 2026-11-23T00:00:00Z.
    #[arg(long)]
    from: Option<String>,
    /// Before this time.
    #[arg(long)]
    to: Option<String>,
    /// At most so many rows of each service.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=200))]
    limit: u16,
}

/// Carries it out.
pub async fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Verify(flags) => verify(flags).await,
        Command::List(flags) => flags.target.with(async |server, _| list(server, &flags).await).await,
    }
}

/// Fails where anything was changed, or a service does not answer.
async fn verify(flags: Verify) -> Result<ExitCode> {
    let marks: Vec<String> = flags.expect.iter().map(Expected::to_string).collect();
    let path = format!("/internal/audit?expect={}", marks.join(","));
    let (told, _) = flags
        .services
        .ask(&path, async |embedded| {
            Ok(serde_json::to_value(embedded.status().verify_audit(&flags.expect).await?)?)
        })
        .await?;
    let well = told.iter().all(|service| service.get("error").or(service.get("broken")).is_none());
    if flags.json {
        println!("{}", Value::Array(told));
    } else {
        for service in told {
            println!("{}", worded(service)?);
        }
    }
    Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn worded(told: Value) -> Result<String> {
    if let Some(error) = told.get("error").and_then(Value::as_str) {
        return Ok(format!("{}: {}", plain(told["service"].as_str().unwrap_or_default()), plain(error)));
    }
    let told: Verified = serde_json::from_value(told)
        .context("the answer is not understood: are program and server of one version?")?;
    let mut said = match &told.broken {
        Some(broken) => format!("{}: BROKEN: {}\n", plain(&told.service), plain(broken)),
        None => format!("{}: whole, {} rows\n", plain(&told.service), told.rows),
    };
    said += &format!("  the last good row: {}", plain(&told.head));
    if told.waiting > 0 {
        said +=
            &format!("\n  {} rows have no place yet; a running server gives it within moments", told.waiting);
    }
    if !told.compared && told.broken.is_none() {
        said += "\n  keep that line elsewhere, and give it to --expect the next time: that is what shows a chain made anew";
    }
    Ok(said)
}

/// A row, as the API has it.
#[derive(Deserialize)]
struct Row {
    at: String,
    actor: String,
    #[serde(default)]
    role: Option<String>,
    action: String,
    ids: Vec<String>,
    request_id: String,
}

#[derive(Deserialize)]
struct Page {
    items: Vec<Row>,
    next_cursor: Option<String>,
}

async fn list(server: &Server, flags: &List) -> Result<Ending> {
    for service in SERVICES {
        let query = serde_urlencoded::to_string(flags.query())?;
        let page: Page = server.get(&format!("/api/audit/{service}?{query}")).await?;
        println!("{service}:");
        for row in &page.items {
            println!("  {}", row.worded());
        }
        if page.next_cursor.is_some() {
            println!("  ... and older ones: narrow it with --to, --action or --id");
        }
    }
    Ok(Ending::Done)
}

impl List {
    fn query(&self) -> Vec<(&'static str, String)> {
        let id = self.id.map(|id| id.to_string());
        let given = [
            ("actor", &self.actor),
            ("action", &self.action),
            ("id", &id),
            ("from", &self.from),
            ("to", &self.to),
        ];
        let given = given.into_iter().filter_map(|(name, value)| Some((name, value.clone()?)));
        given.chain([("limit", self.limit.to_string())]).collect()
    }
}

impl Row {
    fn worded(&self) -> String {
        let role = self.role.as_ref().map(|role| format!(" ({})", plain(role))).unwrap_or_default();
        let ids: Vec<String> = self.ids.iter().map(|id| plain(id).to_string()).collect();
        let (at, actor, action) = (plain(&self.at), plain(&self.actor), plain(&self.action));
        format!("{at} {actor}{role} {action} {} [request {}]", ids.join(" "), plain(&self.request_id))
    }
}
