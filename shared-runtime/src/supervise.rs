//! Keeps background work alive: a task that ends or panics before its time is started again, after a
//! pause, and said so. No task dies in silence.

use crate::retry;
use std::future::Future;
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A task that worked this long before it failed is taken to have been well.
const WELL: Duration = Duration::from_secs(30);
/// Short even at its longest: a broker that is back must not be left waiting.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(3);

/// Runs `work` until `stop`. `work` is called again whenever it ends with an error or panics; `Ok` ends
/// the task.
pub fn supervise<F, W>(name: &'static str, stop: CancellationToken, work: W) -> JoinHandle<()>
where
    W: Fn() -> F + Send + 'static,
    F: Future<Output = Result<(), String>> + Send + 'static,
{
    tokio::spawn(async move {
        let mut pause = retry::between(FIRST_PAUSE, LONGEST_PAUSE);
        while !stop.is_cancelled() {
            let started = Instant::now();
            let outcome = match tokio::spawn(work()).await {
                Ok(Ok(())) => return,
                Ok(Err(reason)) => reason,
                Err(failure) if failure.is_panic() => "it panicked".to_owned(),
                Err(_) => return,
            };
            if started.elapsed() > WELL {
                pause = retry::between(FIRST_PAUSE, LONGEST_PAUSE);
            }
            let wait = pause.next_delay();
            tracing::warn!(task = name, reason = %outcome, retry_in_ms = wait.as_millis() as u64, "background work failed; trying again");
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[tokio::test]
    async fn work_that_fails_or_panics_is_started_again() {
        let runs = Arc::new(AtomicU32::new(0));
        let seen = runs.clone();
        let task = supervise("test", CancellationToken::new(), move || {
            let run = seen.fetch_add(1, Ordering::SeqCst);
            async move {
                match run {
                    0 => Err("no".to_owned()),
                    1 => panic!("planted"),
                    _ => Ok(()),
                }
            }
        });
        task.await.expect("ends");
        assert_eq!(runs.load(Ordering::SeqCst), 3);
    }
}
