//! What a patient is after which events, and what may then be asked: given, when, then.

mod any_order;
mod patient;

use super::fields::{Draft, Patch};
use super::patient::{Ask, Patient, Place, decide};
use super::refusal::Refusal;
use chrono::{DateTime, TimeDelta, Utc};
use shared_events::patient::{ArchiveReason, Origin, PatientErased, PatientTakenOver};
use shared_events::{AccountId, Email, Event, Secret};
use uuid::Uuid;

const USER: Uuid = Uuid::from_u128(7);
const OTHER_USER: Uuid = Uuid::from_u128(8);
const INVITE: Uuid = Uuid::from_u128(9);
const IMPORT: Uuid = Uuid::from_u128(10);
const NOON: DateTime<Utc> = DateTime::UNIX_EPOCH;

fn place(version: i64) -> Place {
    let account = AccountId::parse("clinic-1").expect("a clinic");
    Place { account, version, at: NOON + TimeDelta::seconds(version), key: Some(Uuid::from_u128(1)) }
}

/// A patient, made by asking; each ask must be granted, and say something.
struct Given(Patient);

struct When(Patient, Result<Option<Event>, Refusal>);

fn given(asks: &[Ask]) -> Given {
    Given(asks.iter().fold(Patient::Absent, |patient, ask| {
        let event = decide(&patient, ask).expect("granted").expect("something happened");
        apply(patient, &event)
    }))
}

fn apply(patient: Patient, event: &Event) -> Patient {
    let version = patient.version() + 1;
    patient.evolve(&place(version), event)
}

impl Given {
    fn and(self, event: &Event) -> Given {
        Given(apply(self.0, event))
    }

    fn when(&self, ask: Ask) -> When {
        When(self.0.clone(), decide(&self.0, &ask))
    }
}

impl When {
    #[track_caller]
    fn refused(self, refusal: Refusal) {
        assert_eq!(self.1, Err(refusal));
    }

    #[track_caller]
    fn says_nothing(self) {
        assert_eq!(self.1, Ok(None));
    }

    /// The event's name, and the patient after it.
    #[track_caller]
    fn then(self, name: &str) -> (Event, Patient) {
        let event = self.1.expect("granted").expect("something happened");
        assert_eq!(event.kind().name, name);
        let after = apply(self.0, &event);
        (event, after)
    }
}

fn email(text: &str) -> Email {
    Email::parse(text).expect("an address")
}

fn draft() -> Draft {
    Draft {
        email: email("Ada@Example.org"),
        first_name: "Ada".into(),
        last_name: "Lovelace".into(),
        phone: Some("020 7946 0018".into()),
        date_of_birth: None,
        notes: None,
        external_id: Some("MRN-1".into()),
        clinician_id: Some("dr-1".into()),
        clinician_name: None,
        preferred_language: None,
    }
}

fn create() -> Ask {
    Ask::Create { draft: Box::new(draft()), origin: Origin::Staff, import_id: None }
}

fn imported() -> Ask {
    Ask::Create { draft: Box::new(draft()), origin: Origin::Import, import_id: Some(IMPORT) }
}

fn change(patch: Patch) -> Ask {
    Ask::Change { patch: Box::new(patch), reissue_invites: false, import_id: None }
}

fn moved(to: &str) -> Ask {
    change(Patch { email: Some(email(to)), ..Patch::default() })
}

fn archive() -> Ask {
    Ask::Archive { reason: ArchiveReason::Staff }
}

fn activate(user_id: Uuid) -> Ask {
    Ask::Activate { user_id, invite_id: INVITE }
}

fn erased() -> Event {
    Event::PatientErased(PatientErased { erasure_id: IMPORT, erased_at: NOON, invites_void_before: 2 })
}

/// Taken over from the old system without names.
fn taken_over(address: &str) -> Event {
    let Event::PatientCreated(mut created) =
        decide(&Patient::Absent, &create()).expect("granted").expect("created")
    else {
        panic!("created")
    };
    if let Secret::Known(details) = &mut created.record.personal {
        details.email = address.to_owned();
        details.first_name.clear();
        details.last_name.clear();
    }
    created.record.incomplete = true;
    Event::PatientTakenOver(PatientTakenOver {
        record: created.record,
        source: "legacy".into(),
        occurred_at: NOON,
    })
}

fn changed(event: &Event) -> Vec<&str> {
    let Event::PatientUpdated(updated) = event else { panic!("{}", event.kind().name) };
    updated.changed.iter().map(String::as_str).collect()
}

fn known(patient: &Patient) -> &super::Known {
    patient.known().expect("on record")
}
