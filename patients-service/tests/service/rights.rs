//! Who may do what, and that another clinic's records do not exist.

use crate::common::client::{Api, Reply, at, person};
use crate::common::{Served, World, number, on_both_databases};
use reqwest::Method;
use serde_json::{Value, json};
use shared_http::Role;
use uuid::Uuid;

on_both_databases!(
    another_clinics_patient_is_not_found_on_any_route_and_stays_as_it_was,
    another_clinics_import_is_not_found,
    a_viewer_reads_and_writes_nothing,
    staff_cannot_touch_the_clinic,
    nobody_gets_in_without_a_good_token,
    the_clinics_settings_are_no_patient,
);

/// Every route that names a patient, asked by `api`.
async fn every_route(api: &Api, id: Uuid) -> Vec<(&'static str, Reply)> {
    let path = at(id);
    let plain = |method: Method| api.request(method, &path).header("if-match", "*");
    vec![
        ("read", api.get(&path).await),
        ("history", api.get(&format!("{path}/history")).await),
        ("replace", api.put(&path, "*", &person(9)).await),
        ("replace the version", api.put(&path, "\"1\"", &person(9)).await),
        ("change", api.patch(&path, "*", &json!({ "phone": "12345" })).await),
        ("change a stale version", api.patch(&path, "\"7\"", &json!({ "phone": "12345" })).await),
        ("change nothing", api.send(plain(Method::PATCH).json(&json!({}))).await),
        ("archive", api.delete(&path, "*").await),
        ("restore", api.post(&format!("{path}/restore"), &json!({})).await),
        ("erase", api.post(&format!("{path}/erase"), &json!({})).await),
        ("erase under a key", api.post_as("k2", &format!("{path}/erase"), &json!({})).await),
        ("restore under a key", api.post_as("k1", &format!("{path}/restore"), &json!({})).await),
    ]
}

async fn state(served: &Served, id: Uuid) -> (Value, String, i64) {
    let read = served.staff().get(&at(id)).await.is(200);
    (read.body.clone(), read.etag(), number!(served, "select count(*) from events"))
}

async fn another_clinics_patient_is_not_found_on_any_route_and_stays_as_it_was(world: World) {
    let served = world.serve().await;
    let live = served.staff().create(&person(1)).await;
    let archived = served.staff().create(&person(2)).await;
    served.staff().delete(&at(archived), "*").await.is(200);
    for id in [live, archived] {
        let before = state(&served, id).await;
        for (what, reply) in every_route(&served.stranger(), id).await {
            assert_eq!((reply.status, &reply.body["code"]), (404, &json!("not_found")), "{what}");
        }
        assert_eq!(state(&served, id).await, before);
    }
    assert!(served.stranger().all("/api/patients?search=person").await.is_empty());
    // An address that is taken next door is free here.
    served.stranger().create(&person(1)).await;
}

/// Every route that names an import, asked by `api`; those that staff alone may take come last.
async fn every_import_route(api: &Api, import: Uuid) -> Vec<(&'static str, Reply)> {
    let path = format!("/api/imports/{import}");
    vec![
        ("read", api.get(&path).await),
        ("rows", api.get(&format!("{path}/rows")).await),
        ("events", api.get(&format!("{path}/events")).await),
        ("result", api.get(&format!("{path}/result")).await),
        ("failed rows", api.get(&format!("{path}/result?only=failed")).await),
        ("retry", api.post(&format!("{path}/retry"), &json!({})).await),
        ("undo", api.post(&format!("{path}/undo"), &json!({})).await),
        ("undo under a key", api.post_as("k1", &format!("{path}/undo"), &json!({})).await),
    ]
}

