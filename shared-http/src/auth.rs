//! Whether a token is believed.
//!
//! The algorithm is pinned by configuration and never taken from the token: `none`, or an HMAC made
//! with our public key as its secret, is refused before any key is looked at.

use crate::caller::{Caller, Role, keys_unavailable, token_expired, token_invalid};
use crate::jwks::{Jwks, Lookup};
use crate::problem::Problem;
use chrono::{DateTime, Utc};
use jsonwebtoken::{DecodingKey, Validation};
use serde::Deserialize;
use shared_events::AccountId;
use std::sync::Arc;

/// Tells the time. An argument, so that tests age tokens without waiting.
pub type Clock = Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>;

/// How far the issuer's clock may be from ours, in seconds.
const LEEWAY: f64 = 30.0;
/// No honest token of ours comes near this many bytes.
const TOKEN_BYTES: usize = 8 * 1024;

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
