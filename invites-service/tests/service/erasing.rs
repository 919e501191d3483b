//! A patient is erased elsewhere: what is left here, and that a kill on the way changes nothing of it.

use crate::world::{BORN, World, created, details, updated};
use invites_service::eraser::Part;
use invites_service::store::invites;
use serde_json::json;
use shared_events::Event;
use shared_events::patient::PatientErased;
use shared_runtime::keys::Found;
use shared_runtime::{execute, fetch_all, fetch_one};
use testkit::databases::Door;
use uuid::Uuid;

testkit::on_both_databases!(
    an_erased_patient_is_forgotten,
    a_kill_between_any_two_parts_is_healed_by_the_next_start,
    what_comes_late_brings_nothing_back,
    a_login_that_stands_for_somebody_else_stays,
    an_erasure_told_anew_is_answered_anew_and_one_repeated_is_not,
    messages_that_were_parked_about_the_person_go,
    a_restored_database_is_told_again_who_was_erased,
);

fn erased(world: &World, patient: Uuid, version: i64) -> Event {
    Event::PatientErased(PatientErased {
        erasure_id: erasure(patient),
        erased_at: world.clock.now(),
        invites_void_before: version,
    })
}

fn erasure(patient: Uuid) -> Uuid {
    Uuid::new_v5(&patient, b"erasure")
}

async fn key_of(world: &World, patient: Uuid) -> Uuid {
    let mut reader = world.service.core().db.read().await.expect("a reader");
    let sql = "select key_id from known_patients where id = $1";
    fetch_one!(reader.conn(), (Uuid,), sql, patient).expect("known").0
}

async fn is_destroyed(world: &World, key: Uuid) -> bool {
    let found = world.service.core().log.keys().find(&[key]).await.expect("found");
    matches!(found[&key], Found::Erased)
}

/// Columns of the patient's copy that hold anything about the person.
async fn left(world: &World, patient: Uuid) -> i64 {
    let mut reader = world.service.core().db.read().await.expect("a reader");
    let sql = "select count(*) from known_patients where id = $1
                and coalesce(email, first_name, last_name, preferred_language, clinician_id) is null
                and date_of_birth is null and user_id is null and status = 'erased'";
    1 - fetch_one!(reader.conn(), (i64,), sql, patient).expect(sql).0
}

async fn forgotten(world: &World, patient: Uuid, key: Uuid) {
    assert!(is_destroyed(world, key).await);
    assert_eq!(left(world, patient).await, 0);
    assert!(world.service.eraser().open().await.expect("read").is_empty());
    assert_eq!(world.history(erasure(patient)).await, ["ErasureCompleted"]);
    world.rows_are_their_streams().await;
}

async fn an_erased_patient_is_forgotten(door: Door) {
    let world = World::new(door).await;
    let patient = world.patient().await;
    let body = json!({ "patient_id": patient, "provider_id": "dr-grey", "custom_message": "Be well" });
    let noted = world.post("/api/generate_invite", body.clone()).await.id();
    world.post(&format!("/api/invites/{noted}/revoke"), json!({ "reason": "a word" })).await.is(200, "");
    let taken = world.post("/api/generate_invite", body).await;
    world.accept(&taken.token(), BORN).await.is(201, "");
    let second = world.clock.new_id();
    world.hear(&[world.incoming(second, 1, created(details(second)))]).await.expect("heard");
    let open = world.issue(second).await;
    let (key, other) = (key_of(&world, patient).await, key_of(&world, second).await);
    for (id, version) in [(patient, 2), (second, 2)] {
        world.hear(&[world.incoming(id, version, erased(&world, id, version))]).await.expect("heard");
    }
    let shown = world.get(&format!("/api/invites/{}", open.id())).await;
    assert_eq!((shown.text("status").as_str(), shown.text("reason").as_str()), ("revoked", "erased"));
    assert_eq!(world.service.eraser().round().await.expect("a round"), 2);
    forgotten(&world, patient, key).await;
    forgotten(&world, second, other).await;
    assert_eq!(world.number("select count(*) from accounts").await, 0);
    assert_eq!(world.number("select count(*) from account_patients").await, 0);
    // What happened is still told, without a word of anybody's.
    assert_eq!(world.history(noted).await, ["InviteIssued", "InviteRevoked"]);
    let shown = world.get(&format!("/api/invites/{noted}")).await;
    assert!(shown.is(200, "").body.get("note").is_none() && shown.body.get("custom_message").is_none());
    world.issue(patient).await.is(410, "patient_erased");
    world.accept(&open.token(), BORN).await.is(403, "not_accepted");
    let again = world.post(&format!("/api/invites/{}/revoke", open.id()), json!({ "reason": "x" })).await;
    again.is(200, "");
}

