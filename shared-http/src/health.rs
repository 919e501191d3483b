//! The pulse: `/livez` for the one who restarts us, `/readyz` for the one who sends us requests.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use futures_util::future::{BoxFuture, FutureExt, join_all};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// What a check found: fine or not, and a few words for the operator. No secrets, no addresses: the
/// words are shown to whoever asks.
pub type Finding = Result<String, String>;

/// The checks behind `/readyz`.
#[derive(Clone)]
pub struct Health {
    checks: Vec<Check>,
    patience: Duration,
}

#[derive(Clone)]
struct Check {
    name: &'static str,
    critical: bool,
    ask: Arc<dyn Fn() -> BoxFuture<'static, Finding> + Send + Sync>,
}

/// How one check, or all of them, turned out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Status {
    /// All well.
    Ready,
    /// Something is away that requests can do without.
    Degraded,
    /// Requests would fail.
    Unready,
}

#[derive(Serialize)]
struct Report {
    status: Status,
    checks: BTreeMap<&'static str, Line>,
}

#[derive(Serialize)]
struct Line {
    status: Status,
    detail: String,
}

impl Default for Health {
    fn default() -> Self {
        Health { checks: Vec::new(), patience: Duration::from_secs(2) }
    }
}

impl Health {
    /// No checks yet, and two seconds for each.
    pub fn new() -> Self {
        Health::default()
    }

    /// How long a check may take before it counts as failed.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// A check; `critical` says whether requests fail without what it looks at. The database is; the bus
    /// is not, since what is to be said waits in the event log while the broker is away.
    pub fn check<F, A>(mut self, name: &'static str, critical: bool, ask: A) -> Self
    where
        A: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = Finding> + Send + 'static,
    {
        self.checks.push(Check { name, critical, ask: Arc::new(move || ask().boxed()) });
        self
    }

    /// `/livez` and `/readyz`, to be merged into the router of the admin port.
    pub fn router<S: Clone + Send + Sync + 'static>(self) -> Router<S> {
        let readyz = move || {
            let health = self.clone();
            async move { health.report().await }
        };
        Router::new().route("/livez", get(async || "ok")).route("/readyz", get(readyz))
    }

    async fn report(&self) -> Response {
        let lines = join_all(self.checks.iter().map(|check| self.ask(check))).await;
        let checks: BTreeMap<_, _> = lines.into_iter().collect();
        let worst = |wanted| checks.values().any(|line: &Line| line.status == wanted);
        let (code, status) = if worst(Status::Unready) {
            (StatusCode::SERVICE_UNAVAILABLE, Status::Unready)
        } else if worst(Status::Degraded) {
            (StatusCode::OK, Status::Degraded)
        } else {
            (StatusCode::OK, Status::Ready)
        };
        (code, Json(Report { status, checks })).into_response()
    }

    async fn ask(&self, check: &Check) -> (&'static str, Line) {
        let found = tokio::time::timeout(self.patience, (check.ask)()).await;
        let found =
            found.unwrap_or_else(|_| Err(format!("no answer within {} ms", self.patience.as_millis())));
        let failed = if check.critical { Status::Unready } else { Status::Degraded };
        let line = match found {
            Ok(detail) => Line { status: Status::Ready, detail },
            Err(detail) => Line { status: failed, detail },
        };
        (check.name, line)
    }
}
