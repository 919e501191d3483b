//! The patient's side: facts, passwords, logins.

use crate::world::{BORN, PASSWORD, World, created, details, record, updated};
use chrono::TimeDelta;
use serde_json::{Value, json};
use shared_events::Event;
use shared_events::patient::{PatientStatus, PatientUpdated};
use testkit::databases::Door;
use uuid::Uuid;

testkit::on_both_databases!(
    tokens_that_are_none,
    the_order_of_checks,
    how_it_ended_is_told_after_the_fact,
    a_patient_without_a_date_of_birth,
    a_record_without_names,
    one_login_for_two_patients,
    ten_wrong_passwords_lock_a_login,
);

async fn tokens_that_are_none(door: Door) {
    let world = World::new(door).await;
    let patient = world.patient().await;
    let token = world.issue(patient).await.token();
    let (before, after) = (&token[..40], &token[41..]);
    let bent = format!("{before}{}{after}", if &token[40..41] == "A" { "B" } else { "A" });
    for bad in ["", "pf1.", "pf1.AAAA", "pf:x", "0123456789abcdef", bent.as_str(), &token[..40]] {
        assert_eq!(world.verify(bad).await.is(200, "").body, json!({ "valid": false }), "{bad}");
        world.accept(bad, BORN).await.is(403, "not_accepted");
    }
    assert_eq!(world.verify(&format!("%23{token}")).await.body["valid"], true);
}

async fn the_order_of_checks(door: Door) {
    let world = World::new(door).await;
    let patient = world.patient().await;
    let issued = world.issue(patient).await;
    let try_with = async |born: &str, password: &str| {
        let body = json!({ "token": issued.token(), "date_of_birth": born, "password": password });
        world.public("/api/accept_invite", body).await
    };
    // A wrong fact hides that the password is weak; a right one does not burn an attempt for it.
    try_with("1985-01-30", "short").await.is(403, "not_accepted");
    for weak in ["short", "1234567890", "eve o'hara", &format!("eve-{}@example.org", patient.simple())] {
        let answer = try_with(BORN, weak).await;
        assert_eq!(answer.is(422, "password_weak").body["errors"][0]["pointer"], "/password");
    }
    let shown = world.get(&format!("/api/invites/{}", issued.id())).await;
    assert_eq!(shown.body["failed_attempts"], 1);
    try_with(BORN, PASSWORD).await.is(201, "");
    // The end is told to whoever knows the fact, and to nobody else.
    try_with(BORN, "short").await.is(409, "already_accepted");
    try_with("1985-01-30", PASSWORD).await.is(403, "not_accepted");
}

async fn how_it_ended_is_told_after_the_fact(door: Door) {
    let world = World::new(door).await;
    let mut patients = Vec::new();
    for _ in 0..4 {
        let patient = world.patient().await;
        patients.push((patient, world.issue(patient).await));
    }
    let [revoked, accepted, inactive, expired] = &patients[..] else { unreachable!() };
    world.post(&format!("/api/invites/{}/revoke", revoked.1.id()), json!({})).await.is(200, "");
    world.accept(&accepted.1.token(), BORN).await.is(201, "");
    // Archived, as far as is known here, and the news that voids the invite still on its way.
    let record = record(details(inactive.0), PatientStatus::Inactive, 0);
    let updated =
        PatientUpdated { record, changed: vec![], reissue_invites: false, reissue_from: 0, import_id: None };
    world.hear(&[world.incoming(inactive.0, 2, Event::PatientUpdated(updated))]).await.expect("heard");
    let ends = [
        (revoked, 410, "invite_revoked"),
        (accepted, 409, "already_accepted"),
        (inactive, 409, "patient_inactive"),
        (expired, 410, "invite_expired"),
    ];
    for ((_, invite), status, code) in ends {
        if code == "invite_expired" {
            world.clock.advance(TimeDelta::days(7));
        }
        let token = invite.token();
        assert_eq!(world.verify(&token).await.body, json!({ "valid": false }));
        let wrong = world.accept(&token, "1985-01-30").await;
        assert_eq!(wrong.is(403, "not_accepted").body["title"], "This could not be accepted");
        let told = world.accept(&token, BORN).await;
        assert!(!told.is(status, code).text("detail").is_empty(), "it says what to do next");
    }
}

