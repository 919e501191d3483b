//! How often what may be done: by staff, by strangers, over copies and restarts.

use crate::world::{Answer, BORN, CLINIC, PASSWORD, World, created, details, wide};
use chrono::TimeDelta;
use invites_service::limits::Limits;
use reqwest::Method;
use serde_json::{Value, json};
use shared_http::{Role, TrustedProxies};
use shared_runtime::limits::Limit;
use std::sync::Arc;
use testkit::databases::Door;
use tokio::task::JoinSet;
use uuid::Uuid;

testkit::on_both_databases!(
    one_patient_within_a_day,
    one_address_within_a_clinic,
    a_clinic_one_by_one,
    jobs_have_a_pace_of_their_own,
    a_button_pressed_twice,
    what_is_refused_takes_nothing,
    a_clinic_over_two_copies_and_a_restart,
    clients_by_their_address,
    a_stranger_cannot_choose_an_address,
    a_client_over_two_copies_and_a_restart,
    one_address_whoever_asks,
    nobody_stands_in_the_table,
);

fn few(limit: Limit, burst: u32) -> Limit {
    Limit { burst, ..limit }
}

fn usual() -> Limits {
    Limits::default()
}

async fn as_told(answer: &Answer, limit: &str, seconds: &str) {
    assert_eq!(answer.is(429, "too_many_requests").text("limit"), limit);
    assert_eq!(answer.retry_after.as_deref(), Some(seconds));
}

async fn one_patient_within_a_day(door: Door) {
    let world = World::limited(door, Limits { patient: usual().patient, ..wide() }).await;
    let (patient, other) = (world.patient().await, world.patient().await);
    for _ in 0..9 {
        world.issue(patient).await.is(201, "");
    }
    let last = world.issue(patient).await;
    let resend = format!("/api/invites/{}/resend", last.is(201, "").id());
    let refused = world.issue(patient).await;
    as_told(&refused, "invite.patient", "8640").await;
    assert!(refused.text("detail").contains("Hand over the link"), "it says what to do");
    as_told(&world.post(&resend, json!({})).await, "invite.patient", "8640").await;
    assert_eq!(world.status(last.id()).await, "pending", "the refused one superseded nothing");
    world.issue(other).await.is(201, "");
    world.clock.advance(TimeDelta::seconds(8640));
    world.post(&resend, json!({})).await.is(200, "");
    as_told(&world.issue(patient).await, "invite.patient", "8640").await;
}

async fn one_address_within_a_clinic(door: Door) {
    let world = World::limited(door, Limits { address: few(usual().address, 3), ..wide() }).await;
    let mut family = Vec::new();
    for _ in 0..4 {
        let patient = world.clock.new_id();
        let mut details = details(patient);
        details.email =
            if family.len() % 2 == 0 { "family@example.org" } else { " Family@Example.org" }.into();
        world.hear(&[world.incoming(patient, 1, created(details))]).await.expect("heard");
        family.push(patient);
    }
    for patient in &family[..3] {
        world.issue(*patient).await.is(201, "");
    }
    as_told(&world.issue(family[3]).await, "invite.address", "28800").await;
    // Another clinic with a patient of that address sees nothing of it.
    let patient = world.clock.new_id();
    let mut event = world.incoming(patient, 1, {
        let mut details = details(patient);
        details.email = "family@example.org".into();
        created(details)
    });
    event.envelope.accountid = "clinic-2".into();
    world.hear(&[event]).await.expect("heard");
    let body = json!({ "patient_id": patient, "provider_id": "dr-no" });
    let staff = world.token("clinic-2", Role::Staff);
    world.ask(Method::POST, "/api/generate_invite", Some(&staff), &[], Some(body)).await.is(201, "");
}

async fn a_clinic_one_by_one(door: Door) {
    let world = World::limited(door, Limits { clinic: few(usual().clinic, 4), ..wide() }).await;
    for _ in 0..4 {
        world.issue(world.patient().await).await.is(201, "");
    }
    let patient = world.patient().await;
    let refused = world.issue(patient).await;
    as_told(&refused, "invite.clinic", "900").await;
    assert!(refused.text("detail").contains("/api/invites/bulk"), "it says what to do");
    // Refused under a key, it is tried under the same key when there is room.
    let staff = world.token(CLINIC, Role::Staff);
    let body = json!({ "patient_id": patient, "provider_id": "dr-grey" });
    let keyed = async || {
        let key = [("idempotency-key", "k-1")];
        world.ask(Method::POST, "/api/generate_invite", Some(&staff), &key, Some(body.clone())).await
    };
    as_told(&keyed().await, "invite.clinic", "900").await;
    world.clock.advance(TimeDelta::seconds(900));
    let issued = keyed().await;
    // Repeated, it is the same one, and takes no more room.
    assert_eq!(keyed().await.is(201, "").id(), issued.is(201, "").id());
}

