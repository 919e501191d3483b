//! Put on record, read again, and what the history says.

use crate::common::client::{at, person};
use crate::common::{World, on_both_databases};
use chrono::TimeDelta;
use serde_json::{Value, json};
use shared_runtime::clock::Clock;

on_both_databases!(
    a_new_patient_is_answered_with_its_place_and_version,
    a_patient_is_read_as_it_was_created,
    a_patient_nobody_knows_is_not_found,
    the_history_says_who_changed_what_and_when,
);

async fn a_new_patient_is_answered_with_its_place_and_version(world: World) {
    let served = world.serve().await;
    let reply = served.staff().post("/api/patients", &person(1)).await.is(201);
    assert_eq!(reply.headers["location"], at(reply.id()));
    assert_eq!(reply.etag(), "\"1\"");
    assert_eq!(
        reply.body,
        json!({
            "id": reply.id(), "account_id": "clinic-1", "status": "pending", "has_pending_invite": false,
            "email": "person1@example.org", "first_name": "Given1", "last_name": "Family001",
            "created_at": "2026-11-23T08:00:00Z", "updated_at": "2026-11-23T08:00:00Z",
        })
    );
}

async fn a_patient_is_read_as_it_was_created(world: World) {
    let served = world.serve().await;
    let whole = json!({
        "email": " Ada@Example.org ", "first_name": " Ada", "last_name": "Lovelace ", "phone": "+44 20 7946 0018",
        "external_id": "MRN-1", "clinician_id": "dr-1", "clinician_name": "Dr. Who",
        "date_of_birth": "1990-02-28", "notes": "first line\nsecond line", "preferred_language": "de-AT",
    });
    let created = served.staff().post("/api/patients", &whole).await.is(201);
    let read = served.viewer().get(&at(created.id())).await.is(200);
    assert_eq!((&read.body, read.etag()), (&created.body, created.etag()));
    let trimmed = json!({ "email": "Ada@Example.org", "first_name": "Ada", "last_name": "Lovelace" });
    for (field, value) in whole.as_object().unwrap() {
        let expected = trimmed.get(field).unwrap_or(value);
        assert_eq!(&read.body[field], expected, "{field}");
    }
}

async fn a_patient_nobody_knows_is_not_found(world: World) {
    let served = world.serve().await;
    for id in [Clock::System.new_id().to_string(), "1".to_owned(), "not-a-uuid".to_owned()] {
        for path in [format!("/api/patients/{id}"), format!("/api/patients/{id}/history")] {
            served.staff().get(&path).await.refused(404, "not_found");
        }
        let path = format!("/api/patients/{id}");
        served.staff().put(&path, "*", &person(1)).await.refused(404, "not_found");
        served.staff().patch(&path, "\"1\"", &json!({})).await.refused(404, "not_found");
        served.staff().delete(&path, "*").await.refused(404, "not_found");
        served.staff().post(&format!("{path}/restore"), &json!({})).await.refused(404, "not_found");
        served.staff().get(&format!("/api/imports/{id}")).await.refused(404, "not_found");
    }
}

async fn the_history_says_who_changed_what_and_when(world: World) {
    let served = world.serve().await;
    let staff = served.staff();
    let id = staff.create(&person(1)).await;
    world.clock().advance(TimeDelta::hours(1));
    let patch = json!({ "phone": "020 7946 0018", "email": "new@example.org", "first_name": "Given1" });
    served.admin().patch(&at(id), "*", &patch).await.is(200);
    staff.delete(&at(id), "*").await.is(200);
    staff.post(&format!("{}/restore", at(id)), &json!({})).await.is(200);

    let history = served.viewer().get(&format!("{}/history", at(id))).await.is(200).body;
    assert_eq!(history["next_cursor"], Value::Null);
    let told: Vec<Value> = history["items"].as_array().unwrap().clone();
    let brief: Vec<(&Value, &Value, &Value)> =
        told.iter().map(|item| (&item["version"], &item["event"], &item["actor"])).collect();
    assert_eq!(
        brief,
        [
            (&json!(1), &json!("PatientCreated"), &json!("staff:staff-1")),
            (&json!(2), &json!("PatientUpdated"), &json!("staff:admin-1")),
            (&json!(3), &json!("PatientArchived"), &json!("staff:staff-1")),
            (&json!(4), &json!("PatientRestored"), &json!("staff:staff-1")),
        ]
    );
    assert_eq!(told[1]["changed"], json!(["email", "phone"]));
    assert_eq!(told[1]["occurred_at"], "2026-11-23T09:00:00Z");
    let moved = json!({ "field": "email", "from": person(1)["email"], "to": "new@example.org" });
    let called = json!({ "field": "phone", "from": person(1)["phone"], "to": "020 7946 0018" });
    assert_eq!(told[1]["changes"], json!([moved, called]));
    let first = told[0]["changes"].as_array().unwrap();
    assert!(
        first.contains(&json!({ "field": "email", "from": null, "to": person(1)["email"] })),
        "{history}"
    );
    assert!(first.iter().all(|change| !change["to"].is_null()), "{history}");
}
