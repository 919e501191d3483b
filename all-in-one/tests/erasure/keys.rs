//! Keys are rotated, retired and replaced after a leak, by commands, while services run and while none does.

use crate::world::{World, said};
use crate::{id, token};
use serde_json::{Value, json};
use std::process::Output;

/// Why a program did not do what it was told.
fn refused(output: &Output) -> String {
    assert!(!output.status.success(), "{output:?}");
    String::from_utf8(output.stderr.clone()).expect("text")
}

/// How many things need a key, as the list says; none where it is not listed.
fn needed(list: &str, which: &str, service: &str, key: &str) -> Option<u64> {
    let row = |line: &str| -> Option<u64> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let is_it = words.get(..3)? == [which, service, key];
        let state = words.iter().position(|word| ["seals", "opens", "waits"].contains(word))?;
        is_it.then(|| words[state + 1].parse().expect("a number"))
    };
    list.lines().find_map(row)
}

async fn valid(world: &World, link: &str) -> Value {
    world.post("/api/verify_invite", json!({ "token": link })).await.1["valid"].clone()
}

async fn invited(world: &World) -> (u16, Value) {
    let body = json!({ "email": "ada@example.org", "first_name": "Ada", "last_name": "Lovelace" });
    let patient = id(&world.post("/api/patients", body).await);
    let invite = json!({ "patient_id": patient, "provider_id": "dr-grey" });
    let issued = world.post("/api/generate_invite", invite).await;
    assert_eq!(issued.0, 201, "{issued:?}");
    issued
}

async fn rotated_while_running(mut world: World) {
    let issued = invited(&world).await;
    let list = said(&world.operate(&["keys", "list"]));
    assert_eq!(needed(&list, "tokens", "invites", "k1"), Some(1), "{list}");
    assert!(needed(&list, "wrapping", "patients", "k1") >= Some(500), "{list}");
    for which in ["tokens", "wrapping", "bus", "http"] {
        assert!(
            refused(&world.operate(&["keys", "retire", which, "k1", "--force"])).contains("rotate first")
        );
        said(&world.operate(&["keys", "rotate", which, "--after-seconds", "0"]));
    }
    // Links are not made anew by themselves, so the old key is needed; and what it made is still good.
    let why = refused(&world.operate(&["keys", "retire", "tokens", "k1"]));
    assert!(why.contains("1 open invites still need the key k1"), "{why}");
    assert_eq!(valid(&world, &token(&issued)).await, true);
    world
        .until("all keys are wrapped anew", async || {
            let list = said(&world.operate(&["keys", "list"]));
            ["patients", "invites"].iter().all(|service| needed(&list, "wrapping", service, "k1") == Some(0))
        })
        .await;
    for which in ["wrapping", "http"] {
        said(&world.operate(&["keys", "retire", which, "k1"]));
    }
    world
        .until("nothing on the bus needs the old key", async || {
            world.operate(&["keys", "retire", "bus", "k1"]).status.success()
        })
        .await;
    assert!(refused(&world.operate(&["keys", "retire", "bus", "k1"])).contains("no key named k1"));
    // After a leak the new link is good and the old one is refused.
    let told = said(&world.operate(&["keys", "reissue", "--key", "k1"]));
    assert!(told.starts_with("1 invites have a new link, 0 could have none"), "{told}");
    world
        .until("the old link is refused", async || valid(&world, &token(&issued)).await == json!(false))
        .await;
    let again = world.post(&format!("/api/invites/{}/resend", id(&issued)), json!({})).await;
    assert_eq!((valid(&world, &token(&again)).await, &again.1["issue_no"]), (json!(true), &json!(3)));
    assert!(refused(&world.operate(&["keys", "reissue", "--key", "k1"])).contains("there is no key k1"));
    let list = said(&world.operate(&["keys", "list"]));
    assert!(!list.contains(" k1 ") && needed(&list, "tokens", "invites", "k2") == Some(1), "{list}");
    // A service that starts anew reads what was written under every key.
    world.kill();
    world.start().await;
    assert_eq!(valid(&world, &token(&again)).await, true);
    let found = world.get("/api/patients").await.1;
    let history =
        world.get(&format!("/api/patients/{}/history", found["items"][0]["id"].as_str().expect("id"))).await;
    assert_eq!(history.0, 200);
    world.clean().await;
}

async fn rotated_while_stopped(mut world: World) {
    let issued = invited(&world).await;
    world.kill();
    // The key that makes links now leaked.
    let told = said(&world.operate(&["keys", "reissue"]));
    assert!(told.contains("1 invites have a new link") && told.contains("k1 is retired"), "{told}");
    said(&world.operate(&["keys", "rotate", "wrapping", "--service", "invites", "--after-seconds", "3600"]));
    let list = said(&world.operate(&["keys", "list"]));
    assert_eq!(needed(&list, "wrapping", "invites", "k2"), Some(0), "{list}");
    assert!(list.contains("waits") && needed(&list, "wrapping", "patients", "k2").is_none(), "{list}");
    let why = refused(&world.operate(&["keys", "rotate", "wrapping"]));
    assert!(why.contains("does not seal yet"), "{why}");
    // Nothing that is printed is a key.
    for file in std::fs::read_dir(world.dir.join("data/secrets")).expect("secrets").flatten() {
        let text = std::fs::read_to_string(file.path()).expect("read");
        let keys = text.lines().filter_map(|line| line.split(' ').nth(1)).filter(|key| key.len() > 40);
        assert!(keys.into_iter().all(|key| !list.contains(key) && !told.contains(key)));
    }
    world.start().await;
    assert_eq!(valid(&world, &token(&issued)).await, false);
    world.clean().await;
}

async fn rebuilt(mut world: World) {
    let issued = invited(&world).await;
    let patient = issued.1["patient_id"].as_str().expect("an id").to_owned();
    let erasure = world.post(&format!("/api/patients/{patient}/erase"), json!({})).await;
    let path = format!("/api/erasures/{}", erasure.1["erasure_id"].as_str().expect("an id"));
    world.until("it is done", async || world.get(&path).await.1["state"] == json!("done")).await;
    world.kill();
    let file = world.dir.join("data/secrets/erasures.log");
    let text = std::fs::read_to_string(&file).expect("read");
    assert_eq!(text.lines().count(), 2, "{text}");
    std::fs::remove_file(&file).expect("removed");
    let why = refused(&world.operate(&["status"]));
    assert!(why.contains("Put the file back"), "{why}");
    said(&world.operate(&["keys", "rebuild-erasures"]));
    let sorted = |text: &str| -> Vec<String> {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(&std::fs::read_to_string(&file).expect("read")), sorted(&text));
    world.start().await;
    assert_eq!(world.get(&path).await.1["state"], json!("done"));
    world.clean().await;
}

mod embedded {
    mod sqlite {
        use crate::World;

        #[tokio::test(flavor = "multi_thread")]
        async fn keys_are_rotated_while_the_server_runs() {
            super::super::rotated_while_running(World::embedded().await).await;
        }

        #[tokio::test(flavor = "multi_thread")]
        async fn keys_are_rotated_while_no_server_runs() {
            super::super::rotated_while_stopped(World::embedded().await).await;
        }

        #[tokio::test(flavor = "multi_thread")]
        async fn a_lost_file_of_erasures_is_rebuilt_on_order_alone() {
            super::super::rebuilt(World::embedded().await).await;
        }
    }
}

mod rabbitmq {
    mod postgres {
        #[tokio::test(flavor = "multi_thread")]
        async fn keys_are_rotated_while_services_run() {
            super::super::rotated_while_running(crate::World::apart().await).await;
        }
    }
}
