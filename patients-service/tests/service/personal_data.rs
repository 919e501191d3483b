//! Where personal data stands, and where it must not.

use crate::common::client::at;
use crate::common::csv::{carry_out, file, row};
use crate::common::told::{Invite, publish};
use crate::common::{Served, World, number, on_both_databases, until};
use serde_json::{Value, json};
use shared_runtime::{fetch_all, fetch_one};
use uuid::Uuid;

on_both_databases!(
    after_a_story_neither_log_nor_bus_tells_who_anyone_is,
    bus_and_log_carry_what_is_said_sealed,
);

/// Planted where a person's data goes, and nowhere else in the world.
const SECRETS: [&str; 9] = [
    "planted-mail@secret.example",
    "PlantedFirst",
    "PlantedLast",
    "0800 7777777",
    "planted notes",
    "planted-mrn",
    "Dr. Planted",
    "moved-mail@secret.example",
    "imported5@",
];

async fn story(served: &Served) -> Uuid {
    let staff = served.staff();
    let body = json!({
        "email": SECRETS[0], "first_name": SECRETS[1], "last_name": SECRETS[2], "phone": SECRETS[3],
        "notes": SECRETS[4], "external_id": SECRETS[5], "clinician_name": SECRETS[6], "clinician_id": "dr-1",
        "date_of_birth": "1987-06-05",
    });
    let id = staff.post_as("k1", "/api/patients", &body).await.is(201).id();
    staff.post("/api/patients", &body).await.refused(409, "email_taken");
    staff.patch(&at(id), "\"1\"", &json!({ "email": SECRETS[7] })).await.is(200);
    staff.delete(&at(id), "\"2\"").await.is(200);
    staff.post(&format!("{}/restore", at(id)), &json!({})).await.is(200);
    staff.upload(file([row(5), row(6)])).await.is(202);
    carry_out(served).await;
    let invite = Invite::to(id, served.world.clock());
    publish(served, &[invite.issued(1), invite.accepted(2, invite.id)]).await;
    until("the acceptance", || async { (staff.get(&at(id)).await.body["status"] == "active").then_some(()) })
        .await;
    until("everything said aloud", || async {
        let waiting = "select count(*) from events where global_seq is null
                        or global_seq > (select published from relay)";
        (number!(served, waiting) == 0).then_some(())
    })
    .await;
    id
}

/// Every plain column of every event, as text.
async fn plain_events(served: &Served) -> Vec<String> {
    type Plain = (Uuid, Uuid, String, String, String, sqlx::types::Json<Value>, sqlx::types::Json<Value>);
    let mut reader = served.service.core().db.read().await.unwrap();
    let rows = fetch_all!(
        reader.conn(),
        Plain,
        "select event_id, stream_id, stream_type, type, account_id, data, meta from events order by id"
    );
    rows.unwrap().into_iter().map(|row| format!("{row:?}")).collect()
}

async fn after_a_story_neither_log_nor_bus_tells_who_anyone_is(world: World) {
    let served = world.work().await;
    let id = story(&served).await;
    let events = plain_events(&served).await;
    assert_eq!(events.len(), 7);
    for secret in SECRETS.iter().chain(&["1987-06-05", "secret.example"]) {
        let telling = events.iter().find(|event| event.contains(secret));
        assert_eq!(telling, None, "{secret} stands in the log");
    }
    // The read model holds them: that is what it is for.
    let mut reader = served.service.core().db.read().await.unwrap();
    let (email, notes): (String, String) =
        fetch_one!(reader.conn(), (String, String), "select email, notes from patients where id = $1", id)
            .unwrap();
    assert_eq!((email.as_str(), notes.as_str()), (SECRETS[7], SECRETS[4]));
    drop(reader);

    served.close().await;
    let bus = bytes(&world, "bus.db");
    assert!(contains(&bus, id.to_string().as_bytes()), "the bus was used");
    for secret in SECRETS {
        assert!(!contains(&bus, secret.as_bytes()), "{secret} stands on the bus");
    }
    if world.dir().join("patients.db").exists() {
        assert!(contains(&bytes(&world, "patients.db"), SECRETS[7].as_bytes()));
        assert!(!contains(&bytes(&world, "keys.db"), SECRETS[7].as_bytes()));
    }
}

/// A database's file and its companions.
fn bytes(world: &World, name: &str) -> Vec<u8> {
    let files = std::fs::read_dir(world.dir()).unwrap().map(|entry| entry.unwrap());
    let of = files.filter(|file| file.file_name().to_string_lossy().starts_with(name));
    let all: Vec<u8> = of.flat_map(|file| std::fs::read(file.path()).unwrap()).collect();
    assert!(!all.is_empty(), "{name} is there");
    all
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

async fn bus_and_log_carry_what_is_said_sealed(world: World) {
    let served = world.work().await;
    story(&served).await;
    let sealed =
        number!(served, "select count(*) from events where sealed is not null and key_id is not null");
    assert_eq!((sealed, number!(served, "select count(distinct key_id) from events")), (7, 3));
    let core = served.service.core();
    let mut subscription = core.bus.subscribe(shared_runtime::bus::topology::INVITES, 50).await.unwrap();
    let mut seen = 0;
    while seen < 7 {
        for delivery in subscription.next(50).await.unwrap() {
            let body: Value = serde_json::from_slice(&delivery.body).unwrap();
            let block = &body["data"]["personal"];
            assert!(block["sealed"].is_string() && block["key"].is_string(), "{body}");
            seen += 1;
        }
    }
    served.close().await;
}
