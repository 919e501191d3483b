//! What patients-service says, as tests need it said.

use chrono::NaiveDate;
use shared_events::patient::{
    Origin, PatientArchived, PatientCreated, PatientDetails, PatientRecord, PatientStatus, PatientUpdated,
};
use shared_events::{AccountId, Event, Secret};
use uuid::Uuid;

/// When every patient of the tests was born.
pub const BORN: &str = "1985-01-31";

/// Details with an address of the patient's own.
pub fn details(patient: Uuid) -> PatientDetails {
    PatientDetails {
        email: format!("eve-{}@example.org", patient.simple()),
        first_name: "Eve".into(),
        last_name: "O'Hara".into(),
        phone: None,
        date_of_birth: Some(BORN.parse::<NaiveDate>().expect("a date")),
        notes: None,
        external_id: None,
        clinician_name: None,
    }
}

pub fn record(details: PatientDetails, status: PatientStatus, void_before: i64) -> PatientRecord {
    PatientRecord {
        status,
        clinician_id: None,
        preferred_language: None,
        incomplete: false,
        user_id: None,
        invites_void_before: void_before,
        personal: Secret::Known(details),
    }
}

pub fn created(details: PatientDetails) -> Event {
    let record = record(details, PatientStatus::Pending, 0);
    Event::PatientCreated(PatientCreated { record, origin: Origin::Staff, import_id: None })
}

pub fn updated(details: PatientDetails, void_before: i64) -> Event {
    let record = record(details, PatientStatus::Pending, void_before);
    Event::PatientUpdated(PatientUpdated {
        record,
        changed: vec![],
        reissue_invites: false,
        reissue_from: 0,
        import_id: None,
    })
}

pub fn archived(details: PatientDetails, version: i64) -> Event {
    let record = record(details, PatientStatus::Inactive, version);
    let reason = shared_events::patient::ArchiveReason::Staff;
    Event::PatientArchived(PatientArchived { record, reason, import_id: None })
}

pub fn account(clinic: &str) -> AccountId {
    AccountId::parse(clinic).expect("a clinic")
}