async fn jobs_have_a_pace_of_their_own(door: Door) {
    let limits = Limits { clinic: few(usual().clinic, 1), patient: few(usual().patient, 2), ..wide() };
    let world = World::limited(door, limits).await;
    let mut patients = Vec::new();
    for _ in 0..5 {
        patients.push(world.patient().await);
    }
    world.issue(patients[0]).await.is(201, "");
    world.issue(patients[0]).await.is(429, "too_many_requests");
    let job = world.bulk(json!({ "patient_ids": patients })).await;
    world.drain().await;
    assert_eq!(world.stands(job).await.1, [5, 0, 5, 0, 0], "five, where the clinic's staff may make one");
    // One of them had two by now: for one patient a job makes no more than anybody.
    let job = world.bulk(json!({ "patient_ids": patients })).await;
    world.drain().await;
    assert_eq!(world.stands(job).await.1, [5, 0, 4, 1, 0]);
    let outcomes = world.outcomes(job, "&outcome=failed").await;
    assert_eq!(outcomes[&patients[0]]["code"], "too_many_requests");
}

async fn a_button_pressed_twice(door: Door) {
    let world = World::limited(door, Limits { resend: usual().resend, ..wide() }).await;
    let issued = world.issue(world.patient().await).await;
    let other = world.issue(world.patient().await).await;
    let resend = async |id: Uuid| world.post(&format!("/api/invites/{id}/resend"), json!({})).await;
    resend(issued.id()).await.is(200, "");
    as_told(&resend(issued.id()).await, "invite.resend", "60").await;
    resend(other.id()).await.is(200, "");
    world.clock.advance(TimeDelta::seconds(60));
    resend(issued.id()).await.is(200, "");
    assert_eq!(world.history(issued.id()).await, ["InviteIssued", "InviteResent", "InviteResent"]);
}

async fn what_is_refused_takes_nothing(door: Door) {
    let limits = Limits { patient: few(usual().patient, 2), clinic: few(usual().clinic, 2), ..wide() };
    let world = World::limited(door, limits).await;
    let patient = world.patient().await;
    let settings = shared_events::clinic::OpenInvitePolicy::Reject;
    world.policy(settings, 1).await;
    let issued = world.issue(patient).await;
    for _ in 0..5 {
        world.issue(patient).await.is(409, "open_invite_exists");
    }
    let staff = world.token("clinic-2", Role::Staff);
    for _ in 0..5 {
        let path = format!("/api/invites/{}/resend", issued.id());
        world.ask(Method::POST, &path, Some(&staff), &[], None).await.is(404, "not_found");
    }
    world.post(&format!("/api/invites/{}/resend", issued.id()), json!({})).await.is(200, "");
    world.post(&format!("/api/invites/{}/resend", issued.id()), json!({})).await.is(429, "too_many_requests");
}

async fn a_clinic_over_two_copies_and_a_restart(door: Door) {
    let limits = Limits { clinic: few(usual().clinic, 7), ..wide() };
    let first = Arc::new(World::limited(door, limits).await);
    let second = Arc::new(first.copy().await);
    let mut patients = Vec::new();
    for _ in 0..40 {
        patients.push(first.patient().await);
    }
    let mut issuing = JoinSet::new();
    for (number, patient) in patients.iter().copied().enumerate() {
        let world = if number % 2 == 0 { first.clone() } else { second.clone() };
        issuing.spawn(async move { world.issue(patient).await.status });
    }
    let statuses = issuing.join_all().await;
    let count = |status: u16| statuses.iter().filter(|one| **one == status).count();
    assert_eq!((count(201), count(429)), (7, 33), "{statuses:?}");
    drop(second);
    first.copy().await.issue(patients[0]).await.is(429, "too_many_requests");
}

fn behind_a_proxy(limits: Limits) -> Limits {
    Limits { proxies: TrustedProxies::new(["127.0.0.1".parse().expect("an address")]), ..limits }
}

async fn from(world: &World, client: &str, path: &str, body: Value) -> Answer {
    let headers = [("x-forwarded-for", client)];
    world.ask(Method::POST, path, None, &headers, Some(body)).await
}

