//! An invite that is still open: more time, another try, its link; and what happened to it.

use crate::world::{BORN, CLINIC, World, created, details};
use chrono::TimeDelta;
use reqwest::Method;
use serde_json::json;
use shared_http::Role;
use testkit::databases::Door;
use uuid::Uuid;

testkit::on_both_databases!(
    more_time,
    days_that_are_none,
    unlocked,
    the_link_is_shown_again,
    of_another_clinic,
    who_did_what_when,
);

fn wrong(token: &str) -> serde_json::Value {
    json!({ "token": token, "date_of_birth": "1999-09-09", "password": crate::world::PASSWORD })
}

async fn locked(world: &World, token: &str) {
    for _ in 0..5 {
        world.public("/api/accept_invite", wrong(token)).await.is(403, "not_accepted");
    }
}

async fn more_time(door: Door) {
    let world = World::new(door).await;
    let issued = world.issue(world.patient().await).await;
    let path = format!("/api/invites/{}/extend", issued.id());
    let extended = world.post(&path, json!({ "days": 10 })).await;
    let ends = (world.clock.now() + TimeDelta::days(17)).to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true);
    assert_eq!(extended.is(200, "").text("expires_at"), ends);
    // The same link, still good when the first end has passed.
    world.clock.advance(TimeDelta::days(16));
    assert_eq!(world.verify(&issued.token()).await.body["valid"], true);
    let far = world.post(&path, json!({ "days": 90 })).await;
    assert_eq!(far.is(422, "expiry_too_far").text("latest"), "2026-05-30T12:00:00Z");
    world.clock.advance(TimeDelta::days(1));
    world.post(&path, json!({ "days": 1 })).await.is(409, "invite_not_pending");
    assert_eq!(world.history(issued.id()).await, ["InviteIssued", "InviteExtended", "InviteOpened"]);
    world.rows_are_their_streams().await;
}

async fn days_that_are_none(door: Door) {
    let world = World::new(door).await;
    let issued = world.issue(world.patient().await).await;
    let path = format!("/api/invites/{}/extend", issued.id());
    for body in [json!({}), json!({ "days": 0 }), json!({ "days": 91 }), json!({ "days": -1 })] {
        let refused = world.post(&path, body).await;
        assert_eq!(refused.is(422, "invalid_body").body["errors"][0]["pointer"], "/days");
    }
    world.post(&path, json!({ "days": 1, "weeks": 1 })).await.is(422, "invalid_body");
}

async fn unlocked(door: Door) {
    let world = World::new(door).await;
    let issued = world.issue(world.patient().await).await;
    locked(&world, &issued.token()).await;
    world.accept(&issued.token(), BORN).await.is(403, "not_accepted");
    let path = format!("/api/invites/{}", issued.id());
    world.post(&format!("{path}/link"), json!({})).await.is(409, "invite_locked");
    world.post(&format!("{path}/resend"), json!({})).await.is(409, "invite_locked");
    let shown = world.post(&format!("{path}/unlock"), json!({})).await;
    assert_eq!(
        (shown.is(200, "").body["failed_attempts"].as_i64(), shown.body.get("locked_at")),
        (Some(0), None)
    );
    // Once more is no error, and nothing happens.
    world.post(&format!("{path}/unlock"), json!({})).await.is(200, "");
    world.accept(&issued.token(), BORN).await.is(201, "");
    world.post(&format!("{path}/unlock"), json!({})).await.is(409, "invite_not_pending");
    let history = world.history(issued.id()).await;
    assert_eq!(history.iter().filter(|name| *name == "InviteUnlocked").count(), 1);
}

async fn the_link_is_shown_again(door: Door) {
    let world = World::new(door).await;
    let issued = world.issue(world.patient().await).await;
    let path = format!("/api/invites/{}/link", issued.id());
    assert_eq!(world.post(&path, json!({})).await.is(200, "").token(), issued.token());
    let viewer = world.token(CLINIC, Role::Viewer);
    world.ask(Method::POST, &path, Some(&viewer), &[], None).await.is(403, "role_insufficient");
    world.post(&format!("/api/invites/{}/revoke", issued.id()), json!({})).await.is(200, "");
    world.post(&path, json!({})).await.is(409, "invite_not_pending");
    assert_eq!(world.history(issued.id()).await, ["InviteIssued", "InviteRevoked"]);
}

async fn of_another_clinic(door: Door) {
    let world = World::new(door).await;
    let patient = world.patient().await;
    let issued = world.issue(patient).await;
    let other = world.token("clinic-2", Role::Admin);
    for (method, path, body) in [
        (Method::POST, "extend", Some(json!({ "days": 1 }))),
        (Method::POST, "unlock", None),
        (Method::POST, "link", None),
        (Method::GET, "history", None),
    ] {
        let path = format!("/api/invites/{}/{path}", issued.id());
        world.ask(method, &path, Some(&other), &[], body).await.is(404, "not_found");
    }
    let path = format!("/api/invites/history?patient_id={patient}");
    world.ask(Method::GET, &path, Some(&other), &[], None).await.is(404, "patient_unknown");
    assert_eq!(world.history(issued.id()).await, ["InviteIssued"]);
}

async fn who_did_what_when(door: Door) {
    let world = World::new(door).await;
    let patient = world.patient().await;
    let first = world.issue(patient).await;
    world.clock.advance(TimeDelta::hours(1));
    locked(&world, &first.token()).await;
    world.clock.advance(TimeDelta::hours(1));
    let second = world.issue(patient).await;
    world.post(&format!("/api/invites/{}/revoke", second.id()), json!({ "reason": "Moved away" })).await;
    let of_invite = world.get(&format!("/api/invites/{}/history", second.id())).await;
    let items = of_invite.is(200, "").body["items"].as_array().expect("items").clone();
    assert_eq!(
        (items[1]["event"].as_str(), items[1]["note"].as_str()),
        (Some("InviteRevoked"), Some("Moved away"))
    );
    assert_eq!(
        (items[1]["reason"].as_str(), items[1]["actor"].as_str()),
        (Some("staff"), Some("staff:staff-7"))
    );
    let all = world.get(&format!("/api/invites/history?patient_id={patient}")).await;
    let items = all.is(200, "").body["items"].as_array().expect("items").clone();
    let told: Vec<(Uuid, &str)> = items
        .iter()
        .map(|item| {
            let id = item["invite_id"].as_str().expect("an id").parse().expect("an id");
            (id, item["event"].as_str().expect("a name"))
        })
        .collect();
    let failed = std::iter::repeat_n((first.id(), "InviteVerificationFailed"), 5);
    let mut expected = vec![(first.id(), "InviteIssued")];
    expected.extend(failed);
    expected.push((first.id(), "InviteLocked"));
    expected.push((first.id(), "InviteRevoked"));
    expected.push((second.id(), "InviteIssued"));
    expected.push((second.id(), "InviteRevoked"));
    assert_eq!(told, expected);
    assert_eq!(items[6]["failed_attempts"], 5);
    // Somebody who never was invited has a history, too: an empty one.
    let uninvited = world.clock.new_id();
    world.hear(&[world.incoming(uninvited, 1, created(details(uninvited)))]).await.expect("heard");
    let none = world.get(&format!("/api/invites/history?patient_id={uninvited}")).await;
    assert_eq!(none.is(200, "").body["items"], json!([]));
    world.get("/api/invites/history").await.is(400, "invalid_query");
}
