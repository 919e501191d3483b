//! `patient-first invite`: many patients at once.

pub mod job;
mod patients;
pub mod report;

use super::follow::{Followed, follow};
use super::progress::{Progress, Unit};
use super::target::{Ending, Target};
use crate::server::Server;
use anyhow::{Context, Result};
use job::{Job, Reasons};
use serde::Deserialize;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::ExitCode;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// The most patients that the server takes in one job.
const MOST: usize = 10_000;

/// Whom, and how.
#[derive(Debug, clap::Args)]
pub struct Flags {
    #[command(flatten)]
    whom: Whom,
    /// Who invites: your name for the provider.
    #[arg(long, value_name = "ID")]
    provider: String,
    /// How many days the invites are good; without it, as the clinic has it.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=90))]
    expiry_days: Option<u8>,
    /// A few words of your own in the e-mail.
    #[arg(long, value_name = "TEXT")]
    message: Option<String>,
    /// Make the invites without sending an e-mail.
    #[arg(long)]
    no_email: bool,
    /// Print the counts as one JSON object on standard output, and nothing else there.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

/// Whom: one of these.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Whom {
    /// The patients of a file: one id a line, or the result of an import.
    #[arg(long, value_name = "FILE")]
    patients: Option<PathBuf>,
    /// A patient; may be said several times.
    #[arg(long, value_name = "ID")]
    patient: Vec<Uuid>,
    /// The patients that an import created.
    #[arg(long, value_name = "ID")]
    import: Option<Uuid>,
    /// Every patient who was never invited.
    #[arg(long)]
    all_uninvited: bool,
}

/// The server took it.
#[derive(Debug, Deserialize)]
pub struct Taken {
    /// The job's name.
    pub id: String,
}

/// Asks for the invites, follows them to their end, reports.
pub async fn run(flags: Flags) -> Result<ExitCode> {
    let asked = flags.asked()?;
    let work = async |server: &Server, stop: &CancellationToken| {
        let mut ids = Vec::new();
        for body in &asked {
            let taken: Result<Taken> = server.post("/api/invites/bulk", body).await;
            ids.push(taken.with_context(|| already(&ids))?.id);
        }
        conclude(server, &flags.target, &ids, flags.json, stop).await
    };
    flags.target.with(work).await
}

/// Says that some jobs were taken already when another was not.
fn already(ids: &[String]) -> String {
    match ids {
        [] => "the invites were not taken in".to_owned(),
        ids => format!("a part of the invites was taken in and goes on (jobs {})", ids.join(", ")),
    }
}

/// Follows jobs to their end and reports on them as one.
pub async fn conclude(
    server: &Server,
    target: &Target,
    ids: &[String],
    json: bool,
    stop: &CancellationToken,
) -> Result<Ending> {
    let Some(jobs) = wait(server, ids, stop).await? else {
        let look: Vec<String> = ids.iter().map(|id| format!("invites show {id}")).collect();
        target.left(server, "the invites go on", &look);
        return Ok(Ending::Interrupted);
    };
    if json {
        let all = Job::together(&jobs);
        println!(
            r#"{{"total":{},"issued":{},"failed":{},"cancelled":{}}}"#,
            all.total, all.issued, all.failed, all.cancelled
        );
        return Ok(Ending::Done);
    }
    print!("{}", report::report(&jobs, &report::reasons(server, &jobs).await?));
    for job in jobs.iter().filter(|job| job.failed > 0) {
        println!("\nTry the failed ones again, once the reason is gone:");
        println!("  {}", target.again(&format!("invites retry {}", job.id)));
    }
    Ok(Ending::Done)
}

async fn wait(server: &Server, ids: &[String], stop: &CancellationToken) -> Result<Option<Vec<Job>>> {
    let mut progress = Progress::begin("invite", Unit::Things("patients"));
    let mut jobs: Vec<Job> = Vec::new();
    for id in ids {
        // All are at work at the same time: the first look tells how much there is.
        jobs.push(server.get(&path(id)).await?);
    }
    for (place, id) in ids.iter().enumerate() {
        let mut seen_last = jobs.clone();
        let seen = |job: &Job| {
            seen_last[place].clone_from(job);
            let all = Job::together(&seen_last);
            progress.at(all.decided(), Some(all.total));
        };
        match follow(server, &path(id), stop, seen, Job::ended).await? {
            Followed::Ended(job) => jobs[place] = job,
            Followed::Left => return Ok(None),
        }
    }
    Ok(Some(jobs))
}

fn path(id: &str) -> String {
    format!("/api/invites/bulk/{id}")
}

impl Flags {
    /// What is asked of the server: a job for each ten thousand patients.
    fn asked(&self) -> Result<Vec<Value>> {
        let whom = &self.whom;
        let ids = match &whom.patients {
            Some(path) => patients::read(path)?,
            None => patients::once(whom.patient.clone()),
        };
        if let Some(import) = whom.import {
            return Ok(vec![self.about("filter", json!({ "import_id": import }))]);
        }
        if whom.all_uninvited {
            return Ok(vec![self.about("filter", json!({ "ever_invited": false }))]);
        }
        Ok(ids.chunks(MOST).map(|ids| self.about("patient_ids", json!(ids))).collect())
    }

    fn about(&self, name: &str, whom: Value) -> Value {
        let mut asked = json!({ name: whom, "provider_id": self.provider, "send_email": !self.no_email });
        if let Some(days) = self.expiry_days {
            asked["expiry_days"] = json!(days);
        }
        if let Some(message) = &self.message {
            asked["custom_message"] = json!(message);
        }
        asked
    }
}

/// Reports on a job as it stands.
pub async fn show(server: &Server, id: &str) -> Result<String> {
    let job: Job = server.get(&path(id)).await?;
    let jobs = [job];
    let reasons: Reasons = report::reasons(server, &jobs).await?;
    let [job] = &jobs;
    Ok(format!("The invites are {}.\n{}", super::words::plain(&job.state), report::report(&jobs, &reasons)))
}
