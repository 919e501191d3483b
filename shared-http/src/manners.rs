//! What surrounds every route: a name for the request, limits, one log line, and an answer in form.
//!
//! One middleware in place of a stack of layers: the order matters (a panic must still get its request
//! id, a time-out its log line), and here it can be read from top to bottom.

use crate::extract::{body_too_large, unsupported_media_type};
use crate::problem::Problem;
use crate::random;
use crate::trace::TraceContext;
use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRequestParts, MatchedPath, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tracing::Instrument;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The limits around every route.
#[derive(Clone)]
pub struct ManneredConfig {
    /// The largest body, in bytes: 1 MiB. A route may have its own with axum's `DefaultBodyLimit`.
    pub body_bytes: usize,
    /// How long a body may take to arrive: 20 s, then 408.
    pub body_time: Duration,
    /// How long a handler may take until its answer begins: 30 s, then 503. A stream may go on after.
    pub request_time: Duration,
    /// Routes (by template, such as `/api/patients/import`) with a time of their own for body and answer.
    pub slow_routes: Vec<(&'static str, Duration)>,
    /// Told of every answer, for metrics.
    pub observe: Option<Observer>,
}

/// Told of every answer.
pub type Observer = Arc<dyn Fn(&Answered) + Send + Sync>;

impl Default for ManneredConfig {
    fn default() -> Self {
        ManneredConfig {
            body_bytes: 1024 * 1024,
            body_time: Duration::from_secs(20),
            request_time: Duration::from_secs(30),
            slow_routes: Vec::new(),
            observe: None,
        }
    }
}

/// One answer, as it is counted and logged: nothing in it names a person.
#[derive(Debug, Clone)]
pub struct Answered {
    /// The method.
    pub method: Method,
    /// The route's template, or `unmatched`. Never the path itself: an old link has its token there.
    pub route: String,
    /// The status.
    pub status: StatusCode,
    /// From the end of the request's head to the beginning of the answer.
    pub elapsed: Duration,
}

/// The request's name: taken from `x-request-id` where that is sane, else made here; on every answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(pub String);

impl RequestId {
    /// Takes the caller's name for the request if it has 1 to 64 letters, digits, `-`, `_`: enough for
    /// UUIDs and for trace ids, too little for an address or a link, since it is logged.
    fn read(headers: &HeaderMap) -> Self {
        let sane = |id: &&str| {
            (1..=64).contains(&id.len())
                && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
        };
        let given = headers.get(X_REQUEST_ID).and_then(|value| value.to_str().ok()).filter(sane);
        RequestId(given.map_or_else(random::hex::<16>, str::to_owned))
    }
}

impl<S: Sync> FromRequestParts<S> for RequestId {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get().cloned().unwrap_or_else(|| RequestId::read(&parts.headers)))
    }
}

/// How long this request's body may take to arrive.
#[derive(Clone, Copy)]
pub(crate) struct BodyTime(pub Duration);

impl Default for BodyTime {
    fn default() -> Self {
        BodyTime(ManneredConfig::default().body_time)
    }
}

/// Puts the manners around a finished router, unknown routes included. Call it once, last.
pub fn manners(router: Router, config: ManneredConfig) -> Router {
    let body_limit = DefaultBodyLimit::max(config.body_bytes);
    router.layer(body_limit).layer(from_fn_with_state(Arc::new(config), mannered))
}

async fn mannered(State(config): State<Arc<ManneredConfig>>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = RequestId::read(request.headers());
    let trace = TraceContext::read(request.headers());
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map_or("unmatched", MatchedPath::as_str).to_owned();
    let slow = config.slow_routes.iter().find(|(template, _)| *template == route).map(|(_, time)| *time);

    let span = tracing::info_span!("request", %method, route, request_id = id.0, trace_id = trace.trace_id);
    request.extensions_mut().insert(id.clone());
    request.extensions_mut().insert(trace);
    request.extensions_mut().insert(BodyTime(slow.unwrap_or(config.body_time)));

    let answer =
        guarded(next.run(request), slow.unwrap_or(config.request_time)).instrument(span.clone()).await;
    let answer = dress(in_form(answer, &id), &id);
    let answered = Answered { method, route, status: answer.status(), elapsed: started.elapsed() };
    span.in_scope(|| log(&answered));
    if let Some(observe) = &config.observe {
        observe(&answered);
    }
    answer
}

