//! Who asks: the bearer token behind a caller, and the token that guards internal routes.
//!
//! The algorithm is pinned by configuration and never taken from the token: `none`, or an HMAC made
//! with our public key as its secret, is refused before any key is looked at.

use crate::jwks::{Jwks, Lookup};
use crate::problem::Problem;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use chrono::{DateTime, Utc};
use jsonwebtoken::{DecodingKey, Validation};
use serde::{Deserialize, Serialize};
use shared_events::AccountId;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use utoipa::ToSchema;

/// Tells the time. An argument, so that tests age tokens without waiting.
pub type Clock = Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>;

/// How far the issuer's clock may be from ours, in seconds.
const LEEWAY: f64 = 30.0;
/// No honest token of ours comes near this many bytes.
const TOKEN_BYTES: usize = 8 * 1024;

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

/// The one algorithm tokens are signed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// Ed25519.
    EdDSA,
    /// ECDSA on P-256.
    ES256,
    /// RSA, PKCS #1 v1.5, for issuers that have nothing newer.
    RS256,
}

impl From<Algorithm> for jsonwebtoken::Algorithm {
    fn from(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::EdDSA => jsonwebtoken::Algorithm::EdDSA,
            Algorithm::ES256 => jsonwebtoken::Algorithm::ES256,
            Algorithm::RS256 => jsonwebtoken::Algorithm::RS256,
        }
    }
}

/// Where the issuer's public keys come from.
#[derive(Debug, Clone)]
pub enum KeySource {
    /// One public key as PEM (`BEGIN PUBLIC KEY`). A token's `kid` is not looked at.
    Pem(String),
    /// The address of a JWK set: https, or http on loopback. Every token must name its `kid`.
    Jwks(String),
}

/// What a token must be to be believed.
#[derive(Debug, Clone)]
pub struct VerifierConfig {
    /// The issuer's keys.
    pub keys: KeySource,
    /// The `iss` every token must have.
    pub issuer: String,
    /// The `aud` every token must have, alone or among others.
    pub audience: String,
    /// The pinned algorithm.
    pub algorithm: Algorithm,
}

/// Why keys or tokens could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The text is no PEM key of the configured algorithm.
    #[error("the key is no PEM key of the configured algorithm")]
    Key,
    /// The key set's address is neither https nor http on loopback.
    #[error("the address of the key set must be https, or http on loopback")]
    JwksAddress,
    /// The HTTP client for the key set could not be made.
    #[error("no HTTP client for the key set")]
    Client(#[source] reqwest::Error),
    /// An internal token is too short to resist guessing.
    #[error("a service token needs at least 32 characters")]
    ServiceToken,
}

enum Keys {
    One(Box<DecodingKey>),
    Set(Box<Jwks>),
}

/// Checks tokens. Cheap to clone; lives in the state.
#[derive(Clone)]
pub struct Verifier(Arc<Inner>);

struct Inner {
    keys: Keys,
    validation: Validation,
    clock: Clock,
}

/// The claims we read. `iss` and `aud` are checked by the library.
#[derive(Deserialize)]
struct Read {
    exp: f64,
    nbf: Option<f64>,
    sub: String,
    account_id: AccountId,
    role: Role,
    name: Option<String>,
}

impl Verifier {
    /// A verifier. A key set is fetched when the first token comes, so that a service starts while its
    /// issuer is away.
    pub fn new(config: VerifierConfig, clock: Clock) -> Result<Self, SetupError> {
        let keys = match &config.keys {
            KeySource::Pem(pem) => Keys::One(Box::new(read_pem(pem, config.algorithm)?)),
            KeySource::Jwks(url) => Keys::Set(Box::new(Jwks::new(url, config.algorithm, clock.clone())?)),
        };
        let mut validation = Validation::new(config.algorithm.into());
        validation.set_issuer(&[config.issuer]);
        validation.set_audience(&[config.audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        // The library would ask the machine for the time; ours is checked in `within_its_time`.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        Ok(Verifier(Arc::new(Inner { keys, validation, clock })))
    }

    /// The caller behind a token. Why a token is bad is told to nobody: it only helps forgers.
    pub async fn verify(&self, token: &str) -> Result<Caller, Problem> {
        if token.len() > TOKEN_BYTES {
            return Err(token_invalid());
        }
        let header = jsonwebtoken::decode_header(token).map_err(|_| token_invalid())?;
        // `crit` names extensions we must understand, and we understand none (RFC 7515, 4.1.11).
        if header.crit.is_some() || !self.0.validation.algorithms.contains(&header.alg) {
            return Err(token_invalid());
        }
        let key = self.key(header.kid.as_deref()).await?;
        let read =
            jsonwebtoken::decode::<Read>(token, &key, &self.0.validation).map_err(|_| token_invalid())?;
        self.within_its_time(&read.claims)?;
        let Read { sub, account_id, role, name, .. } = read.claims;
        if sub.is_empty() {
            return Err(token_invalid());
        }
        Ok(Caller { account: account_id, subject: sub, role, name })
    }

    async fn key(&self, kid: Option<&str>) -> Result<DecodingKey, Problem> {
        match (&self.0.keys, kid) {
            (Keys::One(key), _) => Ok((**key).clone()),
            (Keys::Set(_), None) => Err(token_invalid()),
            (Keys::Set(set), Some(kid)) => set.key(kid).await.map_err(|lookup| match lookup {
                Lookup::Unknown => token_invalid(),
                Lookup::Away => keys_unavailable(),
            }),
        }
    }

    fn within_its_time(&self, claims: &Read) -> Result<(), Problem> {
        let now = (self.0.clock)().timestamp_millis() as f64 / 1000.0;
        if claims.nbf.is_some_and(|from| from > now + LEEWAY) {
            return Err(token_invalid());
        }
        if claims.exp + LEEWAY <= now {
            return Err(token_expired());
        }
        Ok(())
    }
}

fn read_pem(pem: &str, algorithm: Algorithm) -> Result<DecodingKey, SetupError> {
    match algorithm {
        Algorithm::EdDSA => DecodingKey::from_ed_pem(pem.as_bytes()),
        Algorithm::ES256 => DecodingKey::from_ec_pem(pem.as_bytes()),
        Algorithm::RS256 => DecodingKey::from_rsa_pem(pem.as_bytes()),
    }
    .map_err(|_| SetupError::Key)
}

impl<S: Send + Sync> FromRequestParts<S> for Caller
where
    Verifier: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let token = bearer(&parts.headers)?;
        Verifier::from_ref(state).verify(token).await
    }
}

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

/// The one bearer token of a request. Two of them are none: proxies disagree on which one counts.
fn bearer(headers: &HeaderMap) -> Result<&str, Problem> {
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

fn token_missing() -> Problem {
    unauthorized("token_missing", "Sign in first", "Bearer realm=\"patient-first\"")
        .detail("Send Authorization: Bearer and a token.")
}

fn token_invalid() -> Problem {
    let challenge = "Bearer realm=\"patient-first\", error=\"invalid_token\"";
    unauthorized("token_invalid", "This token is not accepted", challenge)
}

fn token_expired() -> Problem {
    let challenge = "Bearer realm=\"patient-first\", error=\"invalid_token\", error_description=\"expired\"";
    unauthorized("token_expired", "This token has expired", challenge).detail("Sign in again.")
}

fn keys_unavailable() -> Problem {
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
