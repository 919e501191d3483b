//! The relay's read: numbered events above its cursor, as the envelopes that go out.

use super::load::{Row, open_fields};
use super::{Log, LogError};
use crate::db::Conn;
use crate::fetch_all;
use crate::keys::Keyring;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use shared_events::{Envelope, catalogue, personal};
use sqlx::FromRow;
use uuid::Uuid;

/// An event that waits to be sent.
#[derive(Debug, Clone)]
pub struct Unsent {
    /// Its place in the global order.
    pub sequence: i64,
    /// Where it goes.
    pub routing_key: String,
    /// What is sent; personal fields are sealed under the bus key.
    pub envelope: Envelope,
}

#[derive(Debug, FromRow)]
struct Numbered {
    global_seq: i64,
    stream_type: String,
    #[sqlx(flatten)]
    row: Row,
}

impl Log {
    /// The next `most` numbered events after `after`, in order, ready to be sent.
    pub async fn window(
        &self,
        conn: Conn<'_>,
        log_id: Uuid,
        bus_keys: &Keyring,
        after: i64,
        most: i64,
    ) -> Result<Vec<Unsent>, LogError> {
        let rows = fetch_all!(
            conn,
            Numbered,
            "select global_seq, event_id, stream_id, stream_type, version, type, schema_ver, account_id,
                    data, sealed, key_id, meta, occurred_at, recorded_at
               from events where global_seq > $1 order by global_seq limit $2",
            after,
            most
        )?;
        let ids: Vec<Uuid> = rows.iter().filter_map(|numbered| numbered.row.key_id).collect();
        let keys = self.keys.find(&ids).await?;
        rows.into_iter()
            .map(|numbered| {
                let row = &numbered.row;
                let fields = open_fields(row.event_id, row.sealed.as_deref(), row.key_id, &keys)?;
                Ok(self.unsent(numbered, fields, log_id, bus_keys))
            })
            .collect()
    }

    fn unsent(&self, numbered: Numbered, fields: Option<Value>, log_id: Uuid, bus_keys: &Keyring) -> Unsent {
        let Numbered { global_seq, stream_type, row } = numbered;
        let mut data = row.data.0;
        if let Some(fields) = fields {
            personal::join(&mut data, seal_for_bus(row.event_id, fields, bus_keys));
        }
        let version = i16::try_from(row.schema_ver).unwrap_or(i16::MAX);
        let meta = row.meta.0;
        Unsent {
            sequence: global_seq,
            routing_key: catalogue::routing_key(self.source, &stream_type, &row.event_type, version),
            envelope: Envelope {
                specversion: "1.0".to_owned(),
                id: row.event_id,
                source: format!("/{}", self.source),
                dataschema: catalogue::schema_urn(&row.event_type, version),
                event_type: row.event_type,
                subject: row.stream_id,
                time: row.occurred_at,
                datacontenttype: "application/json".to_owned(),
                sequence: global_seq,
                logid: log_id,
                streamversion: row.version,
                recordedtime: row.recorded_at,
                accountid: row.account_id,
                traceparent: meta.traceparent,
                correlationid: meta.correlation,
                causationid: meta.causation,
                actor: meta.actor,
                data,
            },
        }
    }
}

/// Fields as they travel: a block under the bus key. The word `erased` travels as it is.
fn seal_for_bus(event: Uuid, fields: Value, keys: &Keyring) -> Value {
    if fields.is_string() {
        return fields;
    }
    let (key, sealed) = keys.seal(&super::append::aad(event), fields.to_string().into_bytes());
    json!({ "key": key, "sealed": STANDARD.encode(sealed) })
}

/// Opens the personal member of a received envelope's data in place. A reader without the key sees the
/// word `sealed`.
pub fn open_from_bus(envelope: &mut Envelope, keys: Option<&Keyring>) {
    let Some(block) = envelope.data.get(personal::MEMBER).filter(|member| member.is_object()) else { return };
    let opened = keys.and_then(|keys| {
        let sealed = STANDARD.decode(block.get("sealed")?.as_str()?).ok()?;
        let plain = keys.open(block.get("key")?.as_str()?, &super::append::aad(envelope.id), &sealed).ok()?;
        serde_json::from_slice(&plain).ok()
    });
    personal::join(&mut envelope.data, opened.unwrap_or_else(|| Value::String(personal::SEALED.to_owned())));
}
