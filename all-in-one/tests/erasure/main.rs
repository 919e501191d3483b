//! The proof: a person whose every field holds a word that stands nowhere else is imported, invited, signs up, is erased;
//! then no byte of any file holds one of the words, and the log still reads.

mod keys;
mod search;
mod world;

use search::Wanted;
use serde_json::{Value, json};
use std::path::PathBuf;
use world::{World, said};

/// A person, every field of whom holds a word that is found nowhere else.
struct Planted {
    mark: String,
    phone: String,
}

const BORN: &str = "1931-07-19";

impl Planted {
    fn new() -> Planted {
        let id = shared_runtime::clock::Clock::System.new_id().as_u128();
        // Phones hold digits alone.
        Planted {
            mark: format!("Zq{:016x}", id as u64),
            phone: format!("+49 {:014}", id % 100_000_000_000_000),
        }
    }

    fn word(&self, field: &str) -> String {
        format!("{}{field}", self.mark)
    }

    fn email(&self, number: u8) -> String {
        format!("{}{number}@example.org", self.mark)
    }

    fn wanted(&self) -> Wanted {
        let words = [self.mark.clone(), self.phone.clone(), self.phone[4..].to_owned(), BORN.to_owned()];
        Wanted::new(&words)
    }

    fn csv(&self) -> String {
        let (first, last) = (self.word("first"), self.word("last"));
        let common = format!(
            "{},{},{},{}",
            self.phone,
            self.word("external"),
            self.word("clinician"),
            self.word("notes")
        );
        format!(
            "email,first_name,last_name,phone,external_id,clinician_name,notes,date_of_birth\n\
             {},{first},{last},{common},{BORN}\n\
             {},{first},{last},{common},the 19th of July {BORN}\n\
             other@example.org,Some,Body,,,,,1980-01-02\n",
            self.email(1),
            self.email(2),
        )
    }
}

fn id(answer: &(u16, Value)) -> String {
    answer.1["id"].as_str().unwrap_or_else(|| panic!("an id in {answer:?}")).to_owned()
}

fn token(answer: &(u16, Value)) -> String {
    answer.1["invite_url"].as_str().and_then(|url| url.split('#').nth(1)).expect("a link").to_owned()
}

async fn proof(mut world: World) {
    let planted = Planted::new();
    let done = world.import(planted.csv()).await;
    assert_eq!((&done["created"], &done["failed"]), (&json!(2), &json!(1)), "{done}");
    let (patient, invites) = live(&world, &planted).await;
    // The search finds what is there: else it would prove nothing.
    let beside: Vec<PathBuf> = world.searched.clone();
    let look = || -> Vec<String> { beside.iter().flat_map(|dir| planted.wanted().below(dir)).collect() };
    assert!(!look().is_empty(), "nothing is found of a person on record");

    let erasure = world.post(&format!("/api/patients/{patient}/erase"), json!({})).await;
    assert_eq!(erasure.0, 202, "{erasure:?}");
    let path = format!("/api/erasures/{}", erasure.1["erasure_id"].as_str().expect("an id"));
    world
        .until("every service has forgotten", async || world.get(&path).await.1["state"] == json!("done"))
        .await;
    let purged = world.operate(&["purge"]);
    said(&purged);
    world.kill();
    if beside.len() == 1 {
        said(&world.operate(&["purge"]));
    }
    let left = look();
    assert!(left.is_empty(), "after the purge there is still\n{}", left.join("\n"));

    world.start().await;
    assert_eq!(world.get(&format!("/api/patients/{patient}")).await.1["code"], json!("patient_erased"));
    let history = world.get(&format!("/api/patients/{patient}/history")).await.1;
    let last = history["items"].as_array().and_then(|items| items.last()).expect("a history");
    assert_eq!(last["event"], json!("PatientErased"), "{history}");
    for invite in invites {
        let shown = world.get(&format!("/api/invites/{invite}")).await;
        assert_eq!(shown.0, 200, "{shown:?}");
    }
    assert_eq!(
        world.get("/api/patients").await.1["items"].as_array().map(Vec::len),
        Some(1),
        "the others stay"
    );
    world.clean().await;
}

/// Everything that can be said of a person is said; the patient and their invites.
async fn live(world: &World, planted: &Planted) -> (String, Vec<String>) {
    let found = world.get(&format!("/api/patients?search={}", planted.mark)).await.1;
    let patient = found["items"][0]["id"].as_str().expect("the patient").to_owned();
    let invite =
        json!({ "patient_id": patient, "provider_id": "dr-grey", "custom_message": planted.word("message") });
    let revoked = world.post("/api/generate_invite", invite.clone()).await;
    let path = format!("/api/invites/{}/revoke", id(&revoked));
    assert_eq!(world.post(&path, json!({ "reason": planted.word("note") })).await.0, 200);
    let voided = world.post("/api/generate_invite", invite.clone()).await;
    let moved = json!({ "email": planted.email(3), "notes": planted.word("more") });
    let request = reqwest::Method::PATCH;
    let changed = world.change(request, &format!("/api/patients/{patient}"), moved).await;
    assert_eq!(changed.0, 200, "{changed:?}");
    // Only from then on is an invite one to the new address.
    let path = format!("/api/invites/{}", id(&voided));
    world
        .until("the address has moved", async || world.get(&path).await.1["status"] == json!("revoked"))
        .await;
    let accepted = world.post("/api/generate_invite", invite).await;
    let fact = json!({
        "token": token(&accepted), "date_of_birth": BORN, "password": planted.word("password"),
        "first_name": planted.word("given"), "last_name": planted.word("family"),
    });
    let wrong = json!({ "token": token(&accepted), "last_name": planted.word("guess"), "password": planted.word("password") });
    assert_eq!(world.post("/api/accept_invite", wrong).await.0, 403);
    let signed_up = world.post("/api/accept_invite", fact).await;
    assert_eq!(signed_up.0, 201, "{signed_up:?}");
    let path = format!("/api/patients/{patient}");
    world
        .until("the patient is active", async || world.get(&path).await.1["status"] == json!("active"))
        .await;
    (patient, vec![id(&revoked), id(&voided), id(&accepted)])
}

mod embedded {
    mod sqlite {
        #[tokio::test(flavor = "multi_thread")]
        async fn nothing_of_an_erased_person_is_found_in_any_file() {
            crate::proof(crate::World::embedded().await).await;
        }
    }
}

mod rabbitmq {
    mod postgres {
        #[tokio::test(flavor = "multi_thread")]
        async fn nothing_of_an_erased_person_is_found_in_any_file() {
            crate::proof(crate::World::apart().await).await;
        }
    }
}
