//! What is written down of invites: what staff did and saw, and what patients did.

use crate::world::{CLINIC, World};
use reqwest::Method;
use serde_json::{Value, json};
use shared_http::Role;
use testkit::databases::Door;

testkit::on_both_databases!(
    every_showing_of_a_link_is_a_row,
    what_patients_change_is_a_row_and_what_they_only_look_at_is_none,
    bulk_jobs_are_one_row_an_order,
);

/// Actions with their actors, oldest first.
async fn told(world: &World) -> Vec<(String, String)> {
    let token = world.token(CLINIC, Role::Admin);
    let page = world.ask(Method::GET, "/api/audit/invites?limit=200", Some(&token), &[], None).await;
    let text = |row: &Value, member: &str| row[member].as_str().expect(member).to_owned();
    let rows = page.is(200, "").body["items"].as_array().expect("rows").clone();
    let rows = rows.iter().rev().filter(|row| row["action"] != "audit.read");
    rows.map(|row| (text(row, "action"), text(row, "actor"))).collect()
}

fn by<'a>(actor: &'a str, actions: &[&'a str]) -> Vec<(String, String)> {
    actions.iter().map(|action| ((*action).to_owned(), actor.to_owned())).collect()
}

async fn every_showing_of_a_link_is_a_row(door: Door) {
    let world = World::new(door).await;
    let body = json!({ "patient_id": world.patient().await, "provider_id": "dr-grey" });
    let token = world.token(CLINIC, Role::Staff);
    for _ in 0..2 {
        let key = [("idempotency-key", "k1")];
        let path = "/api/generate_invite";
        world.ask(Method::POST, path, Some(&token), &key, Some(body.clone())).await.is(201, "");
    }
    let issued = world.issue(world.patient().await).await;
    let resend = format!("/api/invites/{}/resend", issued.id());
    world.ask(Method::POST, &resend, Some(&token), &[], None).await.is(200, "");
    let told = told(&world).await;
    let shown = told.iter().filter(|(action, _)| action == "invite.link_shown").count();
    let issued = told.iter().filter(|(action, _)| action == "invite.issued").count();
    let resent = told.iter().filter(|(action, _)| action == "invite.resent").count();
    // The repeated request shows the link again and issues nothing.
    assert_eq!(issued, 2, "{told:?}");
    assert_eq!(shown, issued + 1 + resent, "{told:?}");
    assert!(resent == 1 && told.iter().all(|(_, actor)| actor == "staff:staff-7"), "{told:?}");
}

async fn what_patients_change_is_a_row_and_what_they_only_look_at_is_none(door: Door) {
    let world = World::new(door).await;
    let issued = world.issue(world.patient().await).await;
    let link = issued.token();
    for _ in 0..3 {
        world.verify(&link).await.is(200, "");
    }
    world.accept(&link, "1999-09-09").await.is(403, "not_accepted");
    world.accept("pf1.unknown", "1999-09-09").await.is(403, "not_accepted");
    world.accept(&link, crate::world::BORN).await.is(201, "");
    let mut expected = by("staff:staff-7", &["invite.issued", "invite.link_shown"]);
    expected.extend(by("patient", &["invite.opened", "invite.verification_failed", "invite.verified"]));
    expected.extend(by("patient", &["invite.accepted"]));
    assert_eq!(told(&world).await, expected);
}

async fn bulk_jobs_are_one_row_an_order(door: Door) {
    let world = World::new(door).await;
    let patients = [world.patient().await, world.patient().await];
    let body = json!({ "patient_ids": patients, "provider_id": "dr-grey" });
    let job = world.post("/api/invites/bulk", body).await.is(202, "").id();
    world.drain().await;
    world.get(&format!("/api/invites/bulk/{job}/patients")).await.is(200, "");
    let expected = by("staff:staff-7", &["bulk_invite.started", "bulk_invite.patients_read"]);
    assert_eq!(told(&world).await, expected);
}
