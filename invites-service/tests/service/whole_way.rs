//! From an event about a patient to a login, over the bus and over HTTP.

use crate::world::{BORN, CLINIC, World, created, details, until};
use serde_json::json;
use shared_events::{Event, delivery};
use shared_http::Role;
use testkit::databases::Door;
use uuid::Uuid;

testkit::on_both_databases!(issue_verify_accept, issue_resend_revoke);

async fn issue_verify_accept(door: Door) {
    let world = World::new(door).await;
    world.work();
    let patient = world.clock.new_id();
    world.say(patient, 1, &created(details(patient))).await;

    let issued = world.issue(patient).await;
    issued.is(201, "");
    assert_eq!(issued.text("status"), "pending");
    assert_eq!(issued.text("expires_at"), "2026-03-08T12:00:00Z");
    assert_eq!(issued.etag.as_deref(), Some("\"1\""));

    let seen = world.verify(&issued.token()).await;
    assert_eq!(
        seen.is(200, "").body,
        json!({ "valid": true, "clinic": "Your clinic", "initial": "E", "asks": "date_of_birth", "has_account": false })
    );
    world.verify(&issued.token()).await.is(200, "");

    let accepted = world.accept(&issued.token(), BORN).await;
    accepted.is(201, "");
    assert_eq!(accepted.text("patient_id"), patient.to_string());
    assert_eq!(accepted.text("status"), "accepted");
    assert_eq!(
        world.history(issued.id()).await,
        ["InviteIssued", "InviteOpened", "InviteVerified", "InviteAccepted"]
    );
    let user: Uuid = accepted.text("user_id").parse().expect("an id");
    assert_eq!(world.history(user).await, ["AccountRegistered"]);

    world.accept(&issued.token(), BORN).await.is(409, "already_accepted");
    assert_eq!(world.verify(&issued.token()).await.body, json!({ "valid": false }));
    world.issue(patient).await.is(409, "patient_already_registered");
    let revoke = format!("/api/invites/{}/revoke", issued.id());
    world.post(&revoke, json!({})).await.is(409, "invite_not_pending");
    world.rows_are_their_streams().await;
}

async fn issue_resend_revoke(door: Door) {
    let world = World::new(door).await;
    world.work();
    let patient = world.patient().await;
    let issued = world.issue(patient).await;
    let path = format!("/api/invites/{}", issued.id());
    let token = world.token(CLINIC, Role::Staff);

    let resent = world.ask(reqwest::Method::POST, &format!("{path}/resend"), Some(&token), &[], None).await;
    assert_eq!(resent.is(200, "").body["issue_no"], 2);
    assert_ne!(resent.token(), issued.token());
    // Until a mail with the new link is queued, the old one goes on.
    assert_eq!(world.verify(&issued.token()).await.body["valid"], true);
    let delivery = delivery::Delivery {
        purpose: delivery::Purpose::Invite,
        cause: Uuid::nil(),
        invite_id: Some(issued.id()),
        patient_id: Some(patient),
        user_id: None,
        issue_no: Some(2),
        attempt: 1,
        code: None,
        enhanced_status: None,
        words: None,
        next_attempt_at: None,
    };
    world.say(world.clock.new_id(), 1, &Event::DeliveryQueued(delivery)).await;
    let (service, old) = (&world, issued.token());
    until("the old link dies", || async { service.verify(&old).await.body["valid"] == false }).await;
    assert_eq!(world.verify(&resent.token()).await.body["valid"], true);
    world.accept(&old, BORN).await.is(403, "not_accepted");

    let revoke = format!("{path}/revoke");
    let revoked = world.post(&revoke, json!({ "reason": "wrong person" })).await;
    assert_eq!(
        (revoked.is(200, "").text("status"), revoked.text("reason")),
        ("revoked".into(), "staff".into())
    );
    let again = world.ask(reqwest::Method::POST, &revoke, Some(&token), &[], None).await;
    assert_eq!(again.is(200, "").body, revoked.body);
    assert_eq!(world.get(&path).await.text("note"), "wrong person");
    world.accept(&resent.token(), BORN).await.is(410, "invite_revoked");
    world.post(&format!("{path}/resend"), json!({})).await.is(409, "invite_not_pending");
    world.rows_are_their_streams().await;
}
