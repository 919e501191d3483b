//! What staff may issue, list, send again and take back, and what they are told where they may not.

use crate::world::{CLINIC, World, archived, details};
use chrono::TimeDelta;
use reqwest::Method;
use serde_json::{Value, json};
use shared_events::Event;
use shared_events::clinic::{ClinicSettings, InviteSystem, OpenInvitePolicy};
use shared_events::patient::PatientErased;
use shared_http::Role;
use testkit::databases::Door;
use uuid::Uuid;

testkit::on_both_databases!(
    who_cannot_be_invited,
    bodies_that_are_none,
    policies,
    what_lapsed,
    lists,
    repeated_requests,
    words_of_staff,
);

async fn who_cannot_be_invited(door: Door) {
    let world = World::new(door).await;
    let unknown = world.issue(world.clock.new_id()).await;
    assert_eq!(unknown.is(404, "patient_unknown").retry_after.as_deref(), Some("1"));

    let gone = world.patient().await;
    world.hear(&[world.incoming(gone, 2, archived(details(gone), 2))]).await.expect("heard");
    world.issue(gone).await.is(409, "patient_inactive");

    let erased = world.patient().await;
    let event = PatientErased {
        erasure_id: world.clock.new_id(),
        erased_at: world.clock.now(),
        invites_void_before: 2,
    };
    world.hear(&[world.incoming(erased, 2, Event::PatientErased(event))]).await.expect("heard");
    world.issue(erased).await.is(410, "patient_erased");

    let patient = world.patient().await;
    let legacy = ClinicSettings { invite_system: InviteSystem::Legacy, ..ClinicSettings::default() };
    world.settings(legacy, 1).await;
    world.issue(patient).await.is(409, "invite_system_is_legacy");
    world.settings(ClinicSettings::default(), 2).await;
    world.issue(patient).await.is(201, "");
}

async fn bodies_that_are_none(door: Door) {
    let world = World::new(door).await;
    let id = world.clock.new_id();
    let cases: [(Value, &str); 9] = [
        (json!({ "email": "eve@example.org", "provider_id": "x" }), "/email"),
        (json!({ "email": "eve@example.org", "patient_id": id, "provider_id": "x" }), "/email"),
        (json!({ "provider_id": "x" }), "/patient_id"),
        (json!({ "patient_id": id }), "/provider_id"),
        (json!({ "patient_id": id, "provider_id": "  " }), "/provider_id"),
        (json!({ "patient_id": id, "provider_id": "x", "expiry_days": 0 }), "/expiry_days"),
        (json!({ "patient_id": id, "provider_id": "x", "expiry_days": 91 }), "/expiry_days"),
        (json!({ "patient_id": id, "provider_id": "x", "expires": 9 }), "/expires"),
        (json!({ "patient_id": "x", "provider_id": "x" }), "/patient_id"),
    ];
    for (body, pointer) in cases {
        let answer = world.post("/api/generate_invite", body.clone()).await;
        answer.is(422, "invalid_body");
        assert_eq!(answer.body["errors"][0]["pointer"], pointer, "{body}: {}", answer.body);
    }
}

async fn policies(door: Door) {
    let world = World::new(door).await;
    let patient = world.patient().await;
    let first = world.issue(patient).await;
    let second = world.issue(patient).await;
    second.is(201, "");
    let shown = world.get(&format!("/api/invites/{}", first.id())).await;
    assert_eq!((shown.text("status").as_str(), shown.text("reason").as_str()), ("revoked", "superseded"));

    world.policy(OpenInvitePolicy::Reject, 1).await;
    let refused = world.issue(patient).await;
    assert_eq!(refused.is(409, "open_invite_exists").text("invite_id"), second.id().to_string());

    world.policy(OpenInvitePolicy::Allow, 2).await;
    world.issue(patient).await.is(201, "");
    assert_eq!(world.statuses(patient).await, ["pending", "pending", "revoked"]);
}

