//! The whole story, as a clinic would live it, through real processes that are killed on the way: import
//! a register, import it again, invite everybody, accept some by link and date of birth, revoke others,
//! and read on the patients' side who still has an open invite.
//!
//! `embedded::sqlite` runs `patient-first serve`; `rabbitmq::postgres` runs the two services apart.

mod client;
mod people;
mod world;

use client::Client;
use people::People;
use serde_json::{Value, json};
use std::time::Duration;
use world::World;

const PEOPLE: usize = 60;
const ACCEPTED: usize = 12;
const REVOKED: usize = 7;

async fn story(mut world: World) {
    let people = People::invented(PEOPLE);
    let client = world.client();
    let counts = client.import(&people.csv()).await;
    assert_eq!((counts["read"].as_u64(), counts["created"].as_u64()), (Some(60), Some(60)), "{counts}");
    world.kill_and_start().await;
    let client = world.client();
    let again = client.import(&people.csv()).await;
    assert_eq!((again["created"].as_u64(), again["unchanged"].as_u64()), (Some(0), Some(60)), "{again}");

    let patients = client.all("/api/patients?limit=50").await;
    assert_eq!(patients.len(), PEOPLE);
    let mut invites = Vec::new();
    for (place, patient) in patients.iter().enumerate() {
        if place == PEOPLE / 2 {
            world.kill_and_start().await;
        }
        invites.push(world.client().invite(patient["id"].as_str().expect("id"), place).await);
    }
    let client = world.client();
    pending(&client, PEOPLE).await;

    for (place, (invite, patient)) in invites.iter().zip(&patients).take(ACCEPTED).enumerate() {
        let client = client.at_home(place);
        let token =
            invite["invite_url"].as_str().and_then(|url| url.split('#').nth(1)).expect("a link with a token");
        let verified = client.post("/api/verify_invite", &json!({ "token": token })).await;
        assert_eq!(
            (verified.0, &verified.1["valid"], &verified.1["asks"]),
            (200, &json!(true), &json!("date_of_birth"))
        );
        let accept = |date: &Value| json!({ "token": token, "date_of_birth": date, "password": "correct horse battery" });
        assert_eq!(
            client.post("/api/accept_invite", &accept(&json!("1801-01-01"))).await.0,
            403,
            "a wrong fact"
        );
        assert_eq!(
            client.post("/api/accept_invite", &accept(&patient["date_of_birth"])).await.0,
            201,
            "the right one"
        );
        assert_eq!(
            client.post("/api/accept_invite", &accept(&patient["date_of_birth"])).await.0,
            409,
            "only once"
        );
    }
    world.kill_and_start().await;
    let client = world.client();
    let body = json!({ "email": patients[0]["email"], "password": "correct horse battery" });
    let (status, person) = client.at_home(0).post("/api/patient_session", &body).await;
    assert_eq!((status, &person["patients"][0]["patient_id"]), (201, &patients[0]["id"]), "{person}");
    for invite in &invites[ACCEPTED..ACCEPTED + REVOKED] {
        let path = format!("/api/invites/{}/revoke", invite["id"].as_str().expect("id"));
        assert_eq!(client.post(&path, &json!({})).await.0, 200);
    }
    pending(&client, PEOPLE - ACCEPTED - REVOKED).await;
    world.kill_and_start().await;
    let client = world.client();
    pending(&client, PEOPLE - ACCEPTED - REVOKED).await;
    assert_eq!(client.all("/api/patients?limit=50&status=active").await.len(), ACCEPTED);
    let token =
        invites[PEOPLE - 1]["invite_url"].as_str().and_then(|url| url.split('#').nth(1)).expect("token");
    world.end().await.holds_nowhere(&people, token);
}

/// Waits until exactly so many patients have an open invite, and stays so.
async fn pending(client: &Client, wanted: usize) {
    let path = "/api/patients?limit=100&has_pending_invite=true";
    client::eventually(Duration::from_secs(30), "has_pending_invite to follow", async || {
        client.all(path).await.len() == wanted
    })
    .await;
    assert_eq!(client.all(path).await.len(), wanted);
}

mod embedded {
    mod sqlite {
        #[tokio::test(flavor = "multi_thread")]
        async fn a_clinic_imports_invites_and_sees_who_is_open() {
            crate::story(crate::World::embedded().await).await;
        }
    }
}

mod rabbitmq {
    mod postgres {
        #[tokio::test(flavor = "multi_thread")]
        async fn a_clinic_imports_invites_and_sees_who_is_open() {
            crate::story(crate::World::apart().await).await;
        }
    }
}
