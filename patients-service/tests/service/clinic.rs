//! A clinic's settings, and addresses that its patients share.

use crate::common::client::{at, person};
use crate::common::{World, number, on_both_databases};
use serde_json::{Value, json};

on_both_databases!(
    a_clinic_nobody_configured_has_the_defaults,
    settings_are_changed_from_the_version_that_was_read,
    settings_are_the_admins_alone,
    every_wrong_setting_is_named,
    clinics_have_settings_of_their_own,
    first_changes_at_the_same_moment_all_arrive,
    patients_may_share_an_address_where_the_clinic_lets_them,
    sharing_is_not_switched_off_while_patients_share,
);

const CLINIC: &str = "/api/clinic";

async fn a_clinic_nobody_configured_has_the_defaults(world: World) {
    let served = world.serve().await;
    let reply = served.admin().get(CLINIC).await.is(200);
    assert_eq!(reply.etag(), "\"0\"");
    assert_eq!(
        reply.body,
        json!({
            "account_id": "clinic-1", "name": "Your clinic", "time_zone": "UTC", "default_language": "en",
            "default_expiry_days": 7, "open_invite_policy": "supersede", "allow_shared_email": false,
            "invite_system": "patient_first",
        })
    );
}

async fn settings_are_changed_from_the_version_that_was_read(world: World) {
    let served = world.serve().await;
    let admin = served.admin();
    let patch = json!({ "name": "Praxis am Markt", "time_zone": "Europe/Berlin", "default_expiry_days": 90 });
    let changed = admin.patch(CLINIC, "\"0\"", &patch).await.is(200);
    assert_eq!(changed.etag(), "\"1\"");
    assert_eq!(changed.body["default_expiry_days"], 90);
    assert_eq!(admin.get(CLINIC).await.body, changed.body);
    let stale = admin.patch(CLINIC, "\"0\"", &json!({ "default_expiry_days": 1 })).await;
    assert_eq!(stale.refused(412, "version_stale")["current_version"], 1);
    assert_eq!(admin.patch(CLINIC, "\"1\"", &patch).await.is(200).etag(), "\"1\"");
    let request = admin.request(reqwest::Method::PATCH, CLINIC).json(&patch);
    admin.send(request).await.refused(428, "if_match_missing");
    let rest =
        json!({ "open_invite_policy": "reject", "invite_system": "parallel", "default_language": "de-AT" });
    let body = admin.patch(CLINIC, "*", &rest).await.is(200).body;
    assert_eq!((&body["open_invite_policy"], &body["name"]), (&json!("reject"), &json!("Praxis am Markt")));
    assert_eq!(number!(served, "select count(*) from events where stream_type = 'clinic'"), 2);
}

async fn settings_are_the_admins_alone(world: World) {
    let served = world.serve().await;
    for lesser in [served.viewer(), served.staff()] {
        let body = lesser.get(CLINIC).await.refused(403, "role_insufficient");
        assert_eq!(body["required_role"], "admin");
        lesser.patch(CLINIC, "*", &json!({ "name": "Ours" })).await.refused(403, "role_insufficient");
    }
    assert_eq!(served.admin().get(CLINIC).await.etag(), "\"0\"");
}

async fn every_wrong_setting_is_named(world: World) {
    let served = world.serve().await;
    let admin = served.admin();
    for (patch, pointer) in [
        (json!({ "name": "" }), "/name"),
        (json!({ "name": null }), "/name"),
        (json!({ "name": "a\u{0}b" }), "/name"),
        (json!({ "time_zone": "Mars/Olympus" }), "/time_zone"),
        (json!({ "time_zone": null }), "/time_zone"),
        (json!({ "default_language": "english!" }), "/default_language"),
        (json!({ "default_expiry_days": 0 }), "/default_expiry_days"),
        (json!({ "default_expiry_days": 91 }), "/default_expiry_days"),
        (json!({ "default_expiry_days": -1 }), "/default_expiry_days"),
        (json!({ "default_expiry_days": "seven" }), "/default_expiry_days"),
        (json!({ "open_invite_policy": "sometimes" }), "/open_invite_policy"),
        (json!({ "allow_shared_email": "perhaps" }), "/allow_shared_email"),
        (json!({ "allow_shared_email": null }), "/allow_shared_email"),
        (json!({ "invite_system": "none" }), "/invite_system"),
        (json!({ "opening_hours": "always" }), "/opening_hours"),
    ] {
        admin.patch(CLINIC, "*", &patch).await.refused_at(422, "invalid_body", pointer);
    }
    assert_eq!(admin.get(CLINIC).await.etag(), "\"0\"");
}

