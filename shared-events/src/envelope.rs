//! The envelope: structured CloudEvents 1.0 in JSON, the very bytes on RabbitMQ and on the embedded bus.

use crate::catalogue::{DecodeError, Event};
use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

/// The content type of a message that holds an [`Envelope`].
pub const CONTENT_TYPE: &str = "application/cloudevents+json";

/// One event on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Envelope {
    /// Always `1.0`.
    pub specversion: String,
    /// The event's id; the same whenever the event is sent again.
    pub id: Uuid,
    /// Who says it: `/patients`, `/invites` or `/mailer`.
    pub source: String,
    /// The event's name.
    #[serde(rename = "type")]
    pub event_type: String,
    /// The stream: the patient, the invite, the account.
    pub subject: Uuid,
    /// When it happened.
    pub time: DateTime<Utc>,
    /// Always `application/json`.
    pub datacontenttype: String,
    /// Name and version of the data's schema.
    pub dataschema: String,
    /// Place in the source's global order: dense, from 1. A string, as CloudEvents wants it.
    #[serde(with = "sequence")]
    #[schemars(with = "String")]
    pub sequence: i64,
    /// Which log the sequence counts in. Renewed when a backup is restored.
    pub logid: Uuid,
    /// Place in the stream: dense, from 1.
    pub streamversion: i64,
    /// When it was recorded; differs from `time` for what was taken over.
    pub recordedtime: DateTime<Utc>,
    /// The clinic.
    pub accountid: String,
    /// W3C trace context of the request that caused it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// What all that follows from one request has in common.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlationid: Option<Uuid>,
    /// The event or command that caused it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub causationid: Option<Uuid>,
    /// Who did it: `staff:ID`, `patient`, `system`.
    pub actor: String,
    /// The event's own fields. `personal` is sealed, see [`crate::personal`].
    pub data: Value,
}

impl Envelope {
    /// The version of the data's shape, read from [`Envelope::dataschema`].
    pub fn data_version(&self) -> Option<i16> {
        self.dataschema.rsplit(':').next()?.parse().ok()
    }

    /// Reads the event, once its personal member was opened (or replaced by a word that says why not).
    pub fn event(&self, opened: Value) -> Result<Event, DecodeError> {
        let version = self.data_version().ok_or_else(|| DecodeError::UnknownType(self.dataschema.clone()))?;
        Event::from_data(&self.event_type, version, opened)
    }
}

mod sequence {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(value: &i64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}
