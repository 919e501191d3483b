//! Keyset pages: where the next page begins, sealed.
//!
//! A list sorted by name has a patient's name in its cursor, and a cursor stands in a URL, where
//! proxies write it down. So it is encrypted, and bound to the clinic and the query it was made for.
//! A table of cursors on our side would do too, at the price of a write for every read.

use crate::problem::Problem;
use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::digest::{SHA256, digest};
use axum::http::StatusCode;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::{DeserializeOwned, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use shared_events::AccountId;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use utoipa::openapi::schema::Type;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// The server's key for cursors. One per data directory, alike on all copies of a service, so that any
/// of them can go on with a page another one began. Random nonces are safe for 2^32 cursors of a key.
#[derive(Clone)]
pub struct CursorKey(Arc<RandomizedNonceKey>);

/// A cursor's place: which clinic, which list, which filters and sort. A cursor opens in its place only.
#[derive(Clone)]
pub struct CursorScope(Vec<u8>);

/// For `#[serde(skip_serializing_if)]` on limit and cursor: they say which page of a query, and are no part of it.
/// (`skip_serializing` would keep them out of the API's description, too.)
pub fn place_of_a_page<T>(_: &T) -> bool {
    true
}

impl CursorScope {
    /// `query` is everything that decides which rows come in which order: filters and sort, but neither
    /// the cursor nor the limit.
    pub fn new(clinic: &AccountId, list: &str, query: &impl Serialize) -> Result<Self, Problem> {
        let query = serde_json::to_vec(query).map_err(|error| Problem::internal(&error))?;
        let place = (clinic.as_str(), list, digest(&SHA256, &query).as_ref().to_vec());
        serde_json::to_vec(&place).map(CursorScope).map_err(|error| Problem::internal(&error))
    }
}

impl CursorKey {
    /// From 32 bytes of the data directory's own.
    pub fn new(key: &[u8; 32]) -> Result<Self, aws_lc_rs::error::Unspecified> {
        Ok(CursorKey(Arc::new(RandomizedNonceKey::new(&AES_256_GCM, key)?)))
    }

    /// Seals the sort key of a page's last row.
    pub fn seal(&self, scope: &CursorScope, last: &impl Serialize) -> Result<String, Problem> {
        let mut sealed = serde_json::to_vec(last).map_err(|error| Problem::internal(&error))?;
        let nonce = self
            .0
            .seal_in_place_append_tag(Aad::from(&scope.0), &mut sealed)
            .map_err(|error| Problem::internal(&error))?;
        let mut cursor = nonce.as_ref().to_vec();
        cursor.append(&mut sealed);
        Ok(URL_SAFE_NO_PAD.encode(cursor))
    }

    /// Opens a cursor, or 400 `cursor_invalid`: not ours, tampered with, or of another query or clinic.
    pub fn open<T: DeserializeOwned>(&self, scope: &CursorScope, cursor: &str) -> Result<T, Problem> {
        self.try_open(scope, cursor).ok_or_else(cursor_invalid)
    }

    fn try_open<T: DeserializeOwned>(&self, scope: &CursorScope, cursor: &str) -> Option<T> {
        let mut bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let (nonce, sealed) = bytes.split_at_mut_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let opened = self.0.open_in_place(nonce, Aad::from(&scope.0), sealed).ok()?;
        // A shape of an older version of ours is a cursor to begin again from, not a failure.
        serde_json::from_slice(opened).ok()
    }
}

impl fmt::Debug for CursorKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<key>")
    }
}

fn cursor_invalid() -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "cursor_invalid", "This cursor does not belong to this list")
        .detail("A cursor goes on with the query it was given for. Begin again without it.")
}

/// One page of a list.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// Where the next page begins; null on the last page.
    #[schema(required)]
    pub next_cursor: Option<String>,
}

impl<T> Page<T> {
    /// Makes a page of rows that were asked for with [`Limit::and_one`]: the one too many only tells that
    /// there is a next page, which begins after the last row kept.
    pub fn cut<K: Serialize>(
        mut rows: Vec<T>,
        limit: Limit,
        key: &CursorKey,
        scope: &CursorScope,
        last: impl FnOnce(&T) -> K,
    ) -> Result<Self, Problem> {
        let more = rows.len() > limit.rows();
        rows.truncate(limit.rows());
        let next_cursor = match rows.last() {
            Some(row) if more => Some(key.seal(scope, &last(row))?),
            _ => None,
        };
        Ok(Page { items: rows, next_cursor })
    }

    /// The same page with its rows rendered.
    pub fn map<U>(self, render: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(render).collect(), next_cursor: self.next_cursor }
    }
}

/// How many rows a page has: 1 to 200, 50 where nobody says. Fields of it say `#[serde(default)]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Limit(u16);

