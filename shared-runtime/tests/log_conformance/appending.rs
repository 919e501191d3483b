//! Appending, and what is refused.

use shared_runtime::log::{LARGEST_EVENT, LogError};
use shared_runtime::{execute, fetch_all};
use testkit::core::{World, details, moved, soon, updated};
use testkit::databases::Door;
use uuid::Uuid;

testkit::on_both_databases!(
    a_batch_is_read_back_as_it_was_appended,
    a_second_writer_of_a_version_gets_a_conflict_and_leaves_nothing,
    a_repeated_event_id_is_a_conflict,
    two_that_append_at_once_to_one_stream_do_not_both_succeed,
    one_event_in_the_way_refuses_the_whole_batch,
    an_append_that_was_rolled_back_leaves_no_gap,
    an_event_beyond_the_limit_is_refused_and_one_below_it_is_not,
    events_can_neither_be_changed_nor_removed,
    nothing_is_appended_by_an_empty_batch,
);

async fn a_batch_is_read_back_as_it_was_appended(door: Door) {
    let world = World::new(door).await;
    let (one, other) = (world.id(), world.id());
    let mut events = Vec::new();
    for version in 1..=40 {
        events.push(world.plain(one, version));
        events.push(world.plain(other, version));
    }
    world.append(&events).await.unwrap();
    let mut reader = world.db.read().await.unwrap();
    let streams = world.fresh_log().load(reader.conn(), &[one, other, world.id()]).await.unwrap();
    assert_eq!(streams.len(), 2, "a stream that does not exist is not in the answer");
    for stream in [one, other] {
        let appended: Vec<_> = events.iter().filter(|event| event.stream == stream).collect();
        let loaded = &streams[&stream];
        assert_eq!(loaded.len(), appended.len());
        for (new, recorded) in appended.iter().zip(loaded) {
            assert_eq!((new.id, new.version), (recorded.id, recorded.version));
            assert_eq!((&new.event, &new.meta), (&recorded.event, &recorded.meta));
            assert_eq!((new.occurred_at, &new.account), (recorded.occurred_at, &recorded.account));
        }
    }
    let order = fetch_all!(reader.conn(), (Uuid,), "select event_id from events order by id").unwrap();
    let appended: Vec<_> = events.iter().map(|event| (event.id,)).collect();
    assert_eq!(order, appended, "a batch keeps its order");
}

async fn a_second_writer_of_a_version_gets_a_conflict_and_leaves_nothing(door: Door) {
    let world = World::new(door).await;
    let (stream, bystander) = (world.id(), world.id());
    world.append(&[world.plain(stream, 1)]).await.unwrap();
    let late = [world.plain(bystander, 1), world.plain(stream, 1)];
    assert!(matches!(world.append(&late).await, Err(LogError::Conflict)));
    let mut reader = world.db.read().await.unwrap();
    assert!(world.log.load_one(reader.conn(), bystander).await.unwrap().is_empty());
    assert_eq!(world.log.load_one(reader.conn(), stream).await.unwrap().len(), 1);
}

async fn a_repeated_event_id_is_a_conflict(door: Door) {
    let world = World::new(door).await;
    let first = world.plain(world.id(), 1);
    world.append(std::slice::from_ref(&first)).await.unwrap();
    let mut again = world.plain(world.id(), 1);
    again.id = first.id;
    assert!(matches!(world.append(&[again]).await, Err(LogError::Conflict)));
    // Also within one batch.
    let twin = world.plain(world.id(), 1);
    let mut other = world.plain(world.id(), 1);
    other.id = twin.id;
    assert!(matches!(world.append(&[twin, other]).await, Err(LogError::Conflict)));
}

async fn two_that_append_at_once_to_one_stream_do_not_both_succeed(door: Door) {
    let world = World::new(door).await;
    for _ in 0..10 {
        let stream = world.id();
        let (one, other) = ([world.plain(stream, 1)], [world.plain(stream, 1)]);
        let both = async { tokio::join!(world.append(&one), world.append(&other)) };
        let (one, other) = soon("two appends", both).await;
        let conflicts = [&one, &other].iter().filter(|r| matches!(r, Err(LogError::Conflict))).count();
        assert_eq!((conflicts, one.is_ok() || other.is_ok()), (1, true), "{one:?} {other:?}");
    }
}