/// Runs the handler within its time; a panic in it becomes a 500 instead of a cut connection.
async fn guarded(handler: impl Future<Output = Response>, time: Duration) -> Response {
    match tokio::time::timeout(time, AssertUnwindSafe(handler).catch_unwind()).await {
        Ok(Ok(response)) => response,
        // The panic's text may hold anything: it is left to the panic hook, which decides where it goes.
        Ok(Err(_)) => {
            tracing::error!("a handler panicked");
            Problem::bare_internal().into_response()
        }
        Err(_) => Problem::new(StatusCode::SERVICE_UNAVAILABLE, "timeout", "This took too long")
            .detail("It was broken off. Whether it took effect is not known: ask, or repeat it under the same Idempotency-Key.")
            .retry_after(Duration::from_secs(5))
            .into_response(),
    }
}

/// Gives every refusal its request id, and those that axum words itself (unknown route, wrong method,
/// what its own extractors refuse) the house's form. Their headers stay, `Allow` among them.
fn in_form(answer: Response, id: &RequestId) -> Response {
    let problem = match answer.extensions().get::<Problem>() {
        Some(problem) => problem.clone(),
        None if is_bare_refusal(&answer) => common(answer.status()),
        None => return answer,
    };
    let (mut head, _) = answer.into_parts();
    let (form, body) = problem.render(Some(&id.0)).into_parts();
    head.headers.remove(header::CONTENT_LENGTH);
    head.headers.extend(form.headers);
    head.extensions.remove::<Problem>();
    Response::from_parts(head, body)
}

fn is_bare_refusal(answer: &Response) -> bool {
    let plain = match answer.headers().get(header::CONTENT_TYPE) {
        None => true,
        Some(kind) => kind.as_bytes().starts_with(b"text/plain"),
    };
    plain && (answer.status().is_client_error() || answer.status().is_server_error())
}

/// A problem for a status that came without one.
fn common(status: StatusCode) -> Problem {
    match status {
        StatusCode::NOT_FOUND => Problem::not_found(),
        StatusCode::METHOD_NOT_ALLOWED => {
            Problem::new(status, "method_not_allowed", "This route does not take this method")
        }
        StatusCode::PAYLOAD_TOO_LARGE => body_too_large(),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => unsupported_media_type(),
        StatusCode::REQUEST_TIMEOUT => Problem::new(status, "timeout", "This took too long"),
        status if status.is_server_error() => Problem::bare_internal(),
        status => Problem::new(status, "bad_request", "The request is not understood"),
    }
}

/// Headers every answer carries. What an answer says of itself (an asset that may be kept) stands.
fn dress(mut answer: Response, id: &RequestId) -> Response {
    let headers = answer.headers_mut();
    if let Ok(id) = HeaderValue::from_str(&id.0) {
        headers.insert(X_REQUEST_ID, id);
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.entry(header::X_CONTENT_TYPE_OPTIONS).or_insert(HeaderValue::from_static("nosniff"));
    answer
}

/// One line per request. Probes ask every few seconds and are worth a line only when someone looks.
fn log(answered: &Answered) {
    let (status, latency_ms) = (answered.status.as_u16(), answered.elapsed.as_millis() as u64);
    if answered.status.is_server_error() {
        tracing::warn!(status, latency_ms, "answered");
    } else if matches!(answered.route.as_str(), "/livez" | "/readyz") {
        tracing::debug!(status, latency_ms, "answered");
    } else {
        tracing::info!(status, latency_ms, "answered");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(id: &'static str) -> RequestId {
        RequestId::read(&HeaderMap::from_iter([(X_REQUEST_ID, HeaderValue::from_static(id))]))
    }

    #[test]
    fn a_sane_request_id_is_kept_and_another_replaced() {
        assert_eq!(named("0193e0f2-aaaa_B").0, "0193e0f2-aaaa_B");
        for odd in ["", "eve@example.org", "a b", "x\"y", "pf1.token"] {
            assert_ne!(named(odd).0, odd);
            assert_eq!(named(odd).0.len(), 32);
        }
        assert_ne!(RequestId::read(&HeaderMap::new()), RequestId::read(&HeaderMap::new()));
    }
}
