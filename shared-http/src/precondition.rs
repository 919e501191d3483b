//! Optimistic concurrency: the version of a stream as an `ETag`, and `If-Match` on every change.

use crate::problem::Problem;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponseParts, ResponseParts};
use std::convert::Infallible;
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::Type;
use utoipa::openapi::{ObjectBuilder, Required};

/// The version of a stream as a response header: `ETag: "7"`. For `If-Match` only: there is no 304 by
/// it, since parts of an answer come from other streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ETag(pub i64);

impl ETag {
    /// The header's value.
    pub fn value(self) -> String {
        format!("\"{}\"", self.0)
    }
}

impl IntoResponseParts for ETag {
    type Error = Infallible;

    fn into_response_parts(self, mut parts: ResponseParts) -> Result<ResponseParts, Infallible> {
        if let Ok(value) = HeaderValue::from_str(&self.value()) {
            parts.headers_mut().insert(header::ETAG, value);
        }
        Ok(parts)
    }
}

/// What the caller believes is there. Without the header: 428 `if_match_missing`; weak, a list or
/// otherwise not one of our tags: 400 `if_match_invalid`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IfMatch {
    /// `*`: whatever is there.
    Any,
    /// This version of the stream.
    Version(i64),
}

impl IfMatch {
    /// 412 `version_stale` unless `current` is what the caller believes.
    pub fn check(self, current: i64) -> Result<(), Problem> {
        match self {
            IfMatch::Version(expected) if expected != current => Err(version_stale(current)),
            _ => Ok(()),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        if text == "*" {
            return Some(IfMatch::Any);
        }
        let digits = text.strip_prefix('"')?.strip_suffix('"')?;
        // `"07"` and `"+7"` are not tags we gave out.
        let version = digits.parse().ok().filter(|version: &i64| version.to_string() == digits)?;
        Some(IfMatch::Version(version))
    }
}

/// 412 `version_stale`, naming the version that is there now.
pub fn version_stale(current: i64) -> Problem {
    Problem::new(StatusCode::PRECONDITION_FAILED, "version_stale", "Someone changed this in the meantime")
        .detail("Read it again, and decide again.")
        .with("current_version", current)
}

impl<S: Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let mut given = parts.headers.get_all(header::IF_MATCH).iter();
        let Some(first) = given.next() else {
            return Err(missing());
        };
        let only = given.next().is_none();
        first.to_str().ok().filter(|_| only).and_then(|text| IfMatch::parse(text.trim())).ok_or_else(invalid)
    }
}

fn missing() -> Problem {
    Problem::new(StatusCode::PRECONDITION_REQUIRED, "if_match_missing", "If-Match is required")
        .detail("Send the ETag of the version you have read, so that no one's change is lost.")
}

fn invalid() -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "if_match_invalid", "If-Match holds none of our tags")
        .detail("Send one ETag as it was given, in quotes and without W/, or *.")
}

impl IntoParams for IfMatch {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let schema = ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some(r#"^(\*|"(0|[1-9][0-9]{0,17})")$"#))
            .examples([serde_json::json!("\"7\"")]);
        let parameter = ParameterBuilder::new()
            .name("If-Match")
            .parameter_in(ParameterIn::Header)
            .required(Required::True)
            .description(Some("The ETag of the version you have read, or `*`."))
            .schema(Some(schema));
        vec![parameter.build()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_tags_we_gave_out_are_read() {
        assert_eq!(IfMatch::parse("\"7\""), Some(IfMatch::Version(7)));
        assert_eq!(IfMatch::parse("*"), Some(IfMatch::Any));
        for bad in [
            "",
            "7",
            "W/\"7\"",
            "\"7\", \"8\"",
            "\"07\"",
            "\"+7\"",
            "\"x\"",
            "\"\"",
            "\"",
            "\"99999999999999999999\"",
        ] {
            assert_eq!(IfMatch::parse(bad), None, "{bad}");
        }
        assert_eq!(IfMatch::parse(&ETag(41).value()), Some(IfMatch::Version(41)));
    }

    #[test]
    fn a_stale_version_is_told_the_current_one() {
        assert!(IfMatch::Any.check(9).is_ok());
        assert!(IfMatch::Version(9).check(9).is_ok());
        let problem = IfMatch::Version(8).check(9).expect_err("stale");
        assert_eq!((problem.code(), &problem.body(None)["current_version"]), ("version_stale", &9.into()));
    }
}
