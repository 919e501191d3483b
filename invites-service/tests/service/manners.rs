//! Who may ask what, and what a stranger finds.

use crate::world::{CLINIC, World};
use reqwest::Method;
use serde_json::json;
use shared_http::Role;
use testkit::databases::Door;

testkit::on_both_databases!(
    another_clinic_finds_nothing,
    roles,
    the_document_is_whole,
    reading_changes_nothing
);

async fn another_clinic_finds_nothing(door: Door) {
    let world = World::new(door).await;
    let patient = world.patient().await;
    let issued = world.issue(patient).await;
    let stranger = world.token("clinic-2", Role::Admin);
    let path = format!("/api/invites/{}", issued.id());
    world.ask(Method::GET, &path, Some(&stranger), &[], None).await.is(404, "not_found");
    for action in ["revoke", "resend"] {
        let path = format!("{path}/{action}");
        world.ask(Method::POST, &path, Some(&stranger), &[], None).await.is(404, "not_found");
    }
    let body = json!({ "patient_id": patient, "provider_id": "x" });
    let invited = world.ask(Method::POST, "/api/generate_invite", Some(&stranger), &[], Some(body)).await;
    invited.is(404, "patient_unknown");
    for query in ["".to_owned(), format!("?patient_id={patient}"), "?status=pending".to_owned()] {
        let list = world.ask(Method::GET, &format!("/api/invites{query}"), Some(&stranger), &[], None).await;
        assert_eq!(list.is(200, "").body["items"], json!([]));
    }
    // Nor does a cursor of ours lead a stranger anywhere.
    world.issue(world.patient().await).await.is(201, "");
    let cursor = world.get("/api/invites?limit=1").await.text("next_cursor");
    let path = format!("/api/invites?limit=1&cursor={cursor}");
    world.ask(Method::GET, &path, Some(&stranger), &[], None).await.is(400, "cursor_invalid");
    assert_eq!(world.status(issued.id()).await, "pending");
    assert_eq!(world.history(issued.id()).await, ["InviteIssued"]);
}

async fn roles(door: Door) {
    let world = World::new(door).await;
    let patient = world.patient().await;
    let issued = world.issue(patient).await;
    let viewer = world.token(CLINIC, Role::Viewer);
    let writes = [
        "/api/generate_invite".to_owned(),
        format!("/api/invites/{}/revoke", issued.id()),
        format!("/api/invites/{}/resend", issued.id()),
    ];
    for path in &writes {
        let body = json!({ "patient_id": patient, "provider_id": "x" });
        let body = path.contains("generate").then_some(body);
        world.ask(Method::POST, path, Some(&viewer), &[], body.clone()).await.is(403, "role_insufficient");
        world.ask(Method::POST, path, None, &[], body).await.is(401, "token_missing");
    }
    for path in ["/api/invites".to_owned(), format!("/api/invites/{}", issued.id())] {
        world.ask(Method::GET, &path, Some(&viewer), &[], None).await.is(200, "");
        world.ask(Method::GET, &path, None, &[], None).await.is(401, "token_missing");
    }
    assert_eq!(world.history(issued.id()).await, ["InviteIssued"]);
}

async fn the_document_is_whole(door: Door) {
    let world = World::new(door).await;
    let document = world.ask(Method::GET, "/openapi/invites.json", None, &[], None).await;
    let paths = document.is(200, "").body["paths"].as_object().expect("paths").clone();
    let mut routes: Vec<&str> = paths.keys().map(String::as_str).collect();
    routes.sort_unstable();
    assert_eq!(
        routes,
        [
            "/api/accept_invite",
            "/api/audit/invites",
            "/api/generate_invite",
            "/api/invites",
            "/api/invites/bulk",
            "/api/invites/bulk/{id}",
            "/api/invites/bulk/{id}/cancel",
            "/api/invites/bulk/{id}/events",
            "/api/invites/bulk/{id}/patients",
            "/api/invites/bulk/{id}/retry",
            "/api/invites/history",
            "/api/invites/{id}",
            "/api/invites/{id}/extend",
            "/api/invites/{id}/history",
            "/api/invites/{id}/link",
            "/api/invites/{id}/resend",
            "/api/invites/{id}/revoke",
            "/api/invites/{id}/unlock",
            "/api/password_reset",
            "/api/password_reset/confirm",
            "/api/patient_session",
            "/api/request_link",
            "/api/verify_invite"
        ]
    );
    let of = |path: &str| paths[path]["post"]["security"].clone();
    assert_eq!((of("/api/verify_invite"), of("/api/accept_invite")), (json!([{}]), json!([{}])));
    let schema = &document.body["components"]["schemas"]["GenerateInvite"];
    assert_eq!(schema["required"], json!(["patient_id", "provider_id"]));
    assert_eq!(schema["properties"].get("email"), None);
}

async fn reading_changes_nothing(door: Door) {
    let world = World::new(door).await;
    let patient = world.patient().await;
    let issued = world.issue(patient).await;
    let token = issued.token();
    let without = json!({ "token": token, "password": "correct horse battery" });
    world.public("/api/accept_invite", without).await.is(422, "invalid_body");
    assert_eq!(world.history(issued.id()).await, ["InviteIssued"]);
}
