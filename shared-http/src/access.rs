//! Which role each operation needs: said once, in its description, and held to by [`guard`].
//!
//! A handler says `security(("bearer" = ["admin"]))` in its `utoipa::path`. One that says nothing needs a viewer to read
//! and staff to change. `security(())` is for everybody, and any other scheme is the handler's own business. So what is
//! documented is what is asked for, and it is asked before anything else of the request is looked at.

use crate::auth::Verifier;
use crate::caller::{Caller, Role, bearer};
use crate::openapi::{BEARER, operations};
use crate::problem::Problem;
use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::Method;
use axum::http::request::Parts;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use std::collections::HashMap;
use std::sync::Arc;
use utoipa::openapi::OpenApi;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::SecurityRequirement;

/// The caller whom the guard let in.
#[derive(Clone)]
pub(crate) struct LetIn(pub Caller);

/// The role an operation needs; none where it is not for staff.
pub(crate) fn role(operation: &Operation, changes: bool) -> Option<Role> {
    let Some(schemes) = &operation.security else { return Some(default(changes)) };
    schemes.iter().find_map(|scheme| {
        let scheme = serde_json::to_value(scheme).ok()?;
        let scopes = scheme.get(BEARER)?;
        Some(match scopes.get(0) {
            None => default(changes),
            // A word that is no role lets nobody in by mistake.
            Some(word) => serde_json::from_value(word.clone()).unwrap_or(Role::Admin),
        })
    })
}

fn default(changes: bool) -> Role {
    if changes { Role::Staff } else { Role::Viewer }
}

/// Writes the role into the operation, where every reader of the document finds it.
pub(crate) fn declare(operation: &mut Operation, changes: bool) {
    if let Some(role) = role(operation, changes) {
        operation.security = Some(vec![SecurityRequirement::new(BEARER, [role.to_string()])]);
    }
}

#[derive(Clone)]
struct Guard {
    needed: Arc<HashMap<(Method, String), Role>>,
    verifier: Verifier,
}

/// Lets nobody through to an operation without the role that `document` says it needs: 401, or 403
/// `role_insufficient`.
pub fn guard<S: Clone + Send + Sync + 'static>(
    router: Router<S>,
    document: &OpenApi,
    verifier: Verifier,
) -> Router<S> {
    let mut needed = HashMap::new();
    for (path, item) in &mut document.clone().paths.paths {
        for (method, operation) in operations(item) {
            if let Some(role) = role(operation, !method.is_safe()) {
                needed.insert((method, path.clone()), role);
            }
        }
    }
    router.route_layer(from_fn_with_state(Guard { needed: Arc::new(needed), verifier }, guarded))
}

async fn guarded(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    match guard.look(&parts).await {
        Ok(None) => {}
        Ok(Some(caller)) => drop(parts.extensions.insert(LetIn(caller))),
        Err(problem) => return problem.into_response(),
    }
    next.run(Request::from_parts(parts, body)).await
}

impl Guard {
    async fn look(&self, parts: &Parts) -> Result<Option<Caller>, Problem> {
        // HEAD is answered by what answers GET.
        let method = if parts.method == Method::HEAD { Method::GET } else { parts.method.clone() };
        let path = parts.extensions.get::<MatchedPath>().map(MatchedPath::as_str).unwrap_or_default();
        let Some(needed) = self.needed.get(&(method, path.to_owned())) else { return Ok(None) };
        let caller = self.verifier.verify(bearer(&parts.headers)?).await?;
        caller.require(*needed)?;
        Ok(Some(caller))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needs(schemes: Vec<SecurityRequirement>) -> Option<Role> {
        let mut operation = Operation::new();
        operation.security = Some(schemes);
        role(&operation, true)
    }

    #[test]
    fn a_word_that_is_no_role_lets_admins_in_alone() {
        assert_eq!(needs(vec![SecurityRequirement::new(BEARER, ["viewer"])]), Some(Role::Viewer));
        assert_eq!(needs(vec![SecurityRequirement::new(BEARER, ["everyone"])]), Some(Role::Admin));
        assert_eq!(needs(vec![SecurityRequirement::new(BEARER, Vec::<String>::new())]), Some(Role::Staff));
    }

    #[test]
    fn other_schemes_are_the_handlers_own_business() {
        assert_eq!(needs(vec![SecurityRequirement::default()]), None);
        assert_eq!(needs(vec![SecurityRequirement::new("session", Vec::<String>::new())]), None);
    }
}
