//! The issuer's key set, fetched and remembered.
//!
//! A key that is unknown sends us to the issuer, at most every ten seconds, so that forged key ids
//! cannot make us a flood. A set that is old is asked for again; while the issuer is away the old set
//! goes on: an issuer's outage must not sign everybody out.

use crate::auth::{Algorithm, Clock, SetupError};
use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse};
use reqwest::Url;
use serde::Deserialize;
use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::Mutex;

/// Between two fetches, whatever their outcome.
const PAUSE: TimeDelta = TimeDelta::seconds(10);
/// A set older than this is asked for again, so that a key the issuer took back stops working.
const MAX_AGE: TimeDelta = TimeDelta::minutes(10);
const FETCH_TIME: Duration = Duration::from_secs(3);
const MAX_BYTES: usize = 256 * 1024;

/// Why there is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lookup {
    /// The issuer has no such key.
    Unknown,
    /// The issuer could never be asked: whether the key is good is not known.
    Away,
}

/// A key set at an address.
pub(crate) struct Jwks {
    url: Url,
    client: reqwest::Client,
    algorithm: Algorithm,
    clock: Clock,
    cache: RwLock<Cache>,
    /// Held by the one request that fetches.
    fetching: Mutex<()>,
}

#[derive(Default)]
struct Cache {
    keys: HashMap<String, DecodingKey>,
    fetched: Option<DateTime<Utc>>,
    tried: Option<DateTime<Utc>>,
}

