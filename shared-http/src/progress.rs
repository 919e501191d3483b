//! Long work, followed live: server-sent events that say how a job stands until it ends.
//!
//! Every step is looked up anew, so it does not matter which copy of the service carries the job out.
//! A stream ends by itself after [`LONGEST`]: a person's rights are checked when it begins, and a browser
//! begins it again.

use crate::problem::Problem;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::stream::{self, Stream};
use serde::Serialize;
use std::convert::Infallible;
use std::future::Future;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

/// How often a job is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How long a stream may go on.
const LONGEST: Duration = Duration::from_secs(300);
/// A line of nothing now and then, so that nobody between takes the stream for dead.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Tells a handler whose answer goes on for long that the server is about to stop. Never cancelled where
/// the router is served by another loop than [`crate::server::run`].
#[derive(Debug, Clone, Default)]
pub struct Stopping(pub CancellationToken);

impl<S: Sync> FromRequestParts<S> for Stopping {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get().cloned().unwrap_or_default())
    }
}

/// A job as it stands.
#[derive(Debug, Clone)]
pub struct Standing<T> {
    /// What is told.
    pub told: T,
    /// Whether it will stand so from now on.
    pub ended: bool,
}

/// One event of a stream, as the API's description has it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ProgressEvent {
    /// `progress`, `end` or `error`.
    #[schema(example = "progress")]
    pub event: String,
    /// The job as it stands, or a problem: a JSON text.
    pub data: String,
}

/// A stream of events named `progress`, each the job as it stands (told only when it changed), and at its
/// end one named `end`. A look that fails ends the stream with one named `error`, a problem in it.
pub fn follow<T, F, L>(
    stopping: Stopping,
    look: L,
) -> Sse<impl Stream<Item = Result<Event, Infallible>> + Send + use<T, F, L>>
where
    T: Serialize + Send + 'static,
    F: Future<Output = Result<Standing<T>, Problem>> + Send + 'static,
    L: FnMut() -> F + Send + 'static,
{
    let until = Instant::now() + LONGEST;
    let begun = Following { look, stopping, until, last: String::new(), over: false, first: true };
    let events = stream::unfold(begun, |mut following| async move {
        following.next().await.map(|event| (Ok(event), following))
    });
    Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
}

struct Following<L> {
    look: L,
    stopping: Stopping,
    until: Instant,
    last: String,
    over: bool,
    first: bool,
}

impl<L> Following<L> {
    /// The next thing to tell; none once there is nothing more.
    async fn next<T, F>(&mut self) -> Option<Event>
    where
        T: Serialize,
        F: Future<Output = Result<Standing<T>, Problem>>,
        L: FnMut() -> F,
    {
        while !self.over && (self.first || wait(&self.stopping.0, self.until).await) {
            self.first = false;
            let (name, told) = match (self.look)().await {
                Ok(standing) => {
                    self.over = standing.ended;
                    (if standing.ended { "end" } else { "progress" }, json(&standing.told))
                }
                Err(problem) => {
                    self.over = true;
                    ("error", problem.body(None).to_string())
                }
            };
            if self.over || told != self.last {
                self.last.clone_from(&told);
                return Some(Event::default().event(name).data(told));
            }
        }
        None
    }
}

/// Waits for the next look; `false` when there is none.
async fn wait(stopping: &CancellationToken, until: Instant) -> bool {
    tokio::select! {
        () = stopping.cancelled() => false,
        () = tokio::time::sleep(LOOK_EVERY) => Instant::now() < until,
    }
}

fn json(told: &impl Serialize) -> String {
    serde_json::to_string(told).unwrap_or_default()
}
