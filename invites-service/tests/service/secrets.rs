//! A search through every byte that was kept.

use crate::world::{BORN, PASSWORD, World, created, details};
use serde_json::json;
use shared_runtime::relay::RelayStatus;
use std::path::{Path, PathBuf};
use testkit::databases::Door;

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

fn holds(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

/// Files only lie in reach on SQLite; on PostgreSQL the same statements write the same values.
mod sqlite {
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn files_hold_neither_links_nor_words() {
        super::search().await;
    }
}

async fn search() {
    let world = World::new(Door::Sqlite).await;
    world.work();
    let patient = world.clock.new_id();
    world.say(patient, 1, &created(details(patient))).await;
    let token = world.token(crate::world::CLINIC, shared_http::Role::Staff);
    let body = json!({ "patient_id": patient, "provider_id": "dr-grey", "custom_message": "findme-message" });
    let headers = [("idempotency-key", "k-1")];
    let path = "/api/generate_invite";
    let issued = world.ask(reqwest::Method::POST, path, Some(&token), &headers, Some(body)).await;
    let (link, id) = (issued.is(201, "").token(), issued.id());
    let resent = world.post(&format!("/api/invites/{id}/resend"), json!({})).await.token();
    world.verify(&resent).await;
    world.post(&format!("/api/invites/{id}/revoke"), json!({ "reason": "findme-note" })).await.is(200, "");
    let bulk = json!({
        "patient_ids": [patient, uuid::Uuid::nil()], "provider_id": "dr-grey", "custom_message": "findme-bulk"
    });
    let job = world.post("/api/invites/bulk", bulk).await.id();
    crate::world::until("the job is done", || async { world.stands(job).await.0 == "done" }).await;
    let again = world.issue(patient).await.token();
    world.accept(&again, BORN).await.is(201, "");
    let db = &world.service.core().db;
    crate::world::until("all is said", || async {
        RelayStatus::read(db).await.expect("a status").waiting() == 0
    })
    .await;

    let mut found = Vec::new();
    world.folders().iter().for_each(|folder| files(folder, &mut found));
    assert!(found.iter().any(|path| path.ends_with("invites.db")), "{found:?}");
    assert!(found.iter().any(|path| path.ends_with("bus.db")), "{found:?}");
    let (mut ids, address) = (0, format!("eve-{}", patient.simple()));
    for path in found {
        let bytes = std::fs::read(&path).expect("readable");
        for token in [&link, &resent, &again] {
            // The end of a token is its HMAC: part of it is as bad as all of it.
            for secret in [token.as_str(), &token[token.len() - 30..]] {
                assert!(!holds(&bytes, secret.as_bytes()), "a link in {}", path.display());
            }
        }
        for words in ["findme-message", "findme-note", "findme-bulk", PASSWORD] {
            assert!(!holds(&bytes, words.as_bytes()), "{words} in {}", path.display());
        }
        ids += usize::from(holds(&bytes, id.as_bytes()));
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let may_hold_addresses = name.starts_with("invites.db");
        assert!(may_hold_addresses || !holds(&bytes, address.as_bytes()), "an address in {name}");
    }
    assert!(ids > 0, "the search finds what is there");
}
