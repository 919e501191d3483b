//! What reading leaves behind: nothing.

use crate::world::{BORN, PASSWORD, World, details};
use reqwest::Method;
use serde_json::json;
use testkit::databases::Door;

testkit::on_both_databases!(reading_changes_nothing);

async fn reading_changes_nothing(door: Door) {
    let world = World::new(door).await;
    let patient = world.patient().await;
    let token = world.issue(patient).await.token();
    world.accept(&token, BORN).await.is(201, "");
    let body = json!({ "email": details(patient).email, "password": PASSWORD });
    let session = world.public("/api/patient_session", body).await.text("session");
    let before = world.everything().await;
    for path in [
        "/api/verify_invite",
        "/api/accept_invite",
        "/api/request_link",
        "/api/password_reset",
        "/api/password_reset/confirm",
        "/api/patient_session",
    ] {
        for method in [Method::GET, Method::HEAD] {
            for number in 0..100 {
                let bearer = (number % 2 == 0).then_some(session.as_str());
                let path = format!("{path}?token={token}");
                let status = world.ask(method.clone(), &path, bearer, &[], None).await.status;
                let wanted = match (path.contains("session"), bearer) {
                    (true, Some(_)) => 200,
                    (true, None) => 401,
                    (false, _) => 405,
                };
                assert_eq!(status, wanted, "{method} {path}");
            }
        }
    }
    assert_eq!(world.everything().await, before);
    // Nor do forms that a scanner sends, without a fact or though they are counted for who sends them.
    let without = json!({ "token": token, "password": PASSWORD });
    world.public("/api/accept_invite", without).await.is(422, "invalid_body");
    for path in ["/api/request_link", "/api/password_reset", "/api/patient_session"] {
        world.public(path, json!({})).await.is(422, "invalid_body");
    }
    assert_eq!(world.number("select count(*) from events").await, 4);
    assert_eq!(world.number("select max(failed_attempts) from invites").await, 0);
}
