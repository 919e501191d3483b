//! `patient-first imports`: what became of imports, and what can still be done with them.

use super::import::job::{Job, Page};
use super::import::report::report;
use super::import::result::Place;
use super::import::wait;
use super::target::{Ending, Target};
use super::words::{grouped, plain};
use crate::server::Server;
use anyhow::Result;
use serde::Deserialize;
use serde_json::Value;
use std::path::PathBuf;
use std::process::ExitCode;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// What is done with imports.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// List the imports, newest first.
    List {
        /// How many.
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=100))]
        limit: u16,
        /// Print the server's answer as JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        target: Target,
    },
    /// Show how an import stands.
    Show(One),
    /// Try its failed rows again.
    Retry(One),
    /// Archive the patients that it created, unless they were invited or changed since.
    Undo(One),
    /// Save its result: each row's outcome, and the failed rows to be corrected and sent again.
    Result {
        /// The import.
        id: Uuid,
        /// Where to.
        file: PathBuf,
        /// Only the failed rows.
        #[arg(long)]
        only_failed: bool,
        /// Overwrite the file.
        #[arg(long)]
        force: bool,
        #[command(flatten)]
        target: Target,
    },
}

/// One import.
#[derive(Debug, clap::Args)]
pub struct One {
    /// The import.
    id: Uuid,
    /// Print the server's answer as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

/// Carries it out.
pub async fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::List { limit, json, target } => {
            let path = format!("/api/imports?limit={limit}");
            let work = async |server: &Server, _: &CancellationToken| {
                if json {
                    println!("{}", server.get::<Value>(&path).await?);
                } else {
                    print!("{}", table(&server.get::<Page>(&path).await?.items));
                }
                Ok(Ending::Done)
            };
            target.with(work).await
        }
        Command::Show(one) => {
            one.target.with(async |server, _| one.say(server, &one.id.to_string()).await).await
        }
        Command::Retry(one) => one.order("retry").await,
        Command::Undo(one) => one.order("undo").await,
        Command::Result { id, file, only_failed, force, target } => {
            let place = Place::new(file, force)?;
            let work = async |server: &Server, _: &CancellationToken| {
                place.save(server, &id.to_string(), only_failed).await?;
                eprintln!("The result is in {}.", place.path().display());
                Ok(Ending::Done)
            };
            target.with(work).await
        }
    }
}

/// The server took it.
#[derive(Debug, Deserialize)]
struct Taken {
    id: String,
}

impl One {
    /// Has something done with the import, follows it, reports.
    async fn order(&self, order: &str) -> Result<ExitCode> {
        let work = async |server: &Server, stop: &CancellationToken| {
            let taken: Taken = server.order(&format!("/api/imports/{}/{order}", self.id)).await?;
            match wait(server, &self.target, &taken.id, stop).await? {
                Some(_) => self.say(server, &taken.id).await,
                None => Ok(Ending::Interrupted),
            }
        };
        self.target.with(work).await
    }

    async fn say(&self, server: &Server, id: &str) -> Result<Ending> {
        let path = format!("/api/imports/{id}");
        if self.json {
            println!("{}", server.get::<Value>(&path).await?);
        } else {
            print!("{}", report(&server.get::<Job>(&path).await?));
        }
        Ok(Ending::Done)
    }
}

/// A line an import.
fn table(jobs: &[Job]) -> String {
    if jobs.is_empty() {
        return "No imports yet: `patient-first import FILE` makes one.\n".to_owned();
    }
    let mut said = format!(
        "{:36}  {:20}  {:8}  {:>9}  {:>9}  {:>9}\n",
        "import", "taken in", "state", "rows", "created", "failed"
    );
    for job in jobs {
        let when: String = plain(&job.created_at).chars().take(19).collect();
        let dry = if job.dry_run { "  dry run" } else { "" };
        said += &format!(
            "{:36}  {when:20}  {:8}  {:>9}  {:>9}  {:>9}{dry}\n",
            plain(&job.id),
            plain(&job.state),
            grouped(job.read),
            grouped(job.created),
            grouped(job.failed)
        );
    }
    said
}
