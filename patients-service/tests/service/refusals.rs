//! Bad input: what comes back names the place and the mistake, never the value (checked for every
//! refusal where requests are sent), and nothing is kept.

use crate::common::client::{at, person};
use crate::common::{World, number, on_both_databases};
use reqwest::Method;
use serde_json::{Value, json};

on_both_databases!(
    an_unknown_field_is_refused_by_its_name,
    a_wrong_type_is_pointed_at,
    every_bad_field_is_named_at_once,
    a_list_is_no_record,
    what_is_no_json_is_told_where_it_breaks,
    another_media_type_is_refused,
    a_body_too_large_is_refused,
    a_route_or_method_that_is_not_there_is_refused_in_form,
);

const PATIENTS: &str = "/api/patients";

async fn an_unknown_field_is_refused_by_its_name(world: World) {
    let served = world.serve().await;
    let staff = served.staff();
    let id = staff.create(&person(1)).await;
    for field in ["emial", "id", "status", "account_id", "has_pending_invite", "created_at", "incomplete"] {
        let mut body = person(2);
        body[field] = json!("s3cret-value");
        let pointer = format!("/{field}");
        for reply in [
            staff.post(PATIENTS, &body).await,
            staff.put(&at(id), "*", &body).await,
            staff.patch(&at(id), "*", &body).await,
        ] {
            let body = reply.refused_at(422, "invalid_body", &pointer);
            assert_eq!(body["errors"][0]["code"], "unknown_field");
        }
    }
    assert_eq!(number!(served, "select count(*) from events"), 1);
}

async fn a_wrong_type_is_pointed_at(world: World) {
    let served = world.serve().await;
    let staff = served.staff();
    let id = staff.create(&person(1)).await;
    for (field, value) in [
        ("email", json!(7)),
        ("email", json!(["a@b.org"])),
        ("first_name", json!({ "given": "s3cret" })),
        ("phone", json!(12345)),
        ("date_of_birth", json!(19900228)),
        ("notes", json!(true)),
    ] {
        let mut body = person(2);
        body[field] = value;
        for reply in [staff.post(PATIENTS, &body).await, staff.patch(&at(id), "*", &body).await] {
            let refused = reply.refused_at(422, "invalid_body", &format!("/{field}"));
            assert_eq!(refused["errors"][0]["code"], "wrong_type", "{refused}");
        }
    }
    let mut body = person(2);
    body["email"] = Value::Null;
    staff.post(PATIENTS, &body).await.refused_at(422, "invalid_body", "/email");
    body.as_object_mut().unwrap().remove("email");
    staff.post(PATIENTS, &body).await.refused_at(422, "invalid_body", "/email");
}

async fn every_bad_field_is_named_at_once(world: World) {
    let served = world.serve().await;
    let body = json!({
        "email": "eve at example", "first_name": "   ", "last_name": "x".repeat(201), "phone": "call me",
        "date_of_birth": "2026-11-24", "external_id": "y".repeat(129), "clinician_id": "a\tb",
        "notes": "z".repeat(10_001), "preferred_language": "english!", "clinician_name": "line\nbreak",
    });
    let refused = served.staff().post(PATIENTS, &body).await.refused(422, "invalid_body");
    let mut pointers: Vec<String> = refused["errors"].as_array().unwrap().iter().map(pointer).collect();
    pointers.sort();
    let mut expected: Vec<String> = body.as_object().unwrap().keys().map(|key| format!("/{key}")).collect();
    expected.sort();
    assert_eq!(pointers, expected);
}

fn pointer(error: &Value) -> String {
    error["pointer"].as_str().unwrap().to_owned()
}

async fn a_list_is_no_record(world: World) {
    let served = world.serve().await;
    let staff = served.staff();
    let id = staff.create(&person(1)).await;
    let list = json!(["b@example.org", "Ada", "Lovelace", null, null, null, null, null, null, null]);
    for body in [json!([]), list, json!("text"), json!(7), json!(null)] {
        staff.post(PATIENTS, &body).await.refused(422, "invalid_body");
        staff.put(&at(id), "*", &body).await.refused(422, "invalid_body");
        staff.patch(&at(id), "*", &body).await.refused(422, "invalid_body");
        served.admin().patch("/api/clinic", "*", &body).await.refused(422, "invalid_body");
    }
    assert_eq!(number!(served, "select count(*) from events"), 1);
}

async fn what_is_no_json_is_told_where_it_breaks(world: World) {
    let served = world.serve().await;
    let staff = served.staff();
    for body in [
        &b""[..],
        b"{",
        b"{\"email\": \"a@b.org\",}",
        b"email=a@b.org",
        b"{\"email\":\"\\ud800\",\"first_name\":\"A\",\"last_name\":\"B\"}",
        b"{\"email\":\"a\xff@b.org\",\"first_name\":\"A\",\"last_name\":\"B\"}",
        b"{\"email\":\"a@b.org\",\"first_name\":\"A\",\"last_name\":\"B\"} {}",
        b"{\"email\":\"a@b.org\",\"first_name\":\"A\x00\",\"last_name\":\"B\"}",
        b"\x00",
    ] {
        let request = staff.request(Method::POST, PATIENTS).header("content-type", "application/json");
        let refused = staff.send(request.body(body.to_vec())).await.refused(400, "malformed_json");
        assert!(refused["line"].is_number() && refused["column"].is_number(), "{refused}");
    }
    assert_eq!(number!(served, "select count(*) from events"), 0);
}

async fn another_media_type_is_refused(world: World) {
    let served = world.serve().await;
    let staff = served.staff();
    let id = staff.create(&person(1)).await;
    let body = person(2).to_string();
    for kind in
        ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "json", ""]
    {
        let request = staff.request(Method::POST, PATIENTS).header("content-type", kind);
        staff.send(request.body(body.clone())).await.refused(415, "unsupported_media_type");
    }
    staff.send(staff.request(Method::POST, PATIENTS).body(body)).await.refused(415, "unsupported_media_type");
    let csv = "email,first,last\na@b.org,A,B\n";
    for kind in ["application/json", "image/png", ""] {
        let request = staff.request(Method::POST, "/api/patients/import").header("content-type", kind);
        staff.send(request.body(csv)).await.refused(415, "unsupported_media_type");
    }
    for kind in
        ["text/csv", "Text/CSV; charset=utf-8; header=present", "application/octet-stream", "text/plain"]
    {
        let request = staff.request(Method::POST, "/api/patients/import").header("content-type", kind);
        staff.send(request.body(csv)).await.is(202);
    }
    let patch = "application/merge-patch+json";
    let request = staff.request(Method::PATCH, &at(id)).header("content-type", patch).header("if-match", "*");
    staff.send(request.body("{\"phone\":\"12345\"}")).await.is(200);
}

async fn a_body_too_large_is_refused(world: World) {
    let served = world.serve().await;
    let staff = served.staff();
    let mut body = person(1);
    body["notes"] = json!("x".repeat(1024 * 1024));
    staff.post(PATIENTS, &body).await.refused(413, "body_too_large");
    assert_eq!(number!(served, "select count(*) from events"), 0);
}

async fn a_route_or_method_that_is_not_there_is_refused_in_form(world: World) {
    let served = world.serve().await;
    let staff = served.staff();
    staff.get("/api/patient").await.refused(404, "not_found");
    staff.post("/api/patients/import/x", &json!({})).await.refused(404, "not_found");
    staff.post("/api/clinic", &json!({})).await.refused(405, "method_not_allowed");
    staff.send(staff.request(Method::DELETE, PATIENTS)).await.refused(405, "method_not_allowed");
}
