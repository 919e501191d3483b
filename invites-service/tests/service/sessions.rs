//! Sessions of persons: who gets one, what it shows, when it ends.

use crate::world::{Answer, BORN, PASSWORD, World, archived, created, details};
use chrono::TimeDelta;
use reqwest::Method;
use serde_json::{Value, json};
use shared_events::Event;
use shared_events::patient::PatientErased;
use shared_http::Role;
use std::sync::Arc;
use testkit::databases::Door;
use tokio::task::JoinSet;
use uuid::Uuid;

testkit::on_both_databases!(
    signing_in_and_out,
    refused_alike,
    ten_attempts_over_copies_and_restarts,
    a_session_ends_when_it_is_not_used_and_at_its_end,
    what_a_person_sees,
    tokens_of_others_open_nothing,
    ended_sessions_are_dropped,
);

const PATH: &str = "/api/patient_session";

/// A patient with a login; their address.
async fn registered(world: &World) -> (Uuid, String) {
    let patient = world.patient().await;
    let token = world.issue(patient).await.token();
    world.accept(&token, BORN).await.is(201, "");
    (patient, details(patient).email)
}

async fn sign_in(world: &World, email: &str, password: &str) -> Answer {
    world.public(PATH, json!({ "email": email, "password": password })).await
}

async fn show(world: &World, session: &str) -> Answer {
    world.ask(Method::GET, PATH, Some(session), &[], None).await
}

async fn sign_out(world: &World, session: &str, how: &str) -> Answer {
    world.ask(Method::DELETE, &format!("{PATH}{how}"), Some(session), &[], None).await
}

async fn signing_in_and_out(door: Door) {
    let world = World::new(door).await;
    let (patient, email) = registered(&world).await;
    let mut sessions = Vec::new();
    for written in [email.clone(), email.to_uppercase(), format!("  {email} ")] {
        sessions.push(sign_in(&world, &written, PASSWORD).await.is(201, "").text("session"));
    }
    let shown = show(&world, &sessions[0]).await;
    assert_eq!(shown.is(200, "").body.get("session"), None, "the token is told once");
    assert_eq!(shown.body["patients"][0]["patient_id"], patient.to_string());
    sign_out(&world, &sessions[0], "?everywhere=perhaps").await.is(400, "invalid_query");
    assert_eq!(sign_out(&world, &sessions[0], "").await.status, 204);
    show(&world, &sessions[0]).await.is(401, "not_signed_in");
    sign_out(&world, &sessions[0], "").await.is(401, "not_signed_in");
    show(&world, &sessions[1]).await.is(200, "");
    assert_eq!(sign_out(&world, &sessions[1], "?everywhere=true").await.status, 204);
    show(&world, &sessions[2]).await.is(401, "not_signed_in");
    assert_eq!(world.number("select count(*) from account_sessions").await, 0);
}

async fn refused_alike(door: Door) {
    let world = World::new(door).await;
    let (_, email) = registered(&world).await;
    let (_, locked) = registered(&world).await;
    for _ in 0..10 {
        sign_in(&world, &locked, "another password").await.is(403, "sign_in_refused");
    }
    let body = |answer: Answer| {
        let mut body = answer.is(403, "sign_in_refused").body.clone();
        body.as_object_mut().map(|members| members.remove("request_id"));
        body
    };
    let unknown = body(sign_in(&world, "nobody@example.org", PASSWORD).await);
    assert_eq!(body(sign_in(&world, &email, "another password").await), unknown);
    assert_eq!(body(sign_in(&world, &locked, PASSWORD).await), unknown);
    for bad in ["", "   ", "a\u{0}@example.org", &"x".repeat(300)] {
        sign_in(&world, bad, PASSWORD).await.is(422, "invalid_body");
    }
    assert_eq!(world.number("select count(*) from account_sessions").await, 0);
}

/// Whoever goes over two copies at once, and over one that has just started, gains nothing: of a hundred wrong
/// passwords ten are looked at, and the right one comes too late.
async fn ten_attempts_over_copies_and_restarts(door: Door) {
    let first = Arc::new(World::new(door).await);
    let second = Arc::new(first.copy().await);
    let (_, email) = registered(&first).await;
    let mut trying = JoinSet::new();
    for number in 0..40 {
        let world = if number % 2 == 0 { first.clone() } else { second.clone() };
        let email = email.clone();
        trying.spawn(async move { sign_in(&world, &email, "another password").await });
    }
    for answer in trying.join_all().await {
        answer.is(403, "sign_in_refused");
    }
    assert_eq!(first.number("select failed_sign_ins from accounts").await, 10);
    drop(second);
    let third = first.copy().await;
    for world in [&*first, &third] {
        sign_in(world, &email, PASSWORD).await.is(403, "sign_in_refused");
    }
    assert_eq!(first.number("select failed_sign_ins from accounts").await, 10);
}

