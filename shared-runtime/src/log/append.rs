//! Appending: sealed, in one statement, refused whole where a stream has moved on.

use super::{LARGEST_EVENT, Log, LogError, Meta};
use crate::db::{Rows, Tx};
use crate::keys::{DataKey, Found, seal};
use chrono::{DateTime, Utc};
use serde_json::Value;
use shared_events::{AccountId, Event, personal};
use sqlx::types::Json;
use std::collections::HashMap;
use uuid::Uuid;

/// An event about to be appended.
#[derive(Debug, Clone)]
pub struct NewEvent {
    /// Its identity: new, or derived from its cause so that a repetition is found out.
    pub id: Uuid,
    /// The stream.
    pub stream: Uuid,
    /// Its place in the stream, from 1: one more than the state it was decided from.
    pub version: i64,
    /// The clinic.
    pub account: AccountId,
    /// The key of the person it is about; needed where the event has personal fields.
    pub key: Option<Uuid>,
    /// When it happened.
    pub occurred_at: DateTime<Utc>,
    /// Who and what caused it.
    pub meta: Meta,
    /// What happened.
    pub event: Event,
}

struct Sealed<'a> {
    new: &'a NewEvent,
    data: Value,
    sealed: Option<Vec<u8>>,
}

impl Log {
    /// Appends the events in order, in the given transaction. [`LogError::Conflict`] where any stream
    /// already has such a version or any id is taken; the transaction must then be rolled back.
    pub async fn append(&self, tx: &mut Tx, events: &[NewEvent]) -> Result<(), LogError> {
        if events.is_empty() {
            return Ok(());
        }
        let keys = self.keys_of(events).await?;
        let sealed = events.iter().map(|new| seal_one(new, &keys)).collect::<Result<Vec<_>, _>>()?;
        let now = self.clock.now();
        let rows = Rows::of("events")
            .from(&sealed, "event_id", |e| e.new.id)
            .from(&sealed, "stream_id", |e| e.new.stream)
            .from(&sealed, "stream_type", |e| e.new.event.kind().aggregate.to_owned())
            .from(&sealed, "version", |e| e.new.version)
            .from(&sealed, "type", |e| e.new.event.kind().name.to_owned())
            .from(&sealed, "schema_ver", |e| i64::from(e.new.event.kind().version))
            .from(&sealed, "account_id", |e| e.new.account.as_str().to_owned())
            .from(&sealed, "data", |e| Json(e.data.clone()))
            .from(&sealed, "sealed", |e| e.sealed.clone())
            .from(&sealed, "key_id", |e| e.sealed.as_ref().and(e.new.key))
            .from(&sealed, "meta", |e| Json(serde_json::to_value(&e.new.meta).unwrap_or_default()))
            .from(&sealed, "occurred_at", |e| e.new.occurred_at)
            .from(&sealed, "recorded_at", |_| now);
        let rows = match tx {
            Tx::Postgres(_) => rows,
            // SQLite has one writer, so the order of commits is known here and now.
            Tx::Sqlite(sqlite) => {
                let count = i64::try_from(sealed.len()).unwrap_or(i64::MAX);
                let next: i64 =
                    sqlx::query_scalar("update relay set next_seq = next_seq + $1 returning next_seq")
                        .bind(count)
                        .fetch_one(&mut **sqlite)
                        .await?;
                rows.with("global_seq", (next - count..next).collect::<Vec<i64>>())
            }
        };
        let inserted = tx.insert(rows, "on conflict do nothing").await?;
        if inserted == sealed.len() as u64 { Ok(()) } else { Err(LogError::Conflict) }
    }

    async fn keys_of(&self, events: &[NewEvent]) -> Result<HashMap<Uuid, Found>, LogError> {
        let ids: Vec<Uuid> = events.iter().filter_map(|new| new.key).collect();
        Ok(self.keys.find(&ids).await?)
    }
}

fn seal_one<'a>(new: &'a NewEvent, keys: &HashMap<Uuid, Found>) -> Result<Sealed<'a>, LogError> {
    let mut data = new.event.to_data();
    let sealed = match personal::split(&mut data) {
        None => None,
        Some(fields) => match new.key.and_then(|id| keys.get(&id)) {
            Some(Found::Key(key)) => Some(seal_fields(key, new.id, &fields)),
            // The person was erased between the decision and this moment: decide again.
            Some(Found::Erased) | None => return Err(LogError::Conflict),
        },
    };
    let size = data.to_string().len() + sealed.as_ref().map_or(0, Vec::len);
    if size > LARGEST_EVENT {
        return Err(LogError::TooLarge(size));
    }
    Ok(Sealed { new, data, sealed })
}

fn seal_fields(key: &DataKey, event: Uuid, fields: &Value) -> Vec<u8> {
    seal::seal(&key.key, &aad(event), fields.to_string().into_bytes())
}

/// A block opens only as the personal member of the event it was sealed for.
pub(crate) fn aad(event: Uuid) -> Vec<u8> {
    [event.as_bytes().as_slice(), personal::MEMBER.as_bytes()].concat()
}