async fn what_lapsed(door: Door) {
    let world = World::new(door).await;
    world.policy(OpenInvitePolicy::Reject, 1).await;
    let patient = world.patient().await;
    let issued = world.issue(patient).await;
    world.clock.advance(TimeDelta::days(7));
    // Refused and listed as expired before the sweeper came by.
    world.accept(&issued.token(), crate::world::BORN).await.is(410, "invite_expired");
    assert_eq!(world.status(issued.id()).await, "expired");
    let page = |status: &str| format!("/api/invites?patient_id={patient}&status={status}");
    assert_eq!(world.get(&page("pending")).await.body["items"], json!([]));
    assert_eq!(world.get(&page("expired")).await.body["items"].as_array().map(Vec::len), Some(1));

    let sweeper = world.service.sweeper();
    assert_eq!(sweeper.sweep_once().await.expect("swept"), 1);
    assert_eq!(sweeper.sweep_once().await.expect("swept"), 0);
    assert_eq!(world.history(issued.id()).await, ["InviteIssued", "InviteExpired"]);
    world.issue(patient).await.is(201, "");
    let resend = format!("/api/invites/{}/resend", issued.id());
    let refused = world.post(&resend, json!({})).await;
    assert_eq!(refused.is(409, "invite_not_pending").text("status_of_invite"), "expired");
}

async fn lists(door: Door) {
    let world = World::new(door).await;
    let mut made = Vec::new();
    for _ in 0..5 {
        let patient = world.patient().await;
        made.push(world.issue(patient).await.id().to_string());
        world.clock.advance(TimeDelta::seconds(1));
    }
    made.reverse();
    let (mut listed, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = world.get(&format!("/api/invites?limit=2{cursor}")).await;
        let items = page.is(200, "").body["items"].as_array().expect("items").clone();
        listed.extend(items.iter().map(|item| item["id"].as_str().expect("an id").to_owned()));
        match page.body["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(listed, made);
    let count = async |query: &str| {
        world.get(&format!("/api/invites?{query}")).await.body["items"].as_array().map(Vec::len)
    };
    assert_eq!(count("provider_id=dr-grey").await, Some(5));
    assert_eq!(count("provider_id=dr-no").await, Some(0));
    assert_eq!(count("status=revoked").await, Some(0));
    assert_eq!(count("created_after=2026-03-01T12:00:02Z").await, Some(3));
    assert_eq!(count("created_before=2026-03-01T12:00:02Z").await, Some(2));
    world.get("/api/invites?state=open").await.is(400, "invalid_query");
    world.get("/api/invites?status=open").await.is(400, "invalid_query");
    world.get(&format!("/api/invites?status=pending{cursor}")).await.is(400, "cursor_invalid");
}

async fn repeated_requests(door: Door) {
    let world = World::new(door).await;
    let patient = world.patient().await;
    let token = world.token(CLINIC, Role::Staff);
    let body = json!({ "patient_id": patient, "provider_id": "dr-grey" });
    let post = async |body: &Value| {
        let headers = [("idempotency-key", "k-1")];
        world.ask(Method::POST, "/api/generate_invite", Some(&token), &headers, Some(body.clone())).await
    };
    let first = post(&body).await;
    let again = post(&body).await;
    assert_eq!((again.is(201, "").id(), again.token()), (first.id(), first.token()));
    assert_eq!(world.history(first.id()).await, ["InviteIssued"]);
    let other = json!({ "patient_id": patient, "provider_id": "dr-no" });
    post(&other).await.is(422, "idempotency_key_reused");
    // The answer stands though a new request would be refused by now.
    world.accept(&first.token(), crate::world::BORN).await.is(201, "");
    assert_eq!(post(&body).await.is(201, "").id(), first.id());
}

async fn words_of_staff(door: Door) {
    let world = World::new(door).await;
    let patient = world.patient().await;
    let body = json!({ "patient_id": patient, "provider_id": "dr-grey", "custom_message": "Welcome", "send_email": false });
    let issued = world.post("/api/generate_invite", body).await;
    assert_eq!(issued.is(201, "").text("channel"), "link");
    let shown = world.get(&format!("/api/invites/{}", issued.id())).await;
    assert_eq!((shown.text("custom_message").as_str(), shown.etag.as_deref()), ("Welcome", Some("\"1\"")));
    assert_eq!(shown.body.get("invite_url"), None, "only issuing and sending again show the link");
    world.get(&format!("/api/invites/{}", Uuid::nil())).await.is(404, "not_found");
}