async fn another_clinics_import_is_not_found(world: World) {
    let served = world.serve().await;
    let file = "email,first_name,last_name\na@example.org,Ada,Lovelace\n";
    let done = crate::common::csv::import(&served, file).await;
    let import: Uuid = done["id"].as_str().unwrap().parse().unwrap();
    let path = format!("/api/imports/{import}");
    for (what, reply) in every_import_route(&served.stranger(), import).await {
        assert_eq!((reply.status, &reply.body["code"]), (404, &json!("not_found")), "{what}");
    }
    assert!(served.stranger().all("/api/imports").await.is_empty());
    assert_eq!(served.viewer().all("/api/imports").await.len(), 1);
    for (what, reply) in every_import_route(&served.viewer(), import).await {
        match what {
            "read" | "rows" | "events" => drop(reply.is(200)),
            _ => assert_eq!(reply.refused(403, "role_insufficient")["required_role"], "staff", "{what}"),
        }
    }
    for (what, reply) in every_import_route(&served.with_token(None), import).await {
        assert_eq!((reply.status, &reply.body["code"]), (401, &json!("token_missing")), "{what}");
    }
    assert_eq!(served.staff().get(&path).await.is(200).body, done);
    // The import is no patient, and the patient no import.
    served.staff().get(&at(import)).await.refused(404, "not_found");
}

async fn a_viewer_reads_and_writes_nothing(world: World) {
    let served = world.serve().await;
    let id = served.staff().create(&person(1)).await;
    let before = state(&served, id).await;
    let viewer = served.viewer();
    for (what, reply) in every_route(&viewer, id).await {
        match what {
            "read" | "history" => drop(reply.is(200)),
            _ => {
                let needed = if what.starts_with("erase") { "admin" } else { "staff" };
                assert_eq!(reply.refused(403, "role_insufficient")["required_role"], needed, "{what}");
            }
        }
    }
    viewer.post("/api/patients", &person(2)).await.refused(403, "role_insufficient");
    viewer.upload("email,first,last\na@b.org,A,B\n").await.refused(403, "role_insufficient");
    viewer.get("/api/patients").await.is(200);
    assert_eq!(state(&served, id).await, before);
    assert_eq!(number!(served, "select count(*) from imports"), 0);
}

async fn staff_cannot_touch_the_clinic(world: World) {
    let served = world.serve().await;
    let patch = json!({ "allow_shared_email": true });
    served.staff().patch("/api/clinic", "*", &patch).await.refused(403, "role_insufficient");
    served.admin().create(&person(1)).await;
    served.staff().post("/api/patients", &person(1)).await.refused(409, "email_taken");
}

async fn nobody_gets_in_without_a_good_token(world: World) {
    let served = world.serve().await;
    let id = served.staff().create(&person(1)).await;
    let before = state(&served, id).await;
    let expired = world.token("clinic-1", "staff-1", Role::Admin, -60);
    let good = world.token("clinic-1", "staff-1", Role::Admin, 60);
    let (head, tail) = good.rsplit_once('.').unwrap();
    let forged = format!("{head}.{}", tail.chars().rev().collect::<String>());
    for (token, code) in [
        (None, "token_missing"),
        (Some(expired.as_str()), "token_expired"),
        (Some(forged.as_str()), "token_invalid"),
        (Some("not.a.token"), "token_invalid"),
    ] {
        let api = served.with_token(token);
        for (_, reply) in every_route(&api, id).await {
            assert!(reply.headers.contains_key("www-authenticate"));
            reply.refused(401, code);
        }
        for path in ["/api/patients", "/api/clinic", "/api/imports/00000000-0000-0000-0000-000000000000"] {
            api.get(path).await.refused(401, code);
        }
        api.post("/api/patients", &person(2)).await.refused(401, code);
        api.patch("/api/clinic", "*", &json!({})).await.refused(401, code);
        api.upload("email,first,last\na@b.org,A,B\n").await.refused(401, code);
    }
    assert_eq!(state(&served, id).await, before);
}

async fn the_clinics_settings_are_no_patient(world: World) {
    let served = world.serve().await;
    served.admin().patch("/api/clinic", "*", &json!({ "name": "Ours" })).await.is(200);
    let account = shared_events::AccountId::parse("clinic-1").unwrap();
    let stream = patients_service::domain::clinic::stream(&account);
    for (what, reply) in every_route(&served.admin(), stream).await {
        assert_eq!((reply.status, &reply.body["code"]), (404, &json!("not_found")), "{what}");
    }
}
