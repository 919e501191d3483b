//! Where a request meets the log: what both services do alike between HTTP and a command.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use shared_http::{Caller, Key, Problem, RequestId, TraceContext};
use shared_runtime::audit::{Asked, Audit};
use shared_runtime::group::{Abort, Unanswered};
use shared_runtime::idempotency::Repeatable;
use shared_runtime::log::Meta;
use std::convert::Infallible;
use std::time::Duration;
use uuid::Uuid;

/// When to come back after something was in the way.
pub const SHORTLY: Duration = Duration::from_secs(1);

/// The request that causes an event: its name, and the trace it belongs to.
#[derive(Debug, Clone)]
pub struct Cause {
    id: RequestId,
    trace: TraceContext,
}

impl<S: Send + Sync> FromRequestParts<S> for Cause {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let Ok(id) = RequestId::from_request_parts(parts, state).await;
        let Ok(trace) = TraceContext::from_request_parts(parts, state).await;
        Ok(Cause { id, trace })
    }
}

impl Cause {
    /// What stands beside every event that the request causes.
    pub fn meta(&self, actor: impl Into<Actor>) -> Meta {
        let Actor { name, role } = actor.into();
        Meta {
            actor: name,
            asked: Some(Asked { request_id: self.id.0.clone(), role }),
            // Our own request ids are UUIDs without dashes; one that a caller chose may be anything.
            correlation: Uuid::parse_str(&self.id.0).ok(),
            causation: None,
            traceparent: Some(self.trace.traceparent()),
        }
    }
}

/// Who acts, as events name them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// `staff:ID` or `patient`.
    pub name: String,
    /// The role of a member of the staff.
    pub role: Option<String>,
}

impl From<String> for Actor {
    /// Somebody without a role.
    fn from(name: String) -> Actor {
        Actor { name, role: None }
    }
}

/// A member of the staff, as events name one.
pub fn staff(caller: &Caller) -> Actor {
    Actor { name: format!("staff:{}", caller.subject), role: Some(caller.role.to_string()) }
}

/// Writes down that the caller is about to see these things; for every answer to staff that is not itself a change.
/// `action` is `<thing>.<verb>`. Nothing may be shown where this fails: 503.
pub async fn saw(
    audit: &Audit,
    (caller, cause): (&Caller, &Cause),
    action: &'static str,
    ids: Vec<Uuid>,
) -> Result<(), Problem> {
    let written = audit.saw(&cause.meta(staff(caller)), &caller.account, action, ids).await;
    written.map_err(|error| Problem::unavailable(&error, SHORTLY))
}

/// The client's name for a command, where it gave one.
pub fn repeatable(caller: &Caller, key: Option<Key>) -> Option<Repeatable> {
    key.map(|key| Repeatable {
        account: caller.account.as_str().to_owned(),
        principal: caller.subject.clone(),
        key: key.key,
        fingerprint: key.fingerprint,
    })
}

/// A command that got no answer.
pub fn unanswered(error: &Unanswered) -> Problem {
    match error {
        Unanswered::Busy(_) => Problem::unavailable(error, SHORTLY),
        Unanswered::Failed(_) => Problem::internal(error),
    }
}

/// A read that failed.
pub fn lost(error: impl Into<Abort>) -> Problem {
    unanswered(&Unanswered::from(error.into()))
}
