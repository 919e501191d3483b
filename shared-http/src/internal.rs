//! The guard of `/internal/*`: a token shared between neighbours.

use crate::auth::SetupError;
use crate::caller::{bearer, token_invalid};
use crate::problem::Problem;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use std::sync::Arc;

/// The tokens that open `/internal/*`. Several, so that one can be exchanged without an outage.
#[derive(Clone)]
pub struct ServiceToken(Arc<[[u8; 32]]>);

impl ServiceToken {
    /// From one or more tokens of at least 32 characters each; only their hashes are kept.
    pub fn new<'a>(tokens: impl IntoIterator<Item = &'a str>) -> Result<Self, SetupError> {
        let hash =
            |token: &str| if token.len() < 32 { Err(SetupError::ServiceToken) } else { Ok(sha256(token)) };
        let hashes = tokens.into_iter().map(hash).collect::<Result<Arc<[_]>, _>>()?;
        if hashes.is_empty() { Err(SetupError::ServiceToken) } else { Ok(ServiceToken(hashes)) }
    }

    /// Hashes are compared, in constant time, so that neither content nor length of a token leaks.
    fn opens(&self, given: &str) -> bool {
        let given = sha256(given);
        self.0.iter().fold(false, |opened, token| verify_slices_are_equal(token, &given).is_ok() | opened)
    }
}

fn sha256(text: &str) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
    hash
}

/// Proof that a neighbour of ours asks. As an extractor it needs a [`ServiceToken`] in the state; for a
/// whole router use `axum::middleware::from_extractor_with_state::<ServiceCall, _>(state)`.
#[derive(Debug, Clone, Copy)]
pub struct ServiceCall;

impl<S: Send + Sync> FromRequestParts<S> for ServiceCall
where
    ServiceToken: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let token = bearer(&parts.headers)?;
        if ServiceToken::from_ref(state).opens(token) { Ok(ServiceCall) } else { Err(token_invalid()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_token_opens_with_any_of_its_texts_and_no_other() {
        let (first, second) = ("a".repeat(32), "b".repeat(32));
        let token = ServiceToken::new([first.as_str(), &second]).expect("tokens");
        assert!(token.opens(&first) && token.opens(&second));
        assert!(!token.opens("") && !token.opens(&first[1..]) && !token.opens(&"c".repeat(32)));
        assert!(ServiceToken::new(["short"]).is_err());
        assert!(ServiceToken::new([]).is_err());
    }
}
