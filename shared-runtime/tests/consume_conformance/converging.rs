//! However often, in whatever order and by how many it is handled: the same rows.

use crate::stage::{Planted, Stage};
use shared_events::Envelope;
use std::sync::atomic::Ordering::SeqCst;
use testkit::buses::Side;
use testkit::core::until;
use testkit::databases::Door;
use uuid::Uuid;

testkit::on_both_pairs!(
    duplicates_and_disorder_come_to_the_same_rows,
    rivals_that_fail_and_are_killed_come_to_the_same_rows,
    killed_between_effect_and_commit_an_event_comes_again,
    a_commit_that_fails_is_done_again_and_nothing_is_parked,
    a_consumer_that_stops_finishes_what_it_has_in_hand,
);

/// Numbers that look random and are the same in every run.
fn shuffle<T>(items: &mut [T]) {
    let mut dice = 0x2545_f491_4f6c_dd1d_u64;
    for place in (1..items.len()).rev() {
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        items.swap(place, (dice % (place as u64 + 1)) as usize);
    }
}

/// A history of some streams, and the rows it comes to.
fn history(stage: &Stage, streams: usize, versions: i64) -> (Vec<Envelope>, Vec<(Uuid, i64, String)>) {
    let ids: Vec<Uuid> = (0..streams).map(|_| stage.world.id()).collect();
    let said = |id: &Uuid| (1..=versions).map(|version| stage.said(*id, version)).collect::<Vec<_>>();
    let mut rows: Vec<_> = ids.iter().map(|id| (*id, versions, "opened".to_owned())).collect();
    rows.sort();
    (ids.iter().flat_map(said).collect(), rows)
}

async fn duplicates_and_disorder_come_to_the_same_rows(side: Side, door: Door) {
    let stage = Stage::new(side, door).await;
    let (mut events, rows) = history(&stage, 20, 10);
    events.extend(events.clone());
    shuffle(&mut events);
    stage.publish(&events).await;
    let consumer = stage.consumer();
    stage.drained(vec![consumer]).await;
    assert_eq!(stage.rows().await, rows);
    // In batches, not one by one.
    let commits = stage.register.commits.load(SeqCst);
    assert!(commits < events.len() / 4, "{commits} commits for {} deliveries", events.len());
    stage.end().await;
}

async fn rivals_that_fail_and_are_killed_come_to_the_same_rows(side: Side, door: Door) {
    let stage = Stage::new(side, door).await;
    let (mut events, rows) = history(&stage, 20, 10);
    for event in events.iter().step_by(12) {
        stage.register.plant(event.id, Planted::Retry(2));
    }
    for event in events.iter().skip(1).step_by(40) {
        stage.register.plant(event.id, Planted::Away(3));
    }
    events.extend(events.clone());
    shuffle(&mut events);
    stage.publish(&events).await;
    let rivals = vec![stage.consumer(), stage.consumer()];
    for killed in 1..=3 {
        let victim = stage.consumer();
        until("something is handled", || async { stage.register.handled.load(SeqCst) > killed * 40 }).await;
        victim.kill().await;
    }
    stage.drained(rivals).await;
    assert_eq!(stage.rows().await, rows);
    assert!(stage.parked().await.is_empty(), "{:?}", stage.parked().await);
    stage.end().await;
}

async fn killed_between_effect_and_commit_an_event_comes_again(side: Side, door: Door) {
    let stage = Stage::new(side, door).await;
    stage.register.gated.store(true, SeqCst);
    let event = stage.said(stage.world.id(), 1);
    stage.publish(std::slice::from_ref(&event)).await;
    let killed = stage.consumer();
    until("its effect", || async { stage.register.waiting.load(SeqCst) == 1 }).await;
    killed.kill().await;
    assert!(stage.rows().await.is_empty());
    stage.register.gated.store(false, SeqCst);
    let next = stage.consumer();
    until("it came again", || async { stage.rows().await.len() == 1 }).await;
    next.stop().await;
    stage.end().await;
}

async fn a_commit_that_fails_is_done_again_and_nothing_is_parked(side: Side, door: Door) {
    let stage = Stage::new(side, door).await;
    stage.register.gated.store(true, SeqCst);
    stage.publish(&[stage.said(stage.world.id(), 1), stage.said(stage.world.id(), 1)]).await;
    let consumer = stage.consumer();
    until("its effect", || async { stage.register.waiting.load(SeqCst) > 0 }).await;
    stage.register.gated.store(false, SeqCst);
    if door == Door::Postgres {
        // The connection is cut under the open transaction. SQLite has none to cut.
        let cut = "select count(pg_terminate_backend(pid)) from pg_stat_activity
                    where datname = current_database() and pid <> pg_backend_pid()
                      and state = 'idle in transaction'";
        assert_eq!(stage.world.number_of(cut).await, 1);
    }
    stage.register.gate.add_permits(1);
    until("both are done", || async { stage.rows().await.len() == 2 }).await;
    stage.drained(vec![consumer]).await;
    assert_eq!(stage.rows().await.len(), 2);
    assert!(stage.parked().await.is_empty());
    stage.end().await;
}

async fn a_consumer_that_stops_finishes_what_it_has_in_hand(side: Side, door: Door) {
    let stage = Stage::new(side, door).await;
    stage.register.gated.store(true, SeqCst);
    stage.publish(&[stage.said(stage.world.id(), 1)]).await;
    let consumer = stage.consumer();
    until("its effect", || async { stage.register.waiting.load(SeqCst) == 1 }).await;
    consumer.stop.cancel();
    stage.register.gate.add_permits(1);
    consumer.stop().await;
    assert_eq!(stage.rows().await.len(), 1);
    stage.end().await;
}
