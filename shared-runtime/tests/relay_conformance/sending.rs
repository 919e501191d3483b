//! What arrives, and where the cursor stands when something goes wrong on the way.

use crate::stage::{Stage, envelopes, sequences};
use shared_events::{Event, personal};
use shared_runtime::bus::topology::{INVITES, LOG};
use shared_runtime::bus::{BusError, Queue};
use shared_runtime::fetch_all;
use shared_runtime::log::open_from_bus;
use shared_runtime::relay::{RelayError, RelayStatus};
use std::collections::BTreeSet;
use testkit::buses::{Side, hear, take};
use testkit::core::{created, details, soon};
use testkit::databases::Door;
use tokio::task::JoinSet;
use uuid::Uuid;

testkit::on_both_pairs!(
    everything_committed_arrives_in_order_and_nothing_else,
    a_message_that_nobody_wants_stops_the_cursor_before_it,
    a_relay_killed_between_publishing_and_its_cursor_sends_again,
    personal_fields_travel_sealed_and_an_erased_person_as_erased,
    what_waits_is_counted,
);

async fn everything_committed_arrives_in_order_and_nothing_else(side: Side, door: Door) {
    const WRITERS: usize = 4;
    let stage = Stage::new(side, door).await;
    let mut heard = hear(&stage.bus).await;
    // More than one window waits already when the relay begins.
    stage.append(1100).await;
    let relay = stage.relay();
    let mut writers = JoinSet::new();
    for _ in 0..WRITERS {
        let (db, log, world) = (stage.world.db.clone(), stage.world.fresh_log(), &stage.world);
        let streams: Vec<Uuid> = (0..10).map(|_| world.id()).collect();
        let batches: Vec<Vec<_>> =
            (1..=10).map(|version| streams.iter().map(|id| world.plain(*id, version)).collect()).collect();
        writers.spawn(async move {
            for batch in batches {
                // First in vain, then for good.
                let mut tx = db.begin().await.unwrap();
                log.append(&mut tx, &batch).await.unwrap();
                tx.rollback().await.unwrap();
                let mut tx = db.begin().await.unwrap();
                log.append(&mut tx, &batch).await.unwrap();
                tx.commit().await.unwrap();
                log.nudge();
            }
        });
    }
    let all = 1100 + WRITERS * 100;
    let came = take(&mut heard, all).await;
    soon("the writers", writers.join_all()).await;
    assert_eq!(sequences(&came), (1..=all as i64).collect::<Vec<_>>());
    let mut reader = stage.world.db.read().await.unwrap();
    let sql = "select event_id, stream_id, version from events order by global_seq";
    let committed = fetch_all!(reader.conn(), (Uuid, Uuid, i64), sql).unwrap();
    drop(reader);
    let said: Vec<_> = envelopes(&came).into_iter().map(|e| (e.id, e.subject, e.streamversion)).collect();
    assert_eq!(said, committed);
    assert!(came.iter().zip(&committed).all(|(delivery, row)| delivery.id == Some(row.0)));
    stage.published_becomes(all as i64).await;
    relay.stop().await;
    assert_eq!(stage.bus.depth(INVITES).await.unwrap(), 0);
    stage.end().await;
}

async fn a_message_that_nobody_wants_stops_the_cursor_before_it(side: Side, door: Door) {
    let mut stage = Stage::new(side, door).await;
    stage.bus.clone().close().await;
    // Nobody listens to what patients-service says of invites (in truth it never says any).
    let narrow = Queue::of_service(INVITES, &["patients.patient.#"]);
    stage.bus = stage.test_bus.open_with(stage.test_bus.topology.clone().without(LOG).with(narrow)).await;
    let mut events = Vec::new();
    for unwanted in [false, false, false, true, false, false] {
        events.push(match unwanted {
            true => stage.world.plain(stage.world.id(), 1),
            false => stage.world.patient(stage.world.id(), details()).await,
        });
    }
    stage.world.append(&events).await.unwrap();
    for _ in 0..2 {
        let ended = stage.relay().ended().await;
        let RelayError::Bus(BusError::Returned { routing_key }) = ended else { panic!("{ended}") };
        assert_eq!(routing_key, "patients.invite.InviteOpened.v1");
        assert_eq!(stage.world.published().await, 3, "exactly over what was confirmed without a gap");
    }
    stage.bus.close().await;
    stage.bus = stage.test_bus.open().await;
    let relay = stage.relay();
    stage.published_becomes(6).await;
    relay.stop().await;
    // All of it is there; what was sent behind the one that came back may be there twice.
    let mut heard = hear(&stage.bus).await;
    let mut came = Vec::new();
    while came.iter().collect::<BTreeSet<_>>().len() < 6 {
        came.extend(sequences(&take(&mut heard, 1).await));
    }
    let first_three: Vec<_> = came.iter().filter(|sequence| **sequence <= 3).collect();
    assert_eq!(first_three, [&1, &2, &3], "the front was not sent again");
    assert!(came.iter().all(|sequence| (1..=6).contains(sequence)), "{came:?}");
    stage.end().await;
}