impl Limit {
    /// Rows of a page.
    pub fn rows(self) -> usize {
        self.0.into()
    }

    /// What to ask the database for: one row more, to know whether there is a next page.
    pub fn and_one(self) -> i64 {
        i64::from(self.0) + 1
    }
}

impl Default for Limit {
    fn default() -> Self {
        Limit(50)
    }
}

impl<'de> Deserialize<'de> for Limit {
    /// From text as well as from a number: a query has only text once serde has flattened it.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Rows;
        impl Visitor<'_> for Rows {
            type Value = Limit;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number from 1 to 200")
            }

            fn visit_u64<E: serde::de::Error>(self, rows: u64) -> Result<Limit, E> {
                match u16::try_from(rows) {
                    Ok(rows @ 1..=200) => Ok(Limit(rows)),
                    _ => Err(E::invalid_value(serde::de::Unexpected::Unsigned(rows), &self)),
                }
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Limit, E> {
                let rows =
                    text.parse().map_err(|_| E::invalid_value(serde::de::Unexpected::Str(text), &self))?;
                self.visit_u64(rows)
            }
        }
        deserializer.deserialize_any(Rows)
    }
}

impl PartialSchema for Limit {
    fn schema() -> RefOr<Schema> {
        let rows = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1)).maximum(Some(200));
        rows.default(Some(50.into())).into()
    }
}

impl ToSchema for Limit {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Limit")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clinic(id: &str) -> AccountId {
        AccountId::parse(id).expect("a clinic")
    }

    fn scope(id: &str, list: &str, query: &str) -> CursorScope {
        CursorScope::new(&clinic(id), list, &query).expect("a scope")
    }

    fn key() -> CursorKey {
        CursorKey::new(&[7; 32]).expect("a key")
    }

    #[test]
    fn a_cursor_opens_in_its_place_only() {
        let place = scope("c1", "patients", "sort=name");
        let cursor = key().seal(&place, &("Example", 3)).expect("sealed");
        assert!(!cursor.contains("Example") && !cursor.contains('='));
        assert_eq!(key().open::<(String, i64)>(&place, &cursor).expect("opened"), ("Example".to_owned(), 3));

        for other in [
            scope("c2", "patients", "sort=name"),
            scope("c1", "invites", "sort=name"),
            scope("c1", "patients", "sort=-name"),
        ] {
            let problem = key().open::<(String, i64)>(&other, &cursor).expect_err("foreign");
            assert_eq!(problem.code(), "cursor_invalid");
        }
        let stranger = CursorKey::new(&[8; 32]).expect("a key");
        assert!(stranger.open::<(String, i64)>(&place, &cursor).is_err());
        assert!(key().open::<Vec<String>>(&place, &cursor).is_err());
    }

    #[test]
    fn a_single_flipped_bit_is_seen() {
        let place = scope("c1", "patients", "");
        let cursor = key().seal(&place, &"x").expect("sealed");
        let bytes = URL_SAFE_NO_PAD.decode(&cursor).expect("base64");
        for bit in 0..bytes.len() * 8 {
            let mut forged = bytes.clone();
            forged[bit / 8] ^= 1 << (bit % 8);
            assert!(key().open::<String>(&place, &URL_SAFE_NO_PAD.encode(forged)).is_err(), "bit {bit}");
        }
        for junk in ["", "x", "%", "AAAA", &cursor[1..], &cursor[..cursor.len() - 4]] {
            assert!(key().open::<String>(&place, junk).is_err(), "{junk}");
        }
    }

    #[test]
    fn the_row_too_many_is_cut_and_told_by_a_cursor() {
        let (key, place) = (key(), scope("c1", "patients", ""));
        let cut = |rows| Page::cut(rows, Limit(2), &key, &place, |row: &i64| *row).expect("a page");
        assert_eq!(cut(vec![1, 2]).next_cursor, None);
        assert_eq!(cut(vec![]).next_cursor, None);
        let page = cut(vec![1, 2, 3]);
        assert_eq!(page.items, [1, 2]);
        assert_eq!(key.open::<i64>(&place, &page.next_cursor.expect("more")).expect("opened"), 2);
    }

    #[test]
    fn limits_within_bounds_are_read_from_text_and_numbers() {
        for (text, rows) in
            [("1", Some(1)), ("200", Some(200)), ("\"7\"", Some(7)), ("0", None), ("201", None)]
        {
            assert_eq!(serde_json::from_str(text).ok().map(Limit::rows), rows, "{text}");
        }
        assert!(serde_json::from_str::<Limit>("\"s3cret\"").is_err());
        assert!(serde_json::from_str::<Limit>("-1").is_err());
    }
}
