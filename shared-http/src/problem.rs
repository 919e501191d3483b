//! Every refusal, in one form: RFC 9457 `application/problem+json`.

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::time::Duration;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// The media type of every refusal.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// A refusal on its way to the caller.
///
/// Boxed, so that `Result<T, Problem>` stays small on the path that succeeds.
#[derive(Clone)]
pub struct Problem(Box<Parts>);

#[derive(Clone)]
struct Parts {
    status: StatusCode,
    code: Cow<'static, str>,
    title: Cow<'static, str>,
    detail: Option<Cow<'static, str>>,
    errors: Vec<FieldError>,
    extra: Map<String, Value>,
    headers: Vec<(HeaderName, HeaderValue)>,
    retry_after: Option<u64>,
}

/// What is wrong with one field of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FieldError {
    /// Where: an RFC 6901 pointer into the body (`/patients/3/email`), or `?name` for a query parameter.
    #[schema(examples("/email", "?limit"))]
    pub pointer: String,
    /// What kind of mistake, for programs.
    #[schema(examples("unknown_field"))]
    pub code: Cow<'static, str>,
    /// What to do about it, for people. Never holds the value that was sent.
    pub message: Cow<'static, str>,
}

impl FieldError {
    /// A mistake at `pointer`.
    pub fn new(
        pointer: impl Into<String>,
        code: impl Into<Cow<'static, str>>,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        FieldError { pointer: pointer.into(), code: code.into(), message: message.into() }
    }
}

impl Problem {
    /// A refusal. `code` is stable and for programs; `title` is short, for people, and the same for
    /// every occurrence of the code.
    pub fn new(
        status: StatusCode,
        code: impl Into<Cow<'static, str>>,
        title: impl Into<Cow<'static, str>>,
    ) -> Self {
        Problem(Box::new(Parts {
            status,
            code: code.into(),
            title: title.into(),
            detail: None,
            errors: Vec::new(),
            extra: Map::new(),
            headers: Vec::new(),
            retry_after: None,
        }))
    }

    /// 404 `not_found`: no such route, no such thing, or a thing of another clinic.
    pub fn not_found() -> Self {
        Problem::new(StatusCode::NOT_FOUND, "not_found", "There is nothing here")
    }

    /// 422 `invalid_body`: well-formed, but not what this route takes.
    pub fn invalid_body(errors: Vec<FieldError>) -> Self {
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_body", "The body is not what is taken here")
            .errors(errors)
    }

    /// 400 `invalid_query`: a query parameter that is unknown or unusable.
    pub fn invalid_query(errors: Vec<FieldError>) -> Self {
        Problem::new(StatusCode::BAD_REQUEST, "invalid_query", "The query is not what is taken here")
            .errors(errors)
    }

    /// 429 `too_many_requests`.
    pub fn too_many_requests(wait: Duration) -> Self {
        Problem::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", "Too many requests")
            .retry_after(wait)
    }

    /// 500 `internal`. The error and its causes go to the log; the caller learns nothing of them.
    pub fn internal(error: &dyn Error) -> Self {
        tracing::error!(error = %Chain(error), "request failed");
        Problem::bare_internal()
    }

    /// 503 `unavailable`, for something we lean on and that is away for now. Logged like [`Problem::internal`].
    pub fn unavailable(error: &dyn Error, retry_after: Duration) -> Self {
        tracing::error!(error = %Chain(error), "request failed: something we need is away");
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Not available for the moment")
            .detail("Try again shortly.")
            .retry_after(retry_after)
    }

    /// 500 `internal` where the cause has been logged already.
    pub(crate) fn bare_internal() -> Self {
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Something went wrong on our side")
            .detail("The request id names this occurrence in our log.")
    }

