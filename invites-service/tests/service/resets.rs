//! A new password: who is mailed, what the link does, and when it is dead.

use crate::world::{Answer, BORN, PASSWORD, World, details};
use chrono::TimeDelta;
use reqwest::Method;
use serde_json::json;
use std::sync::Arc;
use testkit::databases::Door;
use tokio::task::JoinSet;
use uuid::Uuid;

testkit::on_both_databases!(
    a_new_password_ends_all_sessions,
    a_link_works_once,
    tokens_that_are_none,
    a_locked_login_is_opened,
    known_and_unknown_are_answered_alike,
    many_uses_at_once,
);

/// A person with a login: the login and the address.
async fn registered(world: &World) -> (Uuid, String) {
    let patient = world.patient().await;
    let token = world.issue(patient).await.token();
    let user = world.accept(&token, BORN).await.is(201, "").text("user_id");
    (user.parse().expect("an id"), details(patient).email)
}

async fn ask(world: &World, email: &str) -> Answer {
    world.public("/api/password_reset", json!({ "email": email })).await
}

async fn confirm(world: &World, token: &str, password: &str) -> Answer {
    world.public("/api/password_reset/confirm", json!({ "token": token, "password": password })).await
}

async fn sign_in(world: &World, email: &str, password: &str) -> Answer {
    world.public("/api/patient_session", json!({ "email": email, "password": password })).await
}

async fn a_new_password_ends_all_sessions(door: Door) {
    let world = World::new(door).await;
    let (user, email) = registered(&world).await;
    let session = sign_in(&world, &email, PASSWORD).await.text("session");
    assert_eq!(ask(&world, &email).await.status, 202);
    let token = world.reset_token(user).await;
    let show = async || world.ask(Method::GET, "/api/patient_session", Some(&session), &[], None).await;
    show().await.is(200, "");
    // What cannot be taken uses nothing up.
    for weak in ["short", "1234567890", "eve o'hara", &email] {
        confirm(&world, &token, weak).await.is(422, "password_weak");
    }
    assert_eq!(world.number("select count(*) from accounts where verified").await, 0);
    assert_eq!(confirm(&world, &token, "an entirely new one").await.status, 204);
    show().await.is(401, "not_signed_in");
    assert_eq!(world.number("select count(*) from accounts where verified").await, 1);
    sign_in(&world, &email, PASSWORD).await.is(403, "sign_in_refused");
    sign_in(&world, &email, "an entirely new one").await.is(201, "");
    let history = ["AccountRegistered", "PasswordResetRequested", "PasswordReset"];
    assert_eq!(world.history(user).await, history);
}

async fn a_link_works_once(door: Door) {
    let world = World::new(door).await;
    let (user, email) = registered(&world).await;
    ask(&world, &email).await;
    let first = world.reset_token(user).await;
    ask(&world, &email).await;
    let second = world.reset_token(user).await;
    confirm(&world, &first, "an entirely new one").await.is(410, "reset_ended");
    world.clock.advance(TimeDelta::minutes(59));
    assert_eq!(confirm(&world, &second, "an entirely new one").await.status, 204);
    confirm(&world, &second, "yet another new one").await.is(410, "reset_ended");
    ask(&world, &email).await;
    let third = world.reset_token(user).await;
    world.clock.advance(TimeDelta::hours(1));
    confirm(&world, &third, "yet another new one").await.is(410, "reset_ended");
    sign_in(&world, &email, "an entirely new one").await.is(201, "");
}

async fn tokens_that_are_none(door: Door) {
    let world = World::new(door).await;
    let (user, email) = registered(&world).await;
    ask(&world, &email).await;
    let token = world.reset_token(user).await;
    let invite = world.issue(world.patient().await).await.token();
    let (before, after) = (&token[..40], &token[41..]);
    let bent = format!("{before}{}{after}", if &token[40..41] == "A" { "B" } else { "A" });
    let dressed = format!("pr1.{}", &invite[4..]);
    for bad in ["", "pr1.", bent.as_str(), &token[..60], &invite, &dressed, &token.replace("pr1.", "pf1.")] {
        confirm(&world, bad, "an entirely new one").await.is(410, "reset_ended");
    }
    // Nor is a reset's token an invitation.
    for token in [token.as_str(), &token.replace("pr1.", "pf1.")] {
        assert_eq!(world.verify(token).await.body, json!({ "valid": false }));
        world.accept(token, BORN).await.is(403, "not_accepted");
    }
    sign_in(&world, &email, PASSWORD).await.is(201, "");
    assert_eq!(confirm(&world, &format!("#{token}"), "an entirely new one").await.status, 204);
}

async fn a_locked_login_is_opened(door: Door) {
    let world = World::new(door).await;
    let (user, email) = registered(&world).await;
    for _ in 0..10 {
        sign_in(&world, &email, "another password").await.is(403, "sign_in_refused");
    }
    sign_in(&world, &email, PASSWORD).await.is(403, "sign_in_refused");
    ask(&world, &email).await;
    sign_in(&world, &email, PASSWORD).await.is(403, "sign_in_refused");
    assert_eq!(confirm(&world, &world.reset_token(user).await, PASSWORD).await.status, 204);
    sign_in(&world, &email, PASSWORD).await.is(201, "");
}

async fn known_and_unknown_are_answered_alike(door: Door) {
    let world = World::new(door).await;
    let (_, email) = registered(&world).await;
    let invited = world.patient().await;
    world.issue(invited).await;
    let bytes = async |path: &str, email: &str| {
        let request = world.client.post(format!("{}{path}", world.url)).header("x-request-id", "same");
        let request = request.header("content-type", "application/json");
        let answer = request.body(json!({ "email": email }).to_string()).send().await.expect("an answer");
        let mut headers: Vec<_> = answer.headers().iter().map(|(n, v)| (n.clone(), v.clone())).collect();
        headers.retain(|(name, _)| name != "date");
        headers.sort_by(|one, other| one.0.as_str().cmp(other.0.as_str()));
        (answer.status(), headers, answer.bytes().await.expect("a body"))
    };
    for path in ["/api/password_reset", "/api/request_link"] {
        let unknown = bytes(path, "nobody@example.org").await;
        assert_eq!(unknown.0, 202);
        assert_eq!(bytes(path, &email).await, unknown);
        assert_eq!(bytes(path, &details(invited).email).await, unknown);
    }
    let asked = "select count(*) from events where type in ('PasswordResetRequested', 'LinkRequested')";
    assert_eq!(world.number(asked).await, 3, "and something was done for those who are known");
}

async fn many_uses_at_once(door: Door) {
    let world = Arc::new(World::new(door).await);
    let other = Arc::new(world.copy().await);
    let (user, email) = registered(&world).await;
    ask(&world, &email).await;
    let token = world.reset_token(user).await;
    let mut using = JoinSet::new();
    for number in 0..10 {
        let world = if number % 2 == 0 { world.clone() } else { other.clone() };
        let token = token.clone();
        using.spawn(async move { confirm(&world, &token, "an entirely new one").await.status });
    }
    let mut statuses = using.join_all().await;
    statuses.sort_unstable();
    assert_eq!(statuses, [&[204][..], &[410; 9]].concat());
    let resets = "select count(*) from events where type = 'PasswordReset'";
    assert_eq!(world.number(resets).await, 1);
}
