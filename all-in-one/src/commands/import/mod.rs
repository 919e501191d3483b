//! `patient-first import`: a clinic's register, in one file.

pub mod job;
mod options;
pub mod report;
pub mod result;
#[cfg(test)]
mod tests;
mod upload;

use crate::commands::follow::{Followed, follow};
use crate::commands::progress::{Progress, Unit};
use crate::commands::target::{Ending, Target};
use crate::server::Server;
use anyhow::{Result, bail};
use job::Job;
use options::Options;
use result::Place;
use serde::Serialize;
use std::path::PathBuf;
use std::process::ExitCode;
use tokio_util::sync::CancellationToken;
use upload::Source;

/// What, how, and where to.
#[derive(Debug, clap::Args)]
pub struct Flags {
    /// The CSV file; - is standard input.
    file: PathBuf,
    #[command(flatten)]
    options: Options,
    /// Save the result there: each row's outcome, and the failed rows to be corrected and sent again.
    #[arg(long, value_name = "FILE")]
    result: Option<PathBuf>,
    /// Overwrite the file of --result.
    #[arg(long, requires = "result")]
    force: bool,
    /// Print the counts as one JSON object on standard output, and nothing else there.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

/// Sends a file, follows the job, reports.
pub async fn run(flags: Flags) -> Result<ExitCode> {
    // Whatever is wrong on this side is said before a server is looked for.
    let options = flags.options.read()?;
    let result = flags.result.clone().map(|path| Place::new(path, flags.force)).transpose()?;
    let source = Source::open(&flags.file)?;
    let work = async |server: &Server, stop: &CancellationToken| {
        let Some(id) = upload::send(server, source, &options, stop).await? else {
            eprintln!("Stopped while the file was on its way. Was it taken in? Look with:");
            eprintln!("  {}", flags.target.again("imports list"));
            return Ok(Ending::Interrupted);
        };
        let Some(job) = wait(server, &flags.target, &id, stop).await? else {
            return Ok(Ending::Interrupted);
        };
        if let Some(result) = &result {
            result.save(server, &id, false).await?;
        }
        if flags.json {
            println!("{}", serde_json::to_string(&Counts::of(job, flags.options.invite))?);
        } else {
            flags.say(&job);
        }
        Ok(Ending::Done)
    };
    flags.target.with(work).await
}

/// Follows a job to its end; none where the person left, who is then told how to look again.
///
/// # Errors
/// A job that could not go on.
pub async fn wait(
    server: &Server,
    target: &Target,
    id: &str,
    stop: &CancellationToken,
) -> Result<Option<Job>> {
    let mut rows = Some(Progress::begin("import", Unit::Things("rows")));
    let mut invites = None;
    let seen = |job: &Job| match &job.invites {
        Some(asked) if job.state == "inviting" => {
            rows = None;
            let shown = invites.get_or_insert_with(|| Progress::begin("import", Unit::Things("invites")));
            shown.at(asked.issued + asked.refused, Some(asked.requested));
        }
        _ => {
            if let Some(rows) = &mut rows {
                rows.at(job.decided(), Some(job.read));
            }
        }
    };
    let followed = follow(server, &format!("/api/imports/{id}"), stop, seen, Job::ended).await;
    drop((rows, invites));
    match followed? {
        Followed::Ended(job) if job.state == "failed" => {
            bail!("the import could not go on: {}", job.failure.as_deref().unwrap_or("no reason was given"))
        }
        Followed::Ended(job) => Ok(Some(job)),
        Followed::Left => {
            target.left(server, "the import goes on", &[format!("imports show {id}")]);
            Ok(None)
        }
    }
}

/// The counts alone, for programs.
#[derive(Debug, Serialize)]
struct Counts {
    read: u64,
    created: u64,
    updated: u64,
    unchanged: u64,
    skipped: u64,
    failed: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    invites: Option<job::Invites>,
}

impl Counts {
    fn of(job: Job, invite: bool) -> Counts {
        Counts {
            read: job.read,
            created: job.created,
            updated: job.updated,
            unchanged: job.unchanged,
            skipped: job.skipped,
            failed: job.failed,
            invites: invite.then(|| job.invites.unwrap_or_default()),
        }
    }
}

impl Flags {
    fn say(&self, job: &Job) {
        print!("{}", report::report(job));
        if let Some(path) = &self.result {
            println!("\nThe result is in {}.", path.display());
        }
        let next = self.next(job);
        if !next.is_empty() {
            println!("\nNext:\n{}", next.join("\n"));
        }
    }

    /// What the person may want to do now.
    fn next(&self, job: &Job) -> Vec<String> {
        let id = &job.id;
        let mut next = Vec::new();
        let mut offer = |what: &str, command: String| next.push(format!("  {what}\n    {command}"));
        if job.failed > 0 && self.result.is_none() {
            offer(
                "save the failed rows, correct them, and import that file",
                self.target.again(&format!("imports result {id} FILE")),
            );
        }
        if job.dry_run {
            offer("carry it out", "the same command without --dry-run".to_owned());
            return next;
        }
        if job.failed > 0 {
            offer(
                "try the failed rows again, where the reason was on our side or on record",
                self.target.again(&format!("imports retry {id}")),
            );
        }
        if job.created > 0 {
            offer("take back what was created", self.target.again(&format!("imports undo {id}")));
            if !self.options.invite {
                offer(
                    "invite these patients",
                    self.target.again(&format!("invite --import {id} --provider PROVIDER")),
                );
            }
        }
        next
    }
}
