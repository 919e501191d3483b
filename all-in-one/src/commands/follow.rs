//! A job of the server's, looked at until it ends.

use crate::server::{Server, passes};
use anyhow::{Context, Result};
use serde::de::DeserializeOwned;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// The pause between two looks: short at first, so that a small job is not waited for.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// How long a server may be away before nobody waits for it any more. Jobs go on when it is back.
const PATIENCE: Duration = Duration::from_secs(120);

/// How following a job came to its end.
#[derive(Debug)]
pub enum Followed<T> {
    /// The job ended; this is how it stands.
    Ended(T),
    /// The person would not wait any longer.
    Left,
}

/// Looks at `path` again and again until `ended` says that the job has. `seen` is shown every look.
pub async fn follow<T: DeserializeOwned>(
    server: &Server,
    path: &str,
    stop: &CancellationToken,
    mut seen: impl FnMut(&T),
    ended: impl Fn(&T) -> bool,
) -> Result<Followed<T>> {
    let mut pause = FIRST_PAUSE;
    let mut away_since = None;
    loop {
        let looked = tokio::select! {
            looked = server.get::<T>(path) => looked,
            () = stop.cancelled() => return Ok(Followed::Left),
        };
        match looked {
            Ok(job) => {
                away_since = None;
                seen(&job);
                if ended(&job) {
                    return Ok(Followed::Ended(job));
                }
            }
            Err(error) if passes(&error) => wait_on(&mut away_since, error)?,
            Err(error) => return Err(error),
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stop.cancelled() => return Ok(Followed::Left),
        }
        pause = (pause * 5 / 4).min(LONGEST_PAUSE);
    }
}

/// Whether a server that is away is waited for any longer; the error where it is not.
fn wait_on(away_since: &mut Option<Instant>, error: anyhow::Error) -> Result<()> {
    let since = away_since.get_or_insert_with(|| {
        eprintln!("The server does not answer; waiting for it. The job is kept and goes on when it is back.");
        Instant::now()
    });
    if since.elapsed() < PATIENCE {
        return Ok(());
    }
    Err(error).context("gave up waiting; the job is kept and goes on when the server is back")
}
