//! Tokens of our own, for the embedded default and for tests. Elsewhere the gateway issues them.

use crate::auth::{Clock, SetupError};
use crate::caller::Role;
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chrono::TimeDelta;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;
use shared_events::AccountId;

/// Makes an Ed25519 key: the private one as PKCS #8 PEM, and the public one as PEM.
pub fn generate_signing_key() -> Result<(String, String), Unspecified> {
    let pair = Ed25519KeyPair::generate()?;
    Ok((pem("PRIVATE KEY", pair.to_pkcs8v1()?.as_ref()), public_pem(&pair)?))
}

fn public_pem(pair: &Ed25519KeyPair) -> Result<String, Unspecified> {
    let der: PublicKeyX509Der = pair.public_key().as_der()?;
    Ok(pem("PUBLIC KEY", der.as_ref()))
}

/// An Ed25519 key fits one line of PEM's 64 characters.
fn pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
}

/// Whom a token speaks for.
#[derive(Debug, Clone)]
pub struct Claims {
    /// The clinic.
    pub account: AccountId,
    /// The issuer's name for the person.
    pub subject: String,
    /// What the person may do.
    pub role: Role,
    /// The person's name.
    pub name: Option<String>,
}

/// Signs tokens with a private Ed25519 key.
pub struct Minter {
    key: EncodingKey,
    public: [u8; 32],
    public_pem: String,
    issuer: String,
    audience: String,
    clock: Clock,
}

#[derive(Serialize)]
struct Payload<'a> {
    iss: &'a str,
    aud: &'a str,
    iat: i64,
    exp: i64,
    sub: &'a str,
    account_id: &'a str,
    role: Role,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
}

impl Minter {
    /// From a private key as PKCS #8 PEM.
    pub fn new(private_pem: &str, issuer: &str, audience: &str, clock: Clock) -> Result<Self, SetupError> {
        let key = EncodingKey::from_ed_pem(private_pem.as_bytes()).map_err(|_| SetupError::Key)?;
        let pair = Ed25519KeyPair::from_pkcs8(key.as_bytes()).map_err(|_| SetupError::Key)?;
        let public = pair.public_key().as_ref().try_into().map_err(|_| SetupError::Key)?;
        let public_pem = public_pem(&pair).map_err(|_| SetupError::Key)?;
        Ok(Minter {
            key,
            public,
            public_pem,
            issuer: issuer.to_owned(),
            audience: audience.to_owned(),
            clock,
        })
    }

    /// A token that lives for `ttl` from now.
    pub fn mint(&self, claims: &Claims, ttl: TimeDelta) -> Result<String, SetupError> {
        let now = (self.clock)();
        let payload = Payload {
            iss: &self.issuer,
            aud: &self.audience,
            iat: now.timestamp(),
            exp: (now + ttl).timestamp(),
            sub: &claims.subject,
            account_id: claims.account.as_str(),
            role: claims.role,
            name: claims.name.as_deref(),
        };
        let header = Header { kid: Some(self.kid()), ..Header::new(Algorithm::EdDSA) };
        jsonwebtoken::encode(&header, &payload, &self.key).map_err(|_| SetupError::Key)
    }

    /// The public key as PEM, for [`crate::KeySource::Pem`].
    pub fn public_pem(&self) -> &str {
        &self.public_pem
    }

    /// The key's id: a hash of the public key, so that it follows the key and needs no keeping.
    pub fn kid(&self) -> String {
        URL_SAFE_NO_PAD.encode(&digest(&SHA256, &self.public).as_ref()[..16])
    }

    /// The public key as a member of a JWK set.
    pub fn jwk(&self) -> serde_json::Value {
        serde_json::json!({
            "kty": "OKP",
            "crv": "Ed25519",
            "use": "sig",
            "alg": "EdDSA",
            "kid": self.kid(),
            "x": URL_SAFE_NO_PAD.encode(self.public),
        })
    }
}
