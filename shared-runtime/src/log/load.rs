//! Reading streams: the events from which a state is folded.

use super::append::aad;
use super::{Log, LogError, Meta};
use crate::db::Conn;
use crate::fetch_by_ids;
use crate::keys::{Found, seal};
use chrono::{DateTime, Utc};
use serde_json::Value;
use shared_events::{AccountId, Event, personal};
use sqlx::types::Json;
use std::collections::HashMap;
use uuid::Uuid;

/// An event as it stands in the log, opened.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    /// Its identity.
    pub id: Uuid,
    /// Its stream.
    pub stream: Uuid,
    /// Its place in the stream.
    pub version: i64,
    /// The clinic.
    pub account: AccountId,
    /// The key its personal fields are sealed with.
    pub key: Option<Uuid>,
    /// When it happened.
    pub occurred_at: DateTime<Utc>,
    /// When it was recorded.
    pub recorded_at: DateTime<Utc>,
    /// Who and what caused it.
    pub meta: Meta,
    /// What happened.
    pub event: Event,
}

/// A stream's events, oldest first.
pub type Stream = Vec<Recorded>;

#[derive(Debug, sqlx::FromRow)]
pub(super) struct Row {
    pub(super) event_id: Uuid,
    pub(super) stream_id: Uuid,
    pub(super) version: i64,
    #[sqlx(rename = "type")]
    pub(super) event_type: String,
    pub(super) schema_ver: i64,
    pub(super) account_id: String,
    pub(super) data: Json<Value>,
    pub(super) sealed: Option<Vec<u8>>,
    pub(super) key_id: Option<Uuid>,
    pub(super) meta: Json<Meta>,
    pub(super) occurred_at: DateTime<Utc>,
    pub(super) recorded_at: DateTime<Utc>,
}

impl Log {
    /// Reads whole streams. A stream that does not exist is not in the answer.
    pub async fn load(&self, conn: Conn<'_>, streams: &[Uuid]) -> Result<HashMap<Uuid, Stream>, LogError> {
        let rows = fetch_by_ids!(
            conn,
            Row,
            streams,
            "select event_id, stream_id, version, type, schema_ver, account_id, data, sealed, key_id, meta,
                    occurred_at, recorded_at
               from events where stream_id",
            "order by stream_id, version"
        )?;
        let mut loaded: HashMap<Uuid, Stream> = HashMap::new();
        for recorded in self.open(rows).await? {
            loaded.entry(recorded.stream).or_default().push(recorded);
        }
        Ok(loaded)
    }

    /// Reads one stream; empty where it does not exist.
    pub async fn load_one(&self, conn: Conn<'_>, stream: Uuid) -> Result<Stream, LogError> {
        Ok(self.load(conn, &[stream]).await?.remove(&stream).unwrap_or_default())
    }

    async fn open(&self, rows: Vec<Row>) -> Result<Vec<Recorded>, LogError> {
        let ids: Vec<Uuid> = rows.iter().filter_map(|row| row.key_id).collect();
        let keys = self.keys.find(&ids).await?;
        rows.into_iter().map(|row| open_one(row, &keys)).collect()
    }
}

fn open_one(mut row: Row, keys: &HashMap<Uuid, Found>) -> Result<Recorded, LogError> {
    let id = row.event_id;
    if let Some(fields) = open_fields(id, row.sealed.as_deref(), row.key_id, keys)? {
        personal::join(&mut row.data.0, fields);
    }
    let version = i16::try_from(row.schema_ver).unwrap_or(i16::MAX);
    let event = Event::from_data(&row.event_type, version, row.data.0)
        .map_err(|cause| LogError::Unreadable { id, cause })?;
    Ok(Recorded {
        id,
        stream: row.stream_id,
        version: row.version,
        // A stored clinic id was parsed before it was stored.
        account: AccountId::parse(&row.account_id).map_err(|_| LogError::Unopened(id))?,
        key: row.key_id,
        occurred_at: row.occurred_at,
        recorded_at: row.recorded_at,
        meta: row.meta.0,
        event,
    })
}

/// The personal member of a stored event: its fields, the word `erased`, or none where it has none.
pub(super) fn open_fields(
    id: Uuid,
    sealed: Option<&[u8]>,
    key: Option<Uuid>,
    keys: &HashMap<Uuid, Found>,
) -> Result<Option<Value>, LogError> {
    let (Some(sealed), Some(key)) = (sealed, key) else { return Ok(None) };
    match keys.get(&key) {
        Some(Found::Key(key)) => {
            let plain = seal::open(&key.key, &aad(id), sealed).map_err(|_| LogError::Unopened(id))?;
            serde_json::from_slice(&plain).map(Some).map_err(|_| LogError::Unopened(id))
        }
        Some(Found::Erased) => Ok(Some(Value::String(personal::ERASED.to_owned()))),
        None => Err(LogError::Unopened(id)),
    }
}
