//! Personal fields: sealed where they lie, open to whoever has the key, gone with it.

use shared_events::{Event, Secret};
use shared_runtime::keys::{DataKeys, Keyring, KeysError};
use shared_runtime::log::{Log, LogError, NewEvent};
use shared_runtime::{execute, fetch_all, fetch_one};
use testkit::core::{World, created, details};
use testkit::databases::Door;
use uuid::Uuid;

testkit::on_both_databases!(
    no_personal_word_lies_in_the_row,
    whoever_has_the_key_reads_every_field,
    an_erased_person_reads_as_erased_and_the_rest_stays,
    nothing_personal_is_appended_after_the_erasure,
    personal_fields_without_a_key_are_refused,
    a_block_opens_in_its_own_event_alone,
    a_key_that_the_key_database_never_had_is_named,
    the_wrong_wrapping_key_opens_nothing,
);

async fn patient(world: &World) -> NewEvent {
    let event = world.patient(world.id(), details()).await;
    world.append(std::slice::from_ref(&event)).await.unwrap();
    event
}

async fn load(world: &World, log: &Log, stream: Uuid) -> Result<Event, LogError> {
    let mut reader = world.db.read().await.unwrap();
    Ok(log.load_one(reader.conn(), stream).await?.remove(0).event)
}

async fn no_personal_word_lies_in_the_row(door: Door) {
    let world = World::new(door).await;
    patient(&world).await;
    let mut reader = world.db.read().await.unwrap();
    let sql = "select cast(data as text), cast(meta as text), sealed from events";
    let (data, meta, sealed): (String, String, Vec<u8>) =
        fetch_one!(reader.conn(), (String, String, Vec<u8>), sql).unwrap();
    for needle in ["findme", "1987", "personal"] {
        assert!(!data.contains(needle) && !meta.contains(needle), "{needle} in {data} {meta}");
        assert!(!sealed.windows(needle.len()).any(|bytes| bytes == needle.as_bytes()), "{needle}");
    }
    // What is not personal is plain.
    assert!(data.contains("pending"), "{data}");
    if door == Door::Sqlite {
        drop(reader);
        world.db.close().await;
        for file in std::fs::read_dir(world.databases.folder()).unwrap() {
            let path = file.unwrap().path();
            let bytes = std::fs::read(&path).unwrap();
            assert!(!bytes.windows(6).any(|found| found == b"findme"), "in {}", path.display());
        }
    }
}

async fn whoever_has_the_key_reads_every_field(door: Door) {
    let world = World::new(door).await;
    let event = patient(&world).await;
    assert_eq!(load(&world, &world.fresh_log(), event.stream).await.unwrap(), created(details()));
}

async fn an_erased_person_reads_as_erased_and_the_rest_stays(door: Door) {
    let world = World::new(door).await;
    let (gone, stays) = (patient(&world).await, patient(&world).await);
    // Another copy of the service has the key in its memory.
    let other = world.fresh_log();
    load(&world, &other, gone.stream).await.unwrap();
    world.log.keys().erase(gone.key.unwrap()).await.unwrap();
    for log in [&world.log, &world.fresh_log()] {
        let Event::PatientCreated(read) = load(&world, log, gone.stream).await.unwrap() else { panic!() };
        assert_eq!(read.record.personal, Secret::Erased);
        assert_eq!(load(&world, log, stays.stream).await.unwrap(), created(details()));
    }
    // Erasing again changes nothing, and the time of the first erasure stays.
    let erased_at = "select cast(erased_at as text) from data_keys where key_id = $1 and wrapped is null";
    let mut reader = world.keys_db.read().await.unwrap();
    let before = fetch_one!(reader.conn(), (String,), erased_at, gone.key).unwrap();
    world.log.keys().erase(gone.key.unwrap()).await.unwrap();
    assert_eq!(fetch_one!(reader.conn(), (String,), erased_at, gone.key).unwrap(), before);
}

async fn nothing_personal_is_appended_after_the_erasure(door: Door) {
    let world = World::new(door).await;
    let event = patient(&world).await;
    world.log.keys().erase(event.key.unwrap()).await.unwrap();
    let next = world.event(event.stream, 2, event.key, created(details()));
    for log in [&world.log, &world.fresh_log()] {
        let mut tx = world.db.begin().await.unwrap();
        let refused = log.append(&mut tx, std::slice::from_ref(&next)).await;
        assert!(matches!(refused, Err(LogError::Conflict)), "{refused:?}");
        tx.rollback().await.unwrap();
    }
}

async fn personal_fields_without_a_key_are_refused(door: Door) {
    let world = World::new(door).await;
    let refused = world.append(&[world.event(world.id(), 1, None, created(details()))]).await;
    assert!(refused.is_err());
    assert_eq!(world.count().await, 0);
}

async fn a_block_opens_in_its_own_event_alone(door: Door) {
    let world = World::new(door).await;
    let key = world.log.keys().take(1).await.unwrap()[0].id;
    // One person, one key, two events: only what a block is bound to keeps them apart.
    let stream = world.id();
    let events = [1, 2].map(|version| world.event(stream, version, Some(key), created(details())));
    world.append(&events).await.unwrap();
    let mut tx = world.db.begin().await.unwrap();
    let drop_guard = match door {
        Door::Postgres => "drop trigger events_keep_their_content on events",
        Door::Sqlite => "drop trigger events_keep_their_content",
    };
    execute!(tx.conn(), drop_guard).unwrap();
    let blocks = fetch_all!(tx.conn(), (Uuid, Vec<u8>), "select event_id, sealed from events order by id");
    let blocks = blocks.unwrap();
    for (event, block) in [(blocks[0].0, &blocks[1].1), (blocks[1].0, &blocks[0].1)] {
        execute!(tx.conn(), "update events set sealed = $2 where event_id = $1", event, block).unwrap();
    }
    tx.commit().await.unwrap();
    let read = load(&world, &world.fresh_log(), stream).await;
    assert!(matches!(read, Err(LogError::Unopened(id)) if id == events[0].id), "{read:?}");
}

async fn a_key_that_the_key_database_never_had_is_named(door: Door) {
    let world = World::new(door).await;
    let event = patient(&world).await;
    let mut tx = world.keys_db.begin().await.unwrap();
    execute!(tx.conn(), "delete from data_keys where key_id = $1", event.key).unwrap();
    tx.commit().await.unwrap();
    let read = load(&world, &world.fresh_log(), event.stream).await;
    assert!(matches!(read, Err(LogError::Keys(KeysError::Missing(id))) if Some(id) == event.key), "{read:?}");
}

async fn the_wrong_wrapping_key_opens_nothing(door: Door) {
    let world = World::new(door).await;
    let event = patient(&world).await;
    let wrong = DataKeys::new(world.keys_db.clone(), Keyring::generate("w1"), world.clock.clone());
    assert!(matches!(wrong.check().await, Err(KeysError::WrongWrappingKey(_))));
    let read = load(&world, &Log::new("patients", wrong, world.clock.clone()), event.stream).await;
    assert!(matches!(read, Err(LogError::Keys(KeysError::WrongWrappingKey(_)))), "{read:?}");
}