#[derive(Debug, thiserror::Error)]
enum FetchError {
    #[error(transparent)]
    Http(#[from] reqwest::Error),
    #[error("the key set is larger than {MAX_BYTES} bytes")]
    TooLarge,
    #[error("the key set cannot be read: {0}")]
    Malformed(#[from] serde_json::Error),
}

impl Jwks {
    pub(crate) fn new(url: &str, algorithm: Algorithm, clock: Clock) -> Result<Self, SetupError> {
        let url = Url::parse(url).map_err(|_| SetupError::JwksAddress)?;
        let mut client =
            reqwest::Client::builder().timeout(FETCH_TIME).redirect(reqwest::redirect::Policy::none());
        match url.scheme() {
            "https" => client = client.https_only(true),
            "http" if is_loopback(&url) => client = client.no_proxy(),
            _ => return Err(SetupError::JwksAddress),
        }
        let client = client.build().map_err(SetupError::Client)?;
        Ok(Jwks { url, client, algorithm, clock, cache: RwLock::default(), fetching: Mutex::new(()) })
    }

    /// The key of this id. May fetch.
    pub(crate) async fn key(&self, kid: &str) -> Result<DecodingKey, Lookup> {
        let (known, old) = self.read(kid);
        match known {
            Ok(key) if !old => Ok(key),
            // One request asks for the new set; the others go on with what is there.
            Ok(key) => match self.fetching.try_lock() {
                Ok(_guard) => {
                    self.refresh().await;
                    self.read(kid).0
                }
                Err(_) => Ok(key),
            },
            Err(_) => {
                let _guard = self.fetching.lock().await;
                if let (Ok(key), _) = self.read(kid) {
                    return Ok(key);
                }
                self.refresh().await;
                self.read(kid).0
            }
        }
    }

    /// What the cache says, and whether it is time to ask for a new set.
    fn read(&self, kid: &str) -> (Result<DecodingKey, Lookup>, bool) {
        let cache = self.cache.read().unwrap_or_else(PoisonError::into_inner);
        let none = if cache.fetched.is_some() { Lookup::Unknown } else { Lookup::Away };
        let old = self.is_past(cache.fetched, MAX_AGE) && self.is_past(cache.tried, PAUSE);
        (cache.keys.get(kid).cloned().ok_or(none), old)
    }

    /// Without the sign of the difference: a clock set back must not stop us from asking.
    fn is_past(&self, since: Option<DateTime<Utc>>, time: TimeDelta) -> bool {
        since.is_none_or(|since| ((self.clock)() - since).abs() >= time)
    }

    async fn refresh(&self) {
        {
            let mut cache = self.cache.write().unwrap_or_else(PoisonError::into_inner);
            if !self.is_past(cache.tried, PAUSE) {
                return;
            }
            cache.tried = Some((self.clock)());
        }
        match self.fetch().await {
            Ok(keys) => {
                let mut cache = self.cache.write().unwrap_or_else(PoisonError::into_inner);
                cache.keys = keys;
                cache.fetched = Some((self.clock)());
            }
            Err(error) => tracing::warn!(%error, "the issuer's keys could not be fetched"),
        }
    }

    async fn fetch(&self) -> Result<HashMap<String, DecodingKey>, FetchError> {
        #[derive(Deserialize)]
        struct Set {
            keys: Vec<serde_json::Value>,
        }
        let mut response = self.client.get(self.url.clone()).send().await?.error_for_status()?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            if body.len() + chunk.len() > MAX_BYTES {
                return Err(FetchError::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        let set: Set = serde_json::from_slice(&body)?;
        Ok(set.keys.into_iter().filter_map(|key| usable(key, self.algorithm)).collect())
    }
}

/// A key we can check tokens with. Others in the set (for encryption, of another algorithm, of a kind
/// not yet invented) are passed over: a set is shared by many.
fn usable(key: serde_json::Value, algorithm: Algorithm) -> Option<(String, DecodingKey)> {
    let jwk: Jwk = serde_json::from_value(key).ok()?;
    let pinned = KeyAlgorithm::from(jsonwebtoken::Algorithm::from(algorithm));
    let common = &jwk.common;
    let for_signatures = common.public_key_use.as_ref().is_none_or(|usage| *usage == PublicKeyUse::Signature)
        && common
            .key_operations
            .as_ref()
            .is_none_or(|operations| operations.contains(&KeyOperations::Verify));
    let of_algorithm = common.key_algorithm.is_none_or(|stated| stated == pinned);
    let of_kind = match (&jwk.algorithm, algorithm) {
        (AlgorithmParameters::OctetKeyPair(key), Algorithm::EdDSA) => key.curve == EllipticCurve::Ed25519,
        (AlgorithmParameters::EllipticCurve(key), Algorithm::ES256) => key.curve == EllipticCurve::P256,
        (AlgorithmParameters::RSA(_), Algorithm::RS256) => true,
        _ => false,
    };
    if !(for_signatures && of_algorithm && of_kind) {
        return None;
    }
    let key = DecodingKey::from_jwk(&jwk).ok()?;
    Some((jwk.common.key_id?, key))
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::sync::Arc;

    fn at(url: &str) -> Result<Jwks, SetupError> {
        Jwks::new(url, Algorithm::EdDSA, Arc::new(|| DateTime::UNIX_EPOCH))
    }

    #[test]
    fn plain_http_is_for_loopback_only() {
        for good in [
            "https://id.example.org/jwks",
            "http://127.0.0.1:9/jwks",
            "http://[::1]/jwks",
            "http://localhost/j",
        ] {
            assert!(at(good).is_ok(), "{good}");
        }
        for bad in
            ["http://id.example.org/jwks", "http://127.0.0.1.example.org/", "file:///etc/passwd", "jwks"]
        {
            assert!(at(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_keys_for_our_signatures_are_taken() {
        let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
        let key = |more: serde_json::Value| {
            let mut key = json!({"kty": "OKP", "crv": "Ed25519", "kid": "k1", "x": x});
            key.as_object_mut().expect("object").extend(more.as_object().expect("object").clone());
            usable(key, Algorithm::EdDSA).is_some()
        };
        assert!(key(json!({})) && key(json!({"alg": "EdDSA", "use": "sig"})));
        assert!(!key(json!({"use": "enc"})));
        assert!(!key(json!({"alg": "RS256"})));
        assert!(!key(json!({"key_ops": ["sign"]})));
        assert!(!key(json!({"kty": "oct", "k": x})));
        assert!(!key(json!({"kid": null})));
        assert!(usable(json!({"kty": "AKP", "kid": "k2"}), Algorithm::EdDSA).is_none());
    }
}