    /// What happened this time, for people.
    pub fn detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.0.detail = Some(detail.into());
        self
    }

    /// Adds the mistakes of single fields.
    pub fn errors(mut self, errors: impl IntoIterator<Item = FieldError>) -> Self {
        self.0.errors.extend(errors);
        self
    }

    /// Adds a member of this problem's own, such as the id of the patient who holds an address. The
    /// standard members cannot be replaced by it.
    pub fn with(mut self, member: &str, value: impl Into<Value>) -> Self {
        self.0.extra.insert(member.to_owned(), value.into());
        self
    }

    /// When to come back: sent as the `Retry-After` header and as a member, in whole seconds, rounded up.
    pub fn retry_after(mut self, wait: Duration) -> Self {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        self.0.retry_after = Some(seconds);
        self.header(header::RETRY_AFTER, HeaderValue::from(seconds))
    }

    /// Adds a response header.
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.push((name, value));
        self
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// The code, for programs.
    pub fn code(&self) -> &str {
        &self.0.code
    }

    /// The mistakes of single fields.
    pub fn field_errors(&self) -> &[FieldError] {
        &self.0.errors
    }

    /// The body as JSON. [`crate::manners()`] adds the request id to what is sent.
    pub fn body(&self, request_id: Option<&str>) -> Value {
        let parts = &*self.0;
        let mut body = parts.extra.clone();
        body.insert("type".into(), format!("urn:patient-first:problem:{}", parts.code).into());
        body.insert("title".into(), parts.title.as_ref().into());
        body.insert("status".into(), parts.status.as_u16().into());
        body.insert("code".into(), parts.code.as_ref().into());
        if let Some(detail) = &parts.detail {
            body.insert("detail".into(), detail.as_ref().into());
        }
        if !parts.errors.is_empty() {
            body.insert("errors".into(), serde_json::json!(parts.errors));
        }
        if let Some(seconds) = parts.retry_after {
            body.insert("retry_after".into(), seconds.into());
        }
        if let Some(id) = request_id {
            body.insert("request_id".into(), id.into());
        }
        Value::Object(body)
    }

    /// The response, with the request id in its body where there is one.
    pub(crate) fn render(&self, request_id: Option<&str>) -> Response {
        let body = self.body(request_id).to_string();
        let mut response = (self.status(), [(header::CONTENT_TYPE, PROBLEM_JSON)], body).into_response();
        for (name, value) in &self.0.headers {
            response.headers_mut().append(name, value.clone());
        }
        response
    }
}

impl IntoResponse for Problem {
    /// The problem travels along in the response's extensions, so that the outermost layer can render
    /// it once more with the request id. A task-local id would do too, but would be lost by every
    /// handler that answers from a task of its own.
    fn into_response(self) -> Response {
        let mut response = self.render(None);
        response.extensions_mut().insert(self);
        response
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.0.status.as_u16(), self.0.code, self.0.title)
    }
}

impl fmt::Debug for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Problem({self})")
    }
}

impl Error for Problem {}

/// An error and its causes on one line.
struct Chain<'a>(&'a dyn Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

/// What a problem looks like on the wire; only its schema is used.
#[derive(ToSchema)]
#[schema(as = Problem)]
#[expect(dead_code, reason = "the derive reads the fields; bodies are built by Problem::body")]
struct ProblemBody {
    /// `urn:patient-first:problem:` and the code.
    #[schema(examples("urn:patient-first:problem:not_found"))]
    r#type: String,
    /// The code's short text, the same every time.
    title: String,
    /// The HTTP status.
    status: u16,
    /// The stable name of the refusal, for programs.
    #[schema(examples("not_found"))]
    code: String,
    /// What happened this time.
    detail: Option<String>,
    /// Mistakes of single fields.
    #[schema(inline)]
    errors: Option<Vec<FieldError>>,
    /// Seconds to wait before trying again.
    retry_after: Option<u64>,
    /// Names this request in our log.
    request_id: String,
}

impl PartialSchema for Problem {
    fn schema() -> RefOr<Schema> {
        ProblemBody::schema()
    }
}

impl ToSchema for Problem {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Problem")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn standard_members_win_over_extra_ones() {
        let problem = Problem::not_found().with("status", 200).with("holder", "p1");
        let body = problem.body(Some("r1"));
        assert_eq!(body["status"], 404);
        assert_eq!(body["holder"], "p1");
        assert_eq!(body["type"], "urn:patient-first:problem:not_found");
        assert_eq!(body["request_id"], "r1");
    }

    #[test]
    fn an_inner_error_never_reaches_the_body() {
        let inner = std::io::Error::other("password=hunter2");
        let body = Problem::internal(&inner).body(None).to_string();
        assert!(!body.contains("hunter2"), "{body}");
    }

    #[test]
    fn a_wait_is_rounded_up_to_whole_seconds() {
        let response = Problem::not_found().retry_after(Duration::from_millis(1200)).into_response();
        assert_eq!(response.headers()[header::RETRY_AFTER], "2");
        assert_eq!(response.headers()[header::CONTENT_TYPE], PROBLEM_JSON);
    }
}