async fn a_relay_killed_between_publishing_and_its_cursor_sends_again(side: Side, door: Door) {
    let stage = Stage::new(side, door).await;
    let mut heard = hear(&stage.bus).await;
    let relay = stage.relay();
    stage.epoch_becomes(1).await;
    let before = stage.world.published().await;
    let held = stage.append_and_hold(5).await;
    let first = take(&mut heard, held.last as usize).await;
    relay.kill().await;
    let last = held.last;
    held.release().await;
    let stood = stage.world.published().await;
    assert!(stood >= before && stood <= last - 5, "{stood}");
    stage.world.execute("update relay set lease_until = 0").await;
    let relay = stage.relay();
    stage.published_becomes(last).await;
    let again = take(&mut heard, (last - stood) as usize).await;
    assert_eq!(sequences(&again), (stood + 1..=last).collect::<Vec<_>>());
    // The same events, to the byte of their ids: that is how a consumer knows them again.
    let known = &first[stood as usize..];
    assert!(known.iter().zip(&again).all(|(first, again)| first.id == again.id));
    relay.stop().await;
    stage.end().await;
}

async fn personal_fields_travel_sealed_and_an_erased_person_as_erased(side: Side, door: Door) {
    let stage = Stage::new(side, door).await;
    let (kept, gone) = (
        stage.world.patient(stage.world.id(), details()).await,
        stage.world.patient(stage.world.id(), details()).await,
    );
    stage.world.append(&[kept.clone(), gone.clone()]).await.unwrap();
    stage.world.log.keys().erase(gone.key.unwrap()).await.unwrap();
    let mut heard = hear(&stage.bus).await;
    let relay = stage.relay();
    let came = take(&mut heard, 2).await;
    for delivery in &came {
        let body = String::from_utf8(delivery.body.clone()).unwrap();
        assert!(!body.contains("findme") && !body.contains("1987"), "{body}");
    }
    let mut said = envelopes(&came);
    assert_eq!(said[1].data[personal::MEMBER], personal::ERASED);
    let mut unopened = said[0].clone();
    open_from_bus(&mut unopened, None);
    assert_eq!(unopened.data[personal::MEMBER], personal::SEALED);
    // A block that was moved to another envelope does not open there.
    let mut moved = said[0].clone();
    moved.id = said[1].id;
    open_from_bus(&mut moved, Some(&stage.bus_keys));
    assert_eq!(moved.data[personal::MEMBER], personal::SEALED);
    open_from_bus(&mut said[0], Some(&stage.bus_keys));
    let data = said[0].data.clone();
    assert_eq!(said[0].event(data).unwrap(), created(details()));
    assert!(matches!(said[0].event(said[0].data.clone()).unwrap(), Event::PatientCreated(_)));
    relay.stop().await;
    stage.end().await;
}

async fn what_waits_is_counted(side: Side, door: Door) {
    let stage = Stage::new(side, door).await;
    stage.append(7).await;
    assert_eq!(RelayStatus::read(&stage.world.db).await.unwrap().waiting(), 7);
    let relay = stage.relay();
    stage.published_becomes(7).await;
    relay.stop().await;
    let status = RelayStatus::read(&stage.world.db).await.unwrap();
    assert_eq!((status.head, status.published, status.unnumbered, status.waiting()), (7, 7, 0, 0));
    stage.end().await;
}