async fn clients_by_their_address(door: Door) {
    let world = World::limited(door, behind_a_proxy(usual())).await;
    let token = json!({ "token": "pf1.AAAA" });
    let accept = json!({ "token": "pf1.AAAA", "date_of_birth": BORN, "password": PASSWORD });
    let confirm = json!({ "token": "pr1.AAAA", "password": PASSWORD });
    let mut number = 0;
    let mut email = || {
        number += 1;
        json!({ "email": format!("p{number}@example.org") })
    };
    let routes: [(&str, usize, &str, &str); 6] = [
        ("/api/verify_invite", 60, "public.verify", "1"),
        ("/api/accept_invite", 30, "public.accept", "2"),
        ("/api/patient_session", 30, "public.session", "2"),
        ("/api/request_link", 10, "public.link", "360"),
        ("/api/password_reset", 10, "public.reset", "360"),
        ("/api/password_reset/confirm", 30, "public.reset_confirm", "120"),
    ];
    for (path, many, limit, wait) in routes {
        let mut body = || match path {
            "/api/verify_invite" => token.clone(),
            "/api/accept_invite" => accept.clone(),
            "/api/password_reset/confirm" => confirm.clone(),
            "/api/patient_session" => {
                let mut body = email();
                body["password"] = json!(PASSWORD);
                body
            }
            _ => email(),
        };
        for _ in 0..many {
            assert_ne!(from(&world, "2001:db8:0:1::1", path, body()).await.status, 429, "{path}");
        }
        let refused = from(&world, "2001:db8:0:1:ffff::2", path, body()).await;
        as_told(&refused, limit, wait).await;
        assert_ne!(from(&world, "2001:db8:0:2::1", path, body()).await.status, 429, "another network");
        assert_ne!(from(&world, "198.51.100.1", path, body()).await.status, 429, "another address");
    }
}

async fn a_stranger_cannot_choose_an_address(door: Door) {
    let world = World::limited(door, Limits { verify: few(usual().verify, 3), ..wide() }).await;
    for number in 0..6 {
        let client = format!("198.51.100.{number}");
        let answer = from(&world, &client, "/api/verify_invite", json!({ "token": "x" })).await;
        assert_eq!(answer.status, if number < 3 { 200 } else { 429 });
    }
}

async fn a_client_over_two_copies_and_a_restart(door: Door) {
    let limits = Limits { accept: few(usual().accept, 6), ..wide() };
    let first = Arc::new(World::limited(door, limits).await);
    let second = Arc::new(first.copy().await);
    let token = first.issue(first.patient().await).await.token();
    let mut trying = JoinSet::new();
    for number in 0..60 {
        let world = if number % 2 == 0 { first.clone() } else { second.clone() };
        trying.spawn(async move { world.accept("pf1.AAAA", BORN).await.status });
    }
    let statuses = trying.join_all().await;
    assert_eq!(statuses.iter().filter(|status| **status == 403).count(), 6, "{statuses:?}");
    drop(second);
    first.copy().await.accept(&token, BORN).await.is(429, "too_many_requests");
    first.clock.advance(TimeDelta::seconds(10));
    first.accept(&token, BORN).await.is(201, "");
}

async fn one_address_whoever_asks(door: Door) {
    let limits = Limits {
        session_address: few(usual().session_address, 3),
        request_link_address: few(usual().request_link_address, 3),
        password_reset_address: few(usual().password_reset_address, 3),
        ..wide()
    };
    let world = World::limited(door, behind_a_proxy(limits)).await;
    let known = world.patient().await;
    for path in ["/api/patient_session", "/api/request_link", "/api/password_reset"] {
        // Known or not, it is counted: the limit tells nothing either.
        for address in [details(known).email, "nobody@example.org".to_owned()] {
            for number in 0..5 {
                let address = if number % 2 == 0 { address.to_uppercase() } else { address.clone() };
                let mut body = json!({ "email": address });
                if path.contains("session") {
                    body["password"] = json!(PASSWORD);
                }
                let status = from(&world, &format!("198.51.100.{number}"), path, body).await.status;
                assert_eq!(status == 429, number >= 3, "{path}: {number} {status}");
            }
        }
    }
}

async fn nobody_stands_in_the_table(door: Door) {
    let world = World::limited(door, usual()).await;
    let patient = world.patient().await;
    world.issue(patient).await.is(201, "");
    world.public("/api/request_link", json!({ "email": details(patient).email })).await;
    assert_eq!(world.number("select count(*) from limits").await, 6);
    let mut reader = world.service.core().db.read().await.expect("a reader");
    let keys = shared_runtime::fetch_all!(reader.conn(), (Uuid,), "select key from limits").expect("keys");
    assert!(!keys.contains(&(patient,)), "a bucket is named by a keyed hash");
}
