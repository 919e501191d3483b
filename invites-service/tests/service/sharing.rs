//! One address, several people: logins of their own, and whose password it is.

use crate::world::{Answer, BORN, PASSWORD, World, created, details};
use serde_json::{Value, json};
use shared_events::clinic::ClinicSettings;
use testkit::databases::Door;
use uuid::Uuid;

testkit::on_both_databases!(
    a_family_has_logins_of_their_own,
    without_sharing_nobody_makes_another,
    no_more_than_ten_logins,
    a_wrong_password_counts_on_every_login,
    a_login_without_a_password,
    two_first_logins_at_once,
);

const FAMILY: &str = "family@example.org";

async fn shared(world: &World) {
    let settings = ClinicSettings { allow_shared_email: true, ..ClinicSettings::default() };
    world.settings(settings, 1).await;
}

/// A patient at the family's address, invited.
async fn invited(world: &World) -> (Uuid, String) {
    let patient = world.clock.new_id();
    let mut details = details(patient);
    details.email = FAMILY.into();
    world.hear(&[world.incoming(patient, 1, created(details))]).await.expect("heard");
    (patient, world.issue(patient).await.token())
}

async fn accept(world: &World, token: &str, password: &str, own: bool) -> Answer {
    let body = json!({ "token": token, "date_of_birth": BORN, "password": password, "new_login": own });
    world.public("/api/accept_invite", body).await
}

async fn sign_in(world: &World, password: &str) -> Answer {
    world.public("/api/patient_session", json!({ "email": FAMILY, "password": password })).await
}

fn choice(answer: &Answer) -> (Value, Value) {
    (answer.body["has_account"].clone(), answer.body["may_make_own"].clone())
}

async fn a_family_has_logins_of_their_own(door: Door) {
    let world = World::new(door).await;
    shared(&world).await;
    let (first, second, third) = (invited(&world).await, invited(&world).await, invited(&world).await);
    assert_eq!(choice(&world.verify(&first.1).await), (json!(false), Value::Null), "nothing to choose from");
    let mother = accept(&world, &first.1, "the mother's own words", true).await;
    let mother = mother.is(201, "").text("user_id");
    assert_eq!(choice(&world.verify(&second.1).await), (json!(true), json!(true)));
    accept(&world, &second.1, "short", true).await.is(422, "password_weak");
    let father = accept(&world, &second.1, "the father's own words", true).await.is(201, "").text("user_id");
    assert_ne!(mother, father);
    // The child is the father's, by whose password it is.
    accept(&world, &third.1, "nobody's own words", false).await.is(403, "account_password_wrong");
    let child = accept(&world, &third.1, "the father's own words", false).await;
    assert_eq!(child.is(201, "").text("user_id"), father);
    let seen = sign_in(&world, "the father's own words").await;
    assert_eq!(seen.is(201, "").text("user_id"), father);
    assert_eq!(seen.body["patients"].as_array().map(Vec::len), Some(2));
    let seen = sign_in(&world, "the mother's own words").await;
    assert_eq!(seen.is(201, "").text("user_id"), mother);
    let counts = "select count(*) from accounts where slot = user_id";
    assert_eq!(world.number(counts).await, 1, "the first login of the address has its slot");
    // Signing in costs the other one nothing, however often.
    for _ in 0..12 {
        sign_in(&world, "the mother's own words").await.is(201, "");
    }
    sign_in(&world, "the father's own words").await.is(201, "");
    assert_eq!(world.number("select max(failed_sign_ins) from accounts").await, 0);
}

