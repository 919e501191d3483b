//! `Idempotency-Key`: the caller's promise that a repeated POST is the same POST.
//!
//! Here the key is read and the request reduced to a fingerprint. Remembering both belongs into the
//! transaction of the command, and so to the store.

use crate::problem::Problem;
use aws_lc_rs::hmac;
use axum::extract::{FromRef, FromRequestParts, OriginalUri};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode, Uri};
use std::fmt;
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::Type;
use utoipa::openapi::{ObjectBuilder, Required};

/// The server's key for fingerprints. A plain hash would let anyone with the table guess a body that
/// holds a date of birth; the key is not kept in the database.
#[derive(Clone)]
pub struct FingerprintKey(hmac::Key);

impl FingerprintKey {
    /// From 32 bytes of the data directory's own.
    pub fn new(key: &[u8; 32]) -> Self {
        FingerprintKey(hmac::Key::new(hmac::HMAC_SHA256, key))
    }
}

impl fmt::Debug for FingerprintKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<key>")
    }
}

/// The header as it came, with the fingerprint begun over method, path and query; the body is still
/// to be added. A header that is no key: 400 `idempotency_key_invalid`.
pub struct IdempotencyKey(Option<(String, hmac::Context)>);

/// A key, and the fingerprint of the request it came with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The caller's key: 1 to 255 visible ASCII characters. Unique per clinic and caller, not alone.
    pub key: String,
    /// HMAC-SHA256 over method, path, query and body.
    pub fingerprint: [u8; 32],
}

impl IdempotencyKey {
    /// The key with the fingerprint of the whole request; `None` where the caller sent no key.
    pub fn over(mut self, body: &[u8]) -> Option<Key> {
        self.update(body);
        self.finish()
    }

    /// Adds a piece of a body that is read as a stream.
    pub fn update(&mut self, piece: &[u8]) {
        if let Some((_, context)) = &mut self.0 {
            context.update(piece);
        }
    }

    /// Ends the fingerprint.
    pub fn finish(self) -> Option<Key> {
        let (key, context) = self.0?;
        let mut fingerprint = [0; 32];
        fingerprint.copy_from_slice(context.sign().as_ref());
        Some(Key { key, fingerprint })
    }

    fn begin(key: &FingerprintKey, header: &[u8], method: &Method, uri: &Uri) -> Option<Self> {
        let visible = (1..=255).contains(&header.len()) && header.iter().all(u8::is_ascii_graphic);
        let text = std::str::from_utf8(header).ok().filter(|_| visible)?;
        let mut context = hmac::Context::with_key(&key.0);
        // The query counts: `?dry_run=true` asks for something else with the same body. Neither part can
        // hold a line feed, so no two requests run together.
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        for part in [method.as_str(), "\n", path, "\n"] {
            context.update(part.as_bytes());
        }
        Some(IdempotencyKey(Some((text.to_owned(), context))))
    }
}

impl<S: Sync> FromRequestParts<S> for IdempotencyKey
where
    FingerprintKey: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let mut given = parts.headers.get_all("idempotency-key").iter();
        let Some(header) = given.next() else {
            return Ok(IdempotencyKey(None));
        };
        if given.next().is_some() {
            return Err(invalid());
        }
        // A nested router sees its own part of the path only.
        let uri = parts.extensions.get::<OriginalUri>().map_or(&parts.uri, |original| &original.0);
        let key = FingerprintKey::from_ref(state);
        IdempotencyKey::begin(&key, header.as_bytes(), &parts.method, uri).ok_or_else(invalid)
    }
}

fn invalid() -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "idempotency_key_invalid", "This is no idempotency key")
        .detail("Send one Idempotency-Key of 1 to 255 visible ASCII characters, such as a UUID.")
}

/// 422 `idempotency_key_reused`: the key came with another request before.
pub fn key_reused() -> Problem {
    let status = StatusCode::UNPROCESSABLE_ENTITY;
    Problem::new(status, "idempotency_key_reused", "This idempotency key belongs to another request")
        .detail("Make a new key for every new request, and keep it only for repetitions.")
}

impl IntoParams for IdempotencyKey {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let schema = ObjectBuilder::new()
            .schema_type(Type::String)
            .min_length(Some(1))
            .max_length(Some(255))
            .pattern(Some("^[!-~]+$"));
        let parameter = ParameterBuilder::new()
            .name("Idempotency-Key")
            .parameter_in(ParameterIn::Header)
            .required(Required::False)
            .description(Some("Makes it safe to repeat this request for 24 hours."))
            .schema(Some(schema));
        vec![parameter.build()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fingerprint(server: u8, method: Method, uri: &'static str, body: &[u8]) -> [u8; 32] {
        let key = FingerprintKey::new(&[server; 32]);
        let begun = IdempotencyKey::begin(&key, b"k1", &method, &Uri::from_static(uri)).expect("a key");
        begun.over(body).expect("a key").fingerprint
    }

    #[test]
    fn every_part_of_the_request_counts_and_nothing_else() {
        let first = fingerprint(1, Method::POST, "/api/patients", b"{}");
        assert_eq!(first, fingerprint(1, Method::POST, "/api/patients", b"{}"));
        for other in [
            fingerprint(2, Method::POST, "/api/patients", b"{}"),
            fingerprint(1, Method::PUT, "/api/patients", b"{}"),
            fingerprint(1, Method::POST, "/api/patients?dry_run=true", b"{}"),
            fingerprint(1, Method::POST, "/api/patients", b"{ }"),
        ] {
            assert_ne!(first, other);
        }
    }

    #[test]
    fn a_body_in_pieces_is_the_same_body() {
        let key = FingerprintKey::new(&[1; 32]);
        let begin =
            || IdempotencyKey::begin(&key, b"k1", &Method::POST, &Uri::from_static("/x")).expect("a key");
        let mut pieces = begin();
        pieces.update(b"ab");
        pieces.update(b"c");
        assert_eq!(pieces.finish(), begin().over(b"abc"));
    }

    #[test]
    fn keys_that_are_none() {
        let key = FingerprintKey::new(&[1; 32]);
        for bad in [&b""[..], b"a b", b"\xffa", "ü".as_bytes(), &[b'x'; 256]] {
            assert!(IdempotencyKey::begin(&key, bad, &Method::POST, &Uri::from_static("/x")).is_none());
        }
        assert!(IdempotencyKey::begin(&key, &[b'x'; 255], &Method::POST, &Uri::from_static("/x")).is_some());
    }
}
