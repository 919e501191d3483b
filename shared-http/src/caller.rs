//! Who asks: the staff member behind a bearer token, and what they may do.

use crate::access::LetIn;
use crate::auth::Verifier;
use crate::problem::Problem;
use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use shared_events::AccountId;
use std::fmt;
use std::time::Duration;
use utoipa::ToSchema;

/// What a caller may do. Each role may do what the ones before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Reads.
    Viewer,
    /// Reads and writes.
    Staff,
    /// Also the clinic's settings, and what cannot be undone.
    Admin,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Role::Viewer => "viewer",
            Role::Staff => "staff",
            Role::Admin => "admin",
        })
    }
}

/// The staff member behind a request. As an extractor it needs a [`Verifier`] in the state, and refuses
/// with 401 `token_missing`, `token_invalid` or `token_expired`, or 503 `keys_unavailable`.
#[derive(Clone, PartialEq, Eq)]
pub struct Caller {
    /// The clinic. Everything the caller reads or writes is within it.
    pub account: AccountId,
    /// The issuer's name for the person.
    pub subject: String,
    /// What the person may do.
    pub role: Role,
    /// The person's name, where the issuer tells it.
    pub name: Option<String>,
}

impl Caller {
    /// 403 `role_insufficient`, naming the role that is needed, unless the caller has it or more.
    pub fn require(&self, needed: Role) -> Result<(), Problem> {
        if self.role >= needed {
            return Ok(());
        }
        let problem =
            Problem::new(StatusCode::FORBIDDEN, "role_insufficient", "Your role does not allow this");
        Err(problem
            .detail(format!("This needs the role {needed}."))
            .with("required_role", needed.to_string()))
    }
}

impl fmt::Debug for Caller {
    /// Without the person's name: a caller ends up in log lines.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Caller({} as {} in {})", self.subject, self.role, self.account)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller
where
    Verifier: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        if let Some(LetIn(caller)) = parts.extensions.get() {
            return Ok(caller.clone());
        }
        let token = bearer(&parts.headers)?;
        Verifier::from_ref(state).verify(token).await
    }
}

/// The one bearer token of a request. Two of them are none: proxies disagree on which one counts. 401
/// `token_missing` or `token_invalid`.
pub fn bearer(headers: &HeaderMap) -> Result<&str, Problem> {
    let mut given = headers.get_all(header::AUTHORIZATION).iter();
    let first = given.next().ok_or_else(token_missing)?;
    if given.next().is_some() {
        return Err(token_invalid());
    }
    let (scheme, token) =
        first.to_str().map_err(|_| token_invalid())?.split_once(' ').ok_or_else(token_missing)?;
    if scheme.eq_ignore_ascii_case("bearer") { Ok(token.trim()) } else { Err(token_missing()) }
}

fn unauthorized(code: &'static str, title: &'static str, challenge: &'static str) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, code, title)
        .header(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge))
}

pub(crate) fn token_missing() -> Problem {
    unauthorized("token_missing", "Sign in first", "Bearer realm=\"patient-first\"")
        .detail("Send Authorization: Bearer and a token.")
}

pub(crate) fn token_invalid() -> Problem {
    let challenge = "Bearer realm=\"patient-first\", error=\"invalid_token\"";
    unauthorized("token_invalid", "This token is not accepted", challenge)
}

pub(crate) fn token_expired() -> Problem {
    let challenge = "Bearer realm=\"patient-first\", error=\"invalid_token\", error_description=\"expired\"";
    unauthorized("token_expired", "This token has expired", challenge).detail("Sign in again.")
}

pub(crate) fn keys_unavailable() -> Problem {
    let status = StatusCode::SERVICE_UNAVAILABLE;
    Problem::new(status, "keys_unavailable", "Tokens cannot be checked for the moment")
        .retry_after(Duration::from_secs(10))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_may_do_what_lesser_roles_may() {
        let caller = |role| Caller {
            account: AccountId::parse("c1").expect("a clinic"),
            subject: "s1".into(),
            role,
            name: Some("Example Person".into()),
        };
        assert!(caller(Role::Admin).require(Role::Staff).is_ok());
        assert!(caller(Role::Staff).require(Role::Staff).is_ok());
        let problem = caller(Role::Viewer).require(Role::Staff).expect_err("too little");
        assert_eq!(
            (problem.code(), &problem.body(None)["required_role"]),
            ("role_insufficient", &"staff".into())
        );
        assert!(!format!("{:?}", caller(Role::Viewer)).contains("Example"));
    }
}