async fn a_patient_without_a_date_of_birth(door: Door) {
    let world = World::new(door).await;
    let patient = world.clock.new_id();
    let without = shared_events::patient::PatientDetails { date_of_birth: None, ..details(patient) };
    world.hear(&[world.incoming(patient, 1, created(without))]).await.expect("heard");
    let token = world.issue(patient).await.token();
    assert_eq!(world.verify(&token).await.body["asks"], "last_name");
    let accept = async |fact: Value| {
        let mut body = json!({ "token": token, "password": PASSWORD });
        body.as_object_mut().expect("an object").extend(fact.as_object().expect("an object").clone());
        world.public("/api/accept_invite", body).await
    };
    accept(json!({ "date_of_birth": BORN })).await.is(403, "not_accepted");
    let address = format!("eve-{}@example.org", patient.simple());
    accept(json!({ "email": address })).await.is(403, "not_accepted");
    accept(json!({ "last_name": "Smith" })).await.is(403, "not_accepted");
    accept(json!({})).await.is(422, "invalid_body");
    accept(json!({ "last_name": " o'HARA" })).await.is(201, "");
}

async fn a_record_without_names(door: Door) {
    let world = World::new(door).await;
    let patient = world.clock.new_id();
    let mut bare = details(patient);
    (bare.date_of_birth, bare.first_name, bare.last_name) = (None, String::new(), String::new());
    let address = bare.email.to_uppercase();
    world.hear(&[world.incoming(patient, 1, created(bare))]).await.expect("heard");
    let token = world.issue(patient).await.token();
    let seen = world.verify(&token).await;
    assert_eq!((seen.body["asks"].as_str(), seen.body.get("initial")), (Some("email"), None));
    let body = json!({
        "token": token, "email": address, "password": PASSWORD, "first_name": "Ada", "last_name": "Lovelace"
    });
    world.public("/api/accept_invite", body).await.is(201, "");
}

/// Two patients at one address, each with an open invite.
async fn two_at_one_address(world: &World) -> [(Uuid, String); 2] {
    let mut both = Vec::new();
    for _ in 0..2 {
        let patient = world.clock.new_id();
        let mut shared = details(patient);
        shared.email = "family@example.org".into();
        world.hear(&[world.incoming(patient, 1, created(shared))]).await.expect("heard");
        both.push((patient, world.issue(patient).await.token()));
    }
    both.try_into().expect("two")
}

async fn one_login_for_two_patients(door: Door) {
    let world = World::new(door).await;
    let [(_, first), (second_patient, second)] = two_at_one_address(&world).await;
    let user = world.accept(&first, BORN).await.is(201, "").text("user_id");
    assert_eq!(world.verify(&second).await.body["has_account"], true);
    let other = json!({ "token": second, "date_of_birth": BORN, "password": "another password" });
    world.public("/api/accept_invite", other).await.is(403, "account_password_wrong");
    let linked = world.accept(&second, BORN).await;
    assert_eq!(linked.is(201, "").text("user_id"), user);
    assert_eq!(linked.text("patient_id"), second_patient.to_string());
    let user = user.parse().expect("an id");
    assert_eq!(world.history(user).await, ["AccountRegistered", "AccountLinked"]);
    assert_eq!(world.number("select count(*) from account_patients").await, 2);
    assert_eq!(
        world.number("select failed_sign_ins from accounts").await,
        0,
        "the right one begins it again"
    );
}

async fn ten_wrong_passwords_lock_a_login(door: Door) {
    let world = World::new(door).await;
    let [(_, first), (second_patient, second)] = two_at_one_address(&world).await;
    world.accept(&first, BORN).await.is(201, "");
    let wrong = json!({ "token": second, "date_of_birth": BORN, "password": "another password" });
    let many = (0..12).map(|_| world.public("/api/accept_invite", wrong.clone()));
    for answer in join_all(many.collect()).await {
        answer.is(403, "account_password_wrong");
    }
    assert_eq!(world.number("select failed_sign_ins from accounts").await, 10);
    world.accept(&second, BORN).await.is(403, "account_password_wrong");
    // An address of the patient's own is another login.
    let mut own = details(second_patient);
    own.email = "own@example.org".into();
    world.hear(&[world.incoming(second_patient, 2, updated(own, 2))]).await.expect("heard");
    world.accept(&second, BORN).await.is(410, "invite_revoked");
    let third = world.issue(second_patient).await.token();
    world.accept(&third, BORN).await.is(201, "");
}

async fn join_all<F: Future>(futures: Vec<F>) -> Vec<F::Output> {
    let mut answers = Vec::new();
    for future in futures {
        answers.push(future.await);
    }
    answers
}