async fn a_kill_between_any_two_parts_is_healed_by_the_next_start(door: Door) {
    let mut world = World::new(door).await;
    for parts in 0..=Part::ALL.len() {
        let patient = world.patient().await;
        world.accept(&world.issue(patient).await.token(), BORN).await.is(201, "");
        let key = key_of(&world, patient).await;
        world.hear(&[world.incoming(patient, 2, erased(&world, patient, 2))]).await.expect("heard");
        let eraser = world.service.eraser();
        let open = eraser.open().await.expect("read").pop().expect("one");
        for part in &Part::ALL[..parts] {
            eraser.part(&open, *part).await.expect("done");
        }
        world = world.copy().await;
        world.service.eraser().round().await.expect("a round");
        forgotten(&world, patient, key).await;
    }
    assert_eq!(world.number("select count(*) from accounts").await, 0);
}

async fn what_comes_late_brings_nothing_back(door: Door) {
    let world = World::new(door).await;
    let (patient, never) = (world.patient().await, world.clock.new_id());
    world.issue(patient).await.is(201, "");
    for id in [patient, never] {
        world.hear(&[world.incoming(id, 3, erased(&world, id, 3))]).await.expect("heard");
    }
    world.service.eraser().round().await.expect("a round");
    for id in [patient, never] {
        let late =
            [world.incoming(id, 2, updated(details(id), 0)), world.incoming(id, 1, created(details(id)))];
        world.hear(&late).await.expect("heard");
        assert_eq!(left(&world, id).await, 0);
        world.issue(id).await.is(410, "patient_erased");
        let key = key_of(&world, id).await;
        assert!(is_destroyed(&world, key).await);
    }
}

async fn a_login_that_stands_for_somebody_else_stays(door: Door) {
    let world = World::new(door).await;
    let (one, other) = (world.clock.new_id(), world.clock.new_id());
    for id in [one, other] {
        // Two patients of one person: the same address.
        world.hear(&[world.incoming(id, 1, created(details(one)))]).await.expect("heard");
        world.accept(&world.issue(id).await.token(), BORN).await.is(201, "");
    }
    assert_eq!(world.number("select count(*) from accounts").await, 1);
    for (id, logins) in [(one, 1), (other, 0)] {
        world.hear(&[world.incoming(id, 2, erased(&world, id, 2))]).await.expect("heard");
        world.service.eraser().round().await.expect("a round");
        assert_eq!(world.number("select count(*) from accounts").await, logins);
        assert_eq!(world.number("select count(*) from account_patients").await, logins);
    }
}

async fn an_erasure_told_anew_is_answered_anew_and_one_repeated_is_not(door: Door) {
    let world = World::new(door).await;
    let patient = world.patient().await;
    let told = world.incoming(patient, 2, erased(&world, patient, 2));
    for _ in 0..2 {
        world.hear(&[told.clone(), told.clone()]).await.expect("heard");
        world.service.eraser().round().await.expect("a round");
        assert_eq!(world.history(erasure(patient)).await.len(), 1);
    }
    // As after a restore of the service that said it: another event, of another version.
    world.hear(&[world.incoming(patient, 7, erased(&world, patient, 7))]).await.expect("heard");
    world.service.eraser().round().await.expect("a round");
    assert_eq!(world.history(erasure(patient)).await, ["ErasureCompleted", "ErasureCompleted"]);
}

async fn messages_that_were_parked_about_the_person_go(door: Door) {
    let world = World::new(door).await;
    let (patient, other) = (world.patient().await, world.patient().await);
    let mut tx = world.service.core().db.begin().await.expect("a transaction");
    for id in [patient, other] {
        let envelope = world.envelope(id, 4, &updated(details(id), 0));
        execute!(
            tx.conn(),
            "insert into parked (consumer, event_id, source, stream_id, stream_version, type, body, reason, parked_at)
             values ('invites', $1, '/patients', $2, 4, 'PatientUpdated', $3, 'a test', $4)",
            envelope.id,
            id,
            serde_json::to_vec(&envelope).expect("JSON"),
            world.clock.now()
        )
        .expect("parked");
    }
    tx.commit().await.expect("committed");
    world.hear(&[world.incoming(patient, 5, erased(&world, patient, 5))]).await.expect("heard");
    world.service.eraser().round().await.expect("a round");
    let mut reader = world.service.core().db.read().await.expect("a reader");
    let parked: Vec<(Uuid,)> =
        fetch_all!(reader.conn(), (Uuid,), "select stream_id from parked").expect("read");
    assert_eq!(parked, [(other,)]);
}

async fn a_restored_database_is_told_again_who_was_erased(door: Door) {
    let world = World::new(door).await;
    let patient = world.patient().await;
    let open = world.issue(patient).await.id();
    let key = key_of(&world, patient).await;
    // What an erasure leaves outside of this database, which is as it was restored.
    world.service.core().erasures.destroy(erasure(patient), &[key]).await.expect("destroyed");
    for _ in 0..2 {
        let world = world.copy().await;
        assert_eq!(left(&world, patient).await, 0);
        let mut reader = world.service.core().db.read().await.expect("a reader");
        let row = invites::find(reader.conn(), &crate::world::account(crate::world::CLINIC), open).await;
        drop(reader);
        let row = row.expect("read").expect("there");
        assert_eq!((row.status.as_str(), row.reason.as_deref()), ("revoked", Some("erased")));
        world.service.eraser().round().await.expect("a round");
        forgotten(&world, patient, key).await;
    }
}
