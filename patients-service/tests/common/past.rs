//! What is seldom: an erasure, and a record of the old system, which no request causes yet.

use super::Served;
use patients_service::desk::{Decided, fold};
use patients_service::domain::patient::Place;
use shared_events::patient::{PatientDetails, PatientRecord, PatientStatus, PatientTakenOver};
use shared_events::{AccountId, Event, Secret};
use shared_runtime::log::{Meta, NewEvent};
use uuid::Uuid;

/// Leaves nothing personal of a patient, as far as this service goes.
pub async fn erase(served: &Served, id: Uuid) {
    served.admin().post(&format!("/api/patients/{id}/erase"), &serde_json::json!({})).await.is(202);
    served.service.eraser().round().await.unwrap();
}

/// A record of the old system, which knew an address and no names.
pub async fn take_over(served: &Served, email: &str) -> Uuid {
    let core = served.service.core();
    let details = PatientDetails {
        email: email.to_owned(),
        first_name: String::new(),
        last_name: String::new(),
        phone: None,
        date_of_birth: None,
        notes: None,
        external_id: None,
        clinician_name: None,
    };
    let record = PatientRecord {
        status: PatientStatus::Pending,
        clinician_id: None,
        preferred_language: None,
        incomplete: true,
        user_id: None,
        invites_void_before: 0,
        personal: Secret::Known(details),
    };
    let event = PatientTakenOver { record, source: "legacy".to_owned(), occurred_at: core.clock.now() };
    let (id, key) = (core.clock.new_id(), core.log.keys().take(1).await.unwrap()[0].id);
    append(served, id, Some(key), Event::PatientTakenOver(event)).await;
    id
}

/// Appends an event and writes what follows from it.
async fn append(served: &Served, id: Uuid, key: Option<Uuid>, event: Event) {
    let core = served.service.core();
    let mut tx = core.db.begin().await.unwrap();
    let before = fold(&core.log.load_one(tx.conn(), id).await.unwrap());
    let account = AccountId::parse("clinic-1").unwrap();
    let place = Place { account: account.clone(), version: before.version() + 1, at: core.clock.now(), key };
    let after = before.clone().evolve(&place, &event);
    let event = NewEvent {
        id: core.clock.new_id(),
        stream: id,
        version: place.version,
        account,
        key,
        occurred_at: place.at,
        meta: Meta::default(),
        event,
    };
    let desk = served.service.import_worker().patients;
    desk.write(&mut tx, &[Decided { before, after, event }], &Default::default()).await.unwrap();
    tx.commit().await.unwrap();
}