async fn without_sharing_nobody_makes_another(door: Door) {
    let world = World::new(door).await;
    let (first, second) = (invited(&world).await, invited(&world).await);
    let user = accept(&world, &first.1, PASSWORD, false).await.is(201, "").text("user_id");
    assert_eq!(choice(&world.verify(&second.1).await), (json!(true), Value::Null));
    accept(&world, &second.1, "the words of another", true).await.is(409, "own_login_not_possible");
    assert_eq!(world.number("select failed_sign_ins from accounts").await, 0, "nothing was tried");
    // Sharing is allowed, but nobody else is at the address any more: no choice either.
    shared(&world).await;
    let archived = crate::world::archived(details(first.0), 2);
    world.hear(&[world.incoming(first.0, 2, archived)]).await.expect("heard");
    assert_eq!(choice(&world.verify(&second.1).await), (json!(true), Value::Null));
    assert_eq!(accept(&world, &second.1, PASSWORD, false).await.is(201, "").text("user_id"), user);
}

async fn no_more_than_ten_logins(door: Door) {
    let world = World::new(door).await;
    shared(&world).await;
    let mut invites = Vec::new();
    for _ in 0..11 {
        invites.push(invited(&world).await);
    }
    for (number, (_, token)) in invites.iter().enumerate().take(10) {
        accept(&world, token, &format!("the words of number {number}"), true).await.is(201, "");
    }
    let last = &invites[10].1;
    assert_eq!(choice(&world.verify(last).await), (json!(true), Value::Null));
    accept(&world, last, "the words of number 10", true).await.is(409, "own_login_not_possible");
    accept(&world, last, "the words of number 3", false).await.is(201, "");
    assert_eq!(world.number("select count(*) from accounts").await, 10);
}

async fn a_wrong_password_counts_on_every_login(door: Door) {
    let world = World::new(door).await;
    shared(&world).await;
    let (first, second) = (invited(&world).await, invited(&world).await);
    accept(&world, &first.1, "the mother's own words", true).await.is(201, "");
    accept(&world, &second.1, "the father's own words", true).await.is(201, "");
    let third = invited(&world).await;
    // Here and at the door, in turn: one count.
    for round in 0..5 {
        accept(&world, &third.1, &format!("wrong words {round}"), false)
            .await
            .is(403, "account_password_wrong");
        sign_in(&world, &format!("other wrong words {round}")).await.is(403, "sign_in_refused");
    }
    assert_eq!(world.number("select min(failed_sign_ins) from accounts").await, 10);
    for words in ["the mother's own words", "the father's own words"] {
        sign_in(&world, words).await.is(403, "sign_in_refused");
        accept(&world, &third.1, words, false).await.is(403, "account_password_wrong");
    }
    assert_eq!(world.number("select max(failed_sign_ins) from accounts").await, 10);
}

async fn a_login_without_a_password(door: Door) {
    let world = World::new(door).await;
    let (first, second) = (invited(&world).await, invited(&world).await);
    let user: Uuid = accept(&world, &first.1, PASSWORD, false).await.text("user_id").parse().expect("an id");
    // As one taken over from the old system stands here.
    world.execute("update accounts set password_hash = null").await;
    for _ in 0..2 {
        accept(&world, &second.1, PASSWORD, false).await.is(409, "password_needed");
        sign_in(&world, PASSWORD).await.is(403, "sign_in_refused");
    }
    let asked = ["AccountRegistered", "PasswordResetRequested", "PasswordResetRequested"];
    assert_eq!(world.history(user).await, asked);
    let token = world.reset_token(user).await;
    let body = json!({ "token": token, "password": "a password at last" });
    assert_eq!(world.public("/api/password_reset/confirm", body).await.status, 204);
    let linked = accept(&world, &second.1, "a password at last", false).await;
    assert_eq!(linked.is(201, "").text("user_id"), user.to_string());
}

async fn two_first_logins_at_once(door: Door) {
    let world = World::new(door).await;
    shared(&world).await;
    for _ in 0..4 {
        world.execute("delete from accounts").await;
        let (first, second) = (invited(&world).await, invited(&world).await);
        let (one, other) = tokio::join!(
            accept(&world, &first.1, "the mother's own words", true),
            accept(&world, &second.1, "the father's own words", true)
        );
        one.is(201, "");
        other.is(201, "");
        assert_ne!(one.text("user_id"), other.text("user_id"));
        assert_eq!(world.number("select count(*) from accounts where slot = user_id").await, 1);
    }
}