async fn clinics_have_settings_of_their_own(world: World) {
    let served = world.serve().await;
    served.admin().patch(CLINIC, "*", &json!({ "name": "Ours" })).await.is(200);
    let theirs = served.stranger().get(CLINIC).await.is(200);
    assert_eq!((theirs.etag().as_str(), &theirs.body["name"]), ("\"0\"", &json!("Your clinic")));
    assert_eq!(theirs.body["account_id"], "clinic-2");
}

async fn first_changes_at_the_same_moment_all_arrive(world: World) {
    let served = world.serve().await;
    let mut writers = tokio::task::JoinSet::new();
    for days in 1..=12 {
        let admin = served.admin();
        writers.spawn(
            async move { admin.patch(CLINIC, "*", &json!({ "default_expiry_days": days + 10 })).await },
        );
    }
    for reply in writers.join_all().await {
        reply.is(200);
    }
    assert_eq!(served.admin().get(CLINIC).await.etag(), "\"12\"");
}

async fn patients_may_share_an_address_where_the_clinic_lets_them(world: World) {
    let served = world.serve().await;
    let staff = served.staff();
    let first = staff.create(&person(1)).await;
    served.admin().patch(CLINIC, "*", &json!({ "allow_shared_email": true })).await.is(200);
    let second = staff.create(&person(1)).await;
    let third =
        staff.create(&json!({ "email": "PERSON1@example.org", "first_name": "C", "last_name": "D" })).await;
    assert_eq!(staff.all("/api/patients?search=person1@").await.len(), 3);
    assert_eq!(number!(served, "select count(*) from claims"), 3);

    // An external id stays one person's own.
    staff.patch(&at(first), "*", &json!({ "external_id": "MRN-1" })).await.is(200);
    let taken = staff.patch(&at(second), "*", &json!({ "external_id": "MRN-1" })).await;
    assert_eq!(taken.refused(409, "external_id_taken")["patient_id"], first.to_string());

    // Archived and restored, a sharer shares again; moved away and back, too.
    staff.delete(&at(third), "*").await.is(200);
    staff.post(&format!("{}/restore", at(third)), &json!({})).await.is(200);
    staff.patch(&at(first), "*", &json!({ "email": "away@example.org" })).await.is(200);
    staff.patch(&at(first), "*", &json!({ "email": "person1@example.org" })).await.is(200);
    assert_eq!(number!(served, "select count(*) from claims where kind = 'email'"), 3);
    // Elsewhere the rule is another.
    let stranger = served.stranger();
    stranger.create(&person(1)).await;
    stranger.post("/api/patients", &person(1)).await.refused(409, "email_taken");
}

async fn sharing_is_not_switched_off_while_patients_share(world: World) {
    let served = world.serve().await;
    let (staff, admin) = (served.staff(), served.admin());
    admin.patch(CLINIC, "*", &json!({ "allow_shared_email": true })).await.is(200);
    let mut sharers = [staff.create(&person(1)).await, staff.create(&person(1)).await];
    staff.create(&person(2)).await;
    let off = json!({ "allow_shared_email": false });
    let body = admin.patch(CLINIC, "*", &off).await.refused(409, "addresses_shared");
    let mut listed: Vec<Value> = body["patient_ids"].as_array().unwrap().clone();
    listed.sort_by_key(Value::to_string);
    sharers.sort();
    assert_eq!(listed, sharers.map(|id| json!(id)));
    assert_eq!(admin.get(CLINIC).await.body["allow_shared_email"], true);

    staff.patch(&at(sharers[0]), "*", &json!({ "email": "own@example.org" })).await.is(200);
    assert_eq!(admin.patch(CLINIC, "*", &off).await.is(200).body["allow_shared_email"], false);
    for taken in [person(1), person(2)] {
        staff.post("/api/patients", &taken).await.refused(409, "email_taken");
    }
}