async fn one_event_in_the_way_refuses_the_whole_batch(door: Door) {
    let world = World::new(door).await;
    let taken = world.id();
    world.append(&[world.plain(taken, 1)]).await.unwrap();
    let mut batch: Vec<_> = (0..50).map(|_| world.plain(world.id(), 1)).collect();
    batch.insert(25, world.plain(taken, 1));
    assert!(matches!(world.append(&batch).await, Err(LogError::Conflict)));
    assert_eq!(world.count().await, 1);
}

async fn an_append_that_was_rolled_back_leaves_no_gap(door: Door) {
    let world = World::new(door).await;
    let mut tx = world.db.begin().await.unwrap();
    world.log.append(&mut tx, &[world.plain(world.id(), 1), world.plain(world.id(), 1)]).await.unwrap();
    tx.rollback().await.unwrap();
    let mut tx = world.db.begin().await.unwrap();
    world.log.append(&mut tx, &[world.plain(world.id(), 1)]).await.unwrap();
    drop(tx); // as a cancelled request drops it
    world.append(&[world.plain(world.id(), 1), world.plain(world.id(), 1)]).await.unwrap();
    world.number_all(0).await;
    assert_eq!(world.sequence().await, [1, 2]);
}

async fn an_event_beyond_the_limit_is_refused_and_one_below_it_is_not(door: Door) {
    let world = World::new(door).await;
    let key = world.log.keys().take(1).await.unwrap()[0].id;
    let stream = world.id();
    let of = |bytes: usize, version| {
        world.event(stream, version, Some(key), updated(details(), vec!["x".repeat(bytes)]))
    };
    let fits = of(LARGEST_EVENT - 2048, 1);
    world.append(&[fits]).await.unwrap();
    let refused = world.append(&[of(LARGEST_EVENT, 2)]).await;
    assert!(matches!(refused, Err(LogError::TooLarge(bytes)) if bytes > LARGEST_EVENT), "{refused:?}");
    // The sealed block counts as much as what is plain.
    let mut long = details();
    long.notes = Some("x".repeat(LARGEST_EVENT));
    let refused = world.append(&[world.event(stream, 2, Some(key), updated(long, vec![]))]).await;
    assert!(matches!(refused, Err(LogError::TooLarge(_))), "{refused:?}");
    assert_eq!(world.count().await, 1);
}

async fn events_can_neither_be_changed_nor_removed(door: Door) {
    let world = World::new(door).await;
    let key = world.log.keys().take(1).await.unwrap()[0].id;
    let stream = world.id();
    world.append(&[world.event(stream, 1, Some(key), updated(details(), vec![]))]).await.unwrap();
    world.number_all(0).await;
    for sql in [
        "update events set data = '{}'",
        "update events set version = 7",
        "update events set sealed = null",
        "update events set key_id = null",
        "update events set type = 'X'",
        "update events set account_id = 'x'",
        "update events set meta = '{}'",
        "update events set occurred_at = recorded_at",
        "update events set stream_type = 'x'",
        "update events set schema_ver = 9",
        "update events set global_seq = 7",
        "update events set global_seq = null",
        "delete from events",
    ] {
        let mut tx = world.db.begin().await.unwrap();
        let refused = execute!(tx.conn(), sql).expect_err(sql).to_string();
        assert!(refused.contains("append-only"), "{sql}: {refused}");
        tx.rollback().await.unwrap();
    }
    let mut reader = world.db.read().await.unwrap();
    assert_eq!(world.log.load_one(reader.conn(), stream).await.unwrap().len(), 1);
}

async fn nothing_is_appended_by_an_empty_batch(door: Door) {
    let world = World::new(door).await;
    world.append(&[]).await.unwrap();
    world.append(&[world.event(world.id(), 1, None, moved(world.id(), world.clock.now()))]).await.unwrap();
    world.number_all(0).await;
    assert_eq!(world.sequence().await, [1]);
}
