//! `patient-first invites`: what became of invites that were asked for together.

use super::invite::job::{Job, Page};
use super::invite::{Taken, conclude, show};
use super::target::{Ending, Target};
use super::words::{grouped, plain};
use crate::server::Server;
use anyhow::Result;
use serde_json::Value;
use std::process::ExitCode;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// What is done with such jobs.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// List the jobs, newest first.
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
    /// Show how a job stands.
    Show(One),
    /// Try the failed ones again.
    Retry(One),
    /// Leave out those whose turn has not come. Invites that were issued stay.
    Cancel(One),
}

/// One job.
#[derive(Debug, clap::Args)]
pub struct One {
    /// The job.
    id: Uuid,
    /// Print JSON: the server's answer for show, the counts for retry and cancel.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

/// Carries it out.
pub async fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::List { limit, json, target } => {
            let path = format!("/api/invites/bulk?limit={limit}");
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
            let work = async |server: &Server, _: &CancellationToken| {
                if one.json {
                    println!("{}", server.get::<Value>(&format!("/api/invites/bulk/{}", one.id)).await?);
                } else {
                    print!("{}", show(server, &one.id.to_string()).await?);
                }
                Ok(Ending::Done)
            };
            one.target.with(work).await
        }
        Command::Retry(one) => one.order("retry").await,
        Command::Cancel(one) => one.order("cancel").await,
    }
}

impl One {
    /// Has something done with the job, follows it, reports.
    async fn order(&self, order: &str) -> Result<ExitCode> {
        let work = async |server: &Server, stop: &CancellationToken| {
            let taken: Taken = server.order(&format!("/api/invites/bulk/{}/{order}", self.id)).await?;
            conclude(server, &self.target, &[taken.id], self.json, stop).await
        };
        self.target.with(work).await
    }
}

/// A line a job.
fn table(jobs: &[Job]) -> String {
    if jobs.is_empty() {
        return "Nobody was invited in bulk yet: `patient-first invite` does.\n".to_owned();
    }
    let mut said = format!(
        "{:36}  {:20}  {:9}  {:>9}  {:>9}  {:>9}\n",
        "job", "asked for", "state", "patients", "issued", "failed"
    );
    for job in jobs {
        let when: String = plain(&job.created_at).chars().take(19).collect();
        said += &format!(
            "{:36}  {when:20}  {:9}  {:>9}  {:>9}  {:>9}\n",
            plain(&job.id),
            plain(&job.state),
            grouped(job.total),
            grouped(job.issued),
            grouped(job.failed)
        );
    }
    said
}
