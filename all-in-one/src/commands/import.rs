//! `patient-first import`.

use crate::server::Server;
use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};
use shared_events::AccountId;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::time::Duration;

/// What, and where to.
#[derive(Debug, clap::Args)]
pub struct Flags {
    /// The CSV file.
    file: PathBuf,
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
    /// Print the counts as one JSON object on standard output, and nothing else there.
    #[arg(long)]
    json: bool,
}

/// Sends a file, follows the job, reports.
pub async fn run(flags: Flags) -> Result<()> {
    let file = std::fs::read(&flags.file).with_context(|| format!("cannot read {}", flags.file.display()))?;
    let server = match (&flags.url, &flags.token) {
        (Some(url), Some(token)) => Server::at(url, token)?,
        (None, Some(_)) => {
            bail!("a token was given (--token or PF_TOKEN) but no --url: say which server it is for")
        }
        _ => Server::of(&flags.data_dir, &AccountId::parse(&flags.account).context("--account")?).await?,
    };
    let started = server.post("/api/patients/import", "text/csv", file).await?;
    let Some(id) = started.get("id").and_then(Value::as_str) else {
        bail!("the server did not name the import")
    };
    let end = follow(&server, id).await?;
    report(&end, flags.json);
    server.done().await
}

async fn follow(server: &Server, id: &str) -> Result<Value> {
    let bar = ProgressBar::with_draw_target(None, target());
    if let Ok(style) = ProgressStyle::with_template("  {bar:32} {pos}/{len} rows  {per_sec}  {eta} left") {
        bar.set_style(style);
    }
    loop {
        let job = server.get(&format!("/api/imports/{id}")).await?;
        bar.set_length(count(&job, "read"));
        bar.set_position(
            ["created", "updated", "unchanged", "skipped", "failed"].iter().map(|n| count(&job, n)).sum(),
        );
        let word = |member: &str| job.get(member).and_then(Value::as_str).unwrap_or_default();
        match word("state") {
            "done" => {
                bar.finish_and_clear();
                return Ok(job);
            }
            "failed" => bail!("the import could not go on: {}", word("failure")),
            _ => {}
        }
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
}

/// A bar on a terminal; elsewhere nothing, since the report follows.
fn target() -> ProgressDrawTarget {
    if std::io::stderr().is_terminal() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() }
}

fn count(job: &Value, name: &str) -> u64 {
    job.get(name).and_then(Value::as_u64).unwrap_or(0)
}

fn report(job: &Value, as_json: bool) {
    let names = ["read", "created", "updated", "unchanged", "skipped", "failed"];
    if as_json {
        let counts: serde_json::Map<String, Value> =
            names.iter().map(|name| ((*name).to_owned(), json!(count(job, name)))).collect();
        println!("{}", Value::Object(counts));
        return;
    }
    for name in names {
        println!("  {:>9}  {name}", count(job, name));
    }
    let strings = |member: &str| job.get(member).and_then(Value::as_array).cloned().unwrap_or_default();
    let ignored: Vec<String> =
        strings("ignored_columns").iter().filter_map(Value::as_str).map(str::to_owned).collect();
    if !ignored.is_empty() {
        println!("  columns not read: {}", ignored.join(", "));
    }
    for error in strings("errors") {
        let row = error.get("row").and_then(Value::as_i64).unwrap_or(0);
        println!("  row {row}: {}", error.get("reason").and_then(Value::as_str).unwrap_or_default());
    }
}