async fn a_session_ends_when_it_is_not_used_and_at_its_end(door: Door) {
    let world = World::new(door).await;
    let (_, email) = registered(&world).await;
    let idle = sign_in(&world, &email, PASSWORD).await.text("session");
    world.clock.advance(TimeDelta::seconds(1799));
    show(&world, &idle).await.is(200, "");
    world.clock.advance(TimeDelta::seconds(1799));
    show(&world, &idle).await.is(200, "");
    world.clock.advance(TimeDelta::seconds(1800));
    show(&world, &idle).await.is(401, "not_signed_in");
    let used = sign_in(&world, &email, PASSWORD).await.text("session");
    for _ in 0..35 {
        world.clock.advance(TimeDelta::minutes(20));
        show(&world, &used).await.is(200, "");
    }
    world.clock.advance(TimeDelta::minutes(19));
    let last = show(&world, &used).await;
    assert_eq!(last.is(200, "").text("idle_until"), last.text("expires_at"));
    world.clock.advance(TimeDelta::minutes(1));
    show(&world, &used).await.is(401, "not_signed_in");
}

async fn what_a_person_sees(door: Door) {
    let world = World::new(door).await;
    let mut all = Vec::new();
    for _ in 0..3 {
        let patient = world.clock.new_id();
        let mut details = details(patient);
        details.email = "family@example.org".into();
        world.hear(&[world.incoming(patient, 1, created(details.clone()))]).await.expect("heard");
        let token = world.issue(patient).await.token();
        world.accept(&token, BORN).await.is(201, "");
        all.push((patient, details));
    }
    let gone = archived(all[1].1.clone(), 2);
    let erased =
        PatientErased { erasure_id: Uuid::nil(), erased_at: world.clock.now(), invites_void_before: 2 };
    let news = [world.incoming(all[1].0, 2, gone), world.incoming(all[2].0, 2, Event::PatientErased(erased))];
    world.hear(&news).await.expect("heard");
    let seen = sign_in(&world, "family@example.org", PASSWORD).await;
    let shown = |place: usize, status: &str| {
        json!({
            "patient_id": all[place].0, "clinic": "Your clinic", "first_name": "Eve", "last_name": "O'Hara",
            "status": status,
        })
    };
    assert_eq!(seen.is(201, "").body["patients"], json!([shown(0, "active"), shown(1, "inactive")]));
}

async fn tokens_of_others_open_nothing(door: Door) {
    let world = World::new(door).await;
    let (patient, email) = registered(&world).await;
    let session = sign_in(&world, &email, PASSWORD).await.text("session");
    let staff = world.token(crate::world::CLINIC, Role::Admin);
    show(&world, &staff).await.is(401, "not_signed_in");
    for path in ["/api/invites".to_owned(), format!("/api/invites?patient_id={patient}")] {
        world.ask(Method::GET, &path, Some(&session), &[], None).await.is(401, "token_invalid");
    }
    for bad in ["", "ps1.", "ps1.AAAA", "x", &session[..session.len() - 1], &session.replace("ps1.", "pr1.")]
    {
        show(&world, bad).await.is(401, "not_signed_in");
    }
    world.ask(Method::GET, PATH, None, &[], None).await.is(401, "not_signed_in");
    show(&world, &session).await.is(200, "");
    let kept: Vec<u8> = world.bytes("select token_hash from account_sessions").await;
    assert_eq!(kept.len(), 32);
    assert!(!session.as_bytes().windows(8).any(|part| kept.windows(8).any(|hash| hash == part)));
}

async fn ended_sessions_are_dropped(door: Door) {
    let world = World::new(door).await;
    let (_, email) = registered(&world).await;
    sign_in(&world, &email, PASSWORD).await.is(201, "");
    world.clock.advance(TimeDelta::minutes(10));
    let lives = sign_in(&world, &email, PASSWORD).await.text("session");
    world.clock.advance(TimeDelta::minutes(20));
    assert_eq!(world.service.logins().prune_once().await.expect("pruned"), 1);
    show(&world, &lives).await.is(200, "");
    let none: Value = json!(world.service.logins().prune_once().await.expect("pruned"));
    assert_eq!(none, json!(0));
}
