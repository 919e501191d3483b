//! What invites-service would say.

use chrono::{DateTime, TimeDelta, Utc};
use patients_service::consumers::FromInvites;
use serde_json::{Value, json};
use shared_events::erasure::ErasureCompleted;
use shared_events::invite::{
    Channel, InviteAccepted, InviteFacts, InviteIssued, InviteMoved, InviteRefused, InviteRevoked,
    InviteStatus, RevokeReason, RevokeWords,
};
use shared_events::patient::InviteWords;
use shared_events::{Envelope, Event, Secret, personal};
use shared_runtime::bus::Message;
use shared_runtime::clock::Clock;
use shared_runtime::consume::{HandleError, Handler, Incoming};
use shared_runtime::keys::Keyring;
use uuid::Uuid;

use super::Served;

/// An invite whose history is told.
#[derive(Clone)]
pub struct Invite {
    pub id: Uuid,
    pub patient: Uuid,
    pub clinic: String,
    pub at: DateTime<Utc>,
    pub days: i64,
    /// The import that asked for it.
    pub import: Option<Uuid>,
}

impl Invite {
    pub fn to(patient: Uuid, clock: &Clock) -> Invite {
        let clinic = "clinic-1".to_owned();
        Invite { id: Clock::System.new_id(), patient, clinic, at: clock.now(), days: 7, import: None }
    }

    pub fn issued(&self, version: i64) -> Incoming {
        self.say(
            version,
            Event::InviteIssued(InviteIssued {
                invite: self.facts(InviteStatus::Pending),
                token_key_id: "k1".to_owned(),
                source_patient_version: 1,
                send_email: true,
                reissue_of: None,
                personal: InviteWords { custom_message: Some("See you soon".to_owned()) }.into(),
            }),
        )
    }

    pub fn accepted(&self, version: i64, user_id: Uuid) -> Incoming {
        let invite = self.facts(InviteStatus::Accepted);
        self.say(version, Event::InviteAccepted(InviteAccepted { invite, user_id, personal: None }))
    }

    pub fn revoked(&self, version: i64) -> Incoming {
        let invite = self.facts(InviteStatus::Revoked);
        let personal = Secret::Known(RevokeWords::default());
        self.say(
            version,
            Event::InviteRevoked(InviteRevoked { invite, reason: RevokeReason::Staff, personal }),
        )
    }

    pub fn extended(&self, version: i64, days: i64) -> Incoming {
        let longer = Invite { days, ..self.clone() };
        let invite = longer.facts(InviteStatus::Pending);
        self.say(version, Event::InviteExtended(InviteMoved { invite }))
    }

    pub fn expired(&self, version: i64) -> Incoming {
        self.say(version, Event::InviteExpired(InviteMoved { invite: self.facts(InviteStatus::Expired) }))
    }

    fn facts(&self, status: InviteStatus) -> InviteFacts {
        InviteFacts {
            patient_id: self.patient,
            provider_id: "dr-who".to_owned(),
            status,
            issue_no: 1,
            issued_at: self.at,
            expires_at: self.at + TimeDelta::days(self.days),
            channel: Channel::Email,
            import_id: self.import,
        }
    }

    /// The answer to an import that asked in vain.
    pub fn refused(&self, code: &str) -> Incoming {
        let refused = InviteRefused {
            patient_id: self.patient,
            provider_id: "dr-who".to_owned(),
            import_id: self.import.unwrap(),
            code: code.to_owned(),
        };
        self.say(1, Event::InviteRefused(refused))
    }

    fn say(&self, version: i64, event: Event) -> Incoming {
        let envelope = Envelope {
            specversion: "1.0".to_owned(),
            id: Clock::System.new_id(),
            source: "/invites".to_owned(),
            event_type: event.kind().name.to_owned(),
            subject: self.id,
            time: self.at,
            datacontenttype: "application/json".to_owned(),
            dataschema: event.kind().schema_urn(),
            sequence: 1,
            logid: Uuid::nil(),
            streamversion: version,
            recordedtime: self.at,
            accountid: self.clinic.clone(),
            traceparent: None,
            correlationid: None,
            causationid: None,
            actor: "patient".to_owned(),
            data: event.to_data(),
        };
        Incoming { envelope, event }
    }
}

/// The message that carries it; personal fields sealed for the bus.
pub fn message(incoming: &Incoming, bus_keys: &Keyring) -> Message {
    let mut envelope = incoming.envelope.clone();
    if let Some(fields) = personal::split(&mut envelope.data) {
        personal::join(&mut envelope.data, sealed(envelope.id, &fields, bus_keys));
    }
    Message {
        id: envelope.id,
        routing_key: incoming.event.kind().routing_key("invites"),
        body: serde_json::to_vec(&envelope).unwrap(),
        traceparent: None,
    }
}

fn sealed(event: Uuid, fields: &Value, bus_keys: &Keyring) -> Value {
    use base64::Engine;
    let aad = [event.as_bytes().as_slice(), personal::MEMBER.as_bytes()].concat();
    let (key, block) = bus_keys.seal(&aad, fields.to_string().into_bytes());
    json!({ "key": key, "sealed": base64::engine::general_purpose::STANDARD.encode(block) })
}

/// Says it on the bus.
pub async fn publish(served: &Served, said: &[Incoming]) {
    let core = served.service.core();
    let window: Vec<Message> = said.iter().map(|one| message(one, &core.bus_keys)).collect();
    let published = core.bus.publisher().await.unwrap().publish(&window, super::PATIENCE).await;
    assert_eq!(published.confirmed, window.len(), "{:?}", published.failure);
}

/// Gives it to the handler itself, in one transaction, as the consumer does.
pub async fn hand_over(served: &Served, said: &[Incoming]) -> Result<(), HandleError> {
    let handler = FromInvites { patients: served.service.import_worker().patients };
    let mut tx = served.service.core().db.begin().await?;
    handler.handle(&mut tx, said).await?;
    Ok(tx.commit().await?)
}

/// invites-service has forgotten a person; `clinic` is whose it says it is.
pub async fn erasure_completed(served: &Served, erasure: &Value, clinic: &str) {
    let id = |member: &str| -> Uuid { erasure[member].as_str().unwrap().parse().unwrap() };
    let (erasure_id, patient_id) = (id("erasure_id"), id("patient_id"));
    let clock = &served.service.core().clock;
    let said = Invite { id: erasure_id, clinic: clinic.to_owned(), ..Invite::to(patient_id, clock) };
    let event = Event::ErasureCompleted(ErasureCompleted { erasure_id, patient_id });
    hand_over(served, &[said.say(1, event)]).await.unwrap();
}
