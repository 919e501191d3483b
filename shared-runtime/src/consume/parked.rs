//! Parked messages: what a consumer could not handle, kept with its reason for a person to look at.

use crate::db::{Db, Rows, Tx};
use crate::{execute, fetch_all, fetch_one};
use chrono::{DateTime, Utc};
use shared_events::Envelope;
use uuid::Uuid;

pub(super) struct Parking<'a> {
    pub(super) consumer: &'static str,
    pub(super) id: Uuid,
    pub(super) envelope: Option<&'a Envelope>,
    pub(super) body: &'a [u8],
    pub(super) reason: &'a str,
    pub(super) now: DateTime<Utc>,
}

impl Parking<'_> {
    /// Keeps it. The body is what was on the bus: its personal fields are sealed.
    pub(super) async fn keep(&self, db: &Db) -> sqlx::Result<()> {
        let envelope = self.envelope;
        let text = |read: fn(&Envelope) -> &str| vec![envelope.map_or("", read).to_owned()];
        let rows = Rows::of("parked")
            .with("consumer", vec![self.consumer.to_owned()])
            .with("event_id", vec![self.id])
            .with("source", text(|envelope| &envelope.source))
            .with("stream_id", vec![envelope.map_or(Uuid::nil(), |envelope| envelope.subject)])
            .with("stream_version", vec![envelope.map_or(0, |envelope| envelope.streamversion)])
            .with("type", text(|envelope| &envelope.event_type))
            .with("body", vec![self.body.to_vec()])
            .with("reason", vec![self.reason.to_owned()])
            .with("parked_at", vec![self.now]);
        let mut tx = db.begin().await?;
        tx.insert(rows, "on conflict do nothing").await?;
        tx.commit().await
    }
}

/// A parked message, without its body.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Parked {
    /// The event.
    pub event_id: Uuid,
    /// Its name; empty where the message was unreadable.
    #[sqlx(rename = "type")]
    pub event_type: String,
    /// Its stream.
    pub stream_id: Uuid,
    /// Why it was parked.
    pub reason: String,
    /// When.
    pub parked_at: DateTime<Utc>,
}

/// What a consumer has parked, oldest first, at most 500.
pub async fn list(db: &Db, consumer: &str) -> sqlx::Result<Vec<Parked>> {
    let mut reader = db.read().await?;
    fetch_all!(
        reader.conn(),
        Parked,
        "select event_id, type, stream_id, reason, parked_at from parked where consumer = $1 order by id limit 500",
        consumer
    )
}

/// How many messages wait for a person.
pub async fn count(db: &Db) -> sqlx::Result<i64> {
    let mut reader = db.read().await?;
    let (count,) = fetch_one!(reader.conn(), (i64,), "select count(*) from parked")?;
    Ok(count)
}

/// Drops messages about a patient: events of their own stream, and those that name them as whom they are about. Returns
/// how many there were. Parked messages are few, so all are looked at.
pub async fn drop_about(tx: &mut Tx, patient: Uuid) -> sqlx::Result<u64> {
    let rows =
        fetch_all!(tx.conn(), (i64, Uuid, Vec<u8>), "select id, stream_id, body from parked order by id")?;
    let about = |stream: &Uuid, body: &[u8]| {
        *stream == patient
            || serde_json::from_slice::<Envelope>(body).is_ok_and(|envelope| {
                envelope.data.get("patient_id").and_then(|id| id.as_str())
                    == Some(patient.to_string().as_str())
            })
    };
    let mut dropped = 0;
    for (id, _, _) in rows.iter().filter(|(_, stream, body)| about(stream, body)) {
        dropped += execute!(tx.conn(), "delete from parked where id = $1", id)?;
    }
    Ok(dropped)
}

/// How many parked messages are sealed under a bus key.
pub async fn under(db: &Db, key: &str) -> sqlx::Result<i64> {
    let mut reader = db.read().await?;
    let rows = fetch_all!(reader.conn(), (Vec<u8>,), "select body from parked")?;
    let names = |body: &[u8]| {
        let sealed_with = |envelope: Envelope| {
            let block = envelope.data.get(shared_events::personal::MEMBER)?;
            Some(block.get("key")?.as_str()? == key)
        };
        serde_json::from_slice::<Envelope>(body).ok().and_then(sealed_with).unwrap_or(false)
    };
    Ok(i64::try_from(rows.iter().filter(|(body,)| names(body)).count()).unwrap_or(i64::MAX))
}
