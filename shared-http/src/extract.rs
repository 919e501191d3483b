//! Bodies, paths and queries, with refusals in the house's form.

use crate::manners::BodyTime;
use crate::problem::Problem;
use crate::reading;
use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A JSON body, read or answered. What it answers goes out as `application/json`.
#[derive(Debug, Clone)]
pub struct Json<T>(pub T);

/// A JSON body together with the bytes it was read from, for the idempotency fingerprint.
///
/// utoipa knows [`Json`] by its name and not this one: handlers say `request_body = T`.
#[derive(Clone)]
pub struct Body<T> {
    /// What was read.
    pub value: T,
    /// As it came.
    pub bytes: axum::body::Bytes,
}

/// Reads JSON that came otherwise than as a body of its own, with the same refusals.
pub fn read_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    reading::json(bytes)
}

/// Path parameters. One that cannot be read names nothing we know: 404, as for any unknown id.
#[derive(Debug, Clone)]
pub struct Path<T>(pub T);

/// Query parameters: 400 `invalid_query` where one is unknown or unusable.
#[derive(Debug, Clone)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        media_type(request.headers())?;
        let bytes = read(request, state).await?;
        Ok(Body { value: reading::json(&bytes)?, bytes })
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        Body::from_request(request, state).await.map(|body| Json(body.value))
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(body) => ([(header::CONTENT_TYPE, "application/json")], body).into_response(),
            Err(error) => Problem::internal(&error).into_response(),
        }
    }
}

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match axum::extract::Path::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(value)) => Ok(Path(value)),
            Err(PathRejection::FailedToDeserializePathParams(_)) => Err(Problem::not_found()),
            // The route has no such parameter: our mistake, not the caller's.
            Err(rejection) => Err(Problem::internal(&rejection)),
        }
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        reading::query(parts.uri.query().unwrap_or_default()).map(Query)
    }
}

/// `application/json` and the `+json` family (merge patch is `application/merge-patch+json`). A form's
/// media type is refused, which also keeps a foreign web page from posting here without a preflight.
fn media_type(headers: &HeaderMap) -> Result<(), Problem> {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = given.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let json = essence == "application/json"
        || essence.strip_prefix("application/").is_some_and(|subtype| subtype.ends_with("+json"));
    if json {
        return Ok(());
    }
    Err(unsupported_media_type().detail("Send the body as Content-Type: application/json."))
}

/// 415 `unsupported_media_type`.
pub(crate) fn unsupported_media_type() -> Problem {
    let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    Problem::new(status, "unsupported_media_type", "This media type is not taken here")
}

/// 413 `body_too_large`.
pub(crate) fn body_too_large() -> Problem {
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", "The body is too large")
}

/// The whole body, within the route's size limit and within the time a body may take.
async fn read<S: Send + Sync>(request: Request, state: &S) -> Result<axum::body::Bytes, Problem> {
    let time = request.extensions().get::<BodyTime>().copied().unwrap_or_default();
    let reading = axum::body::Bytes::from_request(request, state);
    match tokio::time::timeout(time.0, reading).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(rejection)) => Err(unreadable(rejection)),
        Err(_) => {
            Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "timeout", "The body took too long to arrive"))
        }
    }
}

fn unreadable(rejection: BytesRejection) -> Problem {
    match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => body_too_large(),
        _ => Problem::new(StatusCode::BAD_REQUEST, "body_unreadable", "The body broke off before its end"),
    }
}
