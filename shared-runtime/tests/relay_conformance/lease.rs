//! Several relays, of which one works.

use crate::stage::{Stage, sequences};
use shared_runtime::relay::{RelayError, owner};
use std::time::Duration;
use testkit::buses::{Side, hear, take};
use testkit::databases::Door;

testkit::on_both_pairs!(
    of_two_relays_one_works_and_the_other_takes_over_at_once_when_it_stops,
    a_lease_that_runs_out_is_taken_over_and_no_sooner,
    a_relay_that_was_deposed_does_not_move_the_cursor,
    an_operator_sees_whose_turn_it_is_while_it_is,
);

async fn of_two_relays_one_works_and_the_other_takes_over_at_once_when_it_stops(side: Side, door: Door) {
    let stage = Stage::new(side, door).await;
    let mut heard = hear(&stage.bus).await;
    let first = stage.relay();
    stage.epoch_becomes(1).await;
    let second = stage.relay();
    for _ in 0..5 {
        stage.append(4).await;
    }
    stage.published_becomes(20).await;
    assert_eq!(stage.epoch().await, 1, "one has worked");
    first.stop().await;
    let free = "select count(*) from relay where epoch = 2 or lease_until = 0";
    assert_eq!(stage.world.number_of(free).await, 1, "the lease was given back");
    stage.epoch_becomes(2).await;
    stage.append(4).await;
    stage.published_becomes(24).await;
    assert_eq!(sequences(&take(&mut heard, 24).await), (1..=24).collect::<Vec<_>>());
    second.stop().await;
    stage.end().await;
}

async fn an_operator_sees_whose_turn_it_is_while_it_is(side: Side, door: Door) {
    let stage = Stage::new(side, door).await;
    assert_eq!(owner(&stage.world.db).await.unwrap(), None, "nobody began yet");
    let relay = stage.relay();
    stage.epoch_becomes(1).await;
    let first = owner(&stage.world.db).await.unwrap();
    assert!(first.as_ref().is_some_and(|name| name.parse::<uuid::Uuid>().is_ok()), "{first:?}");
    relay.stop().await;
    assert_eq!(owner(&stage.world.db).await.unwrap(), None, "given back");
    let again = stage.relay();
    stage.epoch_becomes(2).await;
    assert_ne!(owner(&stage.world.db).await.unwrap(), first, "another turn");
    again.kill().await;
    stage.world.execute("update relay set lease_until = 1").await;
    assert_eq!(owner(&stage.world.db).await.unwrap(), None, "run out");
    stage.end().await;
}

async fn a_lease_that_runs_out_is_taken_over_and_no_sooner(side: Side, door: Door) {
    let stage = Stage::new(side, door).await;
    let first = stage.relay();
    stage.epoch_becomes(1).await;
    first.kill().await;
    let second = stage.relay();
    stage.append(3).await;
    // It looks every half second: time enough to look and to leave it.
    tokio::time::sleep(Duration::from_millis(900)).await;
    assert_eq!((stage.epoch().await, stage.world.published().await), (1, 0));
    stage.world.execute("update relay set lease_until = 1").await;
    stage.epoch_becomes(2).await;
    stage.published_becomes(3).await;
    second.stop().await;
    stage.end().await;
}

async fn a_relay_that_was_deposed_does_not_move_the_cursor(side: Side, door: Door) {
    let stage = Stage::new(side, door).await;
    let mut heard = hear(&stage.bus).await;
    let relay = stage.relay();
    stage.epoch_becomes(1).await;
    let held = stage.append_and_hold(5).await;
    let (last, stood) = (held.last, stage.world.published().await);
    take(&mut heard, last as usize).await;
    held.depose_and_release().await;
    let ended = relay.ended().await;
    assert!(matches!(ended, RelayError::Deposed), "{ended}");
    assert_eq!(stage.world.published().await, stood);
    // And it has not given back what is another's.
    let lease = stage.world.number_of("select lease_until from relay").await;
    assert_eq!(lease, 9_000_000_000_000);
    stage.end().await;
}

/// Numbering, which SQLite does while it appends.
mod numbering {
    mod embedded {
        mod postgres {
            use crate::stage::Stage;
            use shared_runtime::execute;
            use shared_runtime::relay::RelayError;
            use testkit::buses::Side;
            use testkit::core::until;
            use testkit::databases::Door;

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn a_relay_that_was_deposed_numbers_nothing() {
                let stage = Stage::new(Side::Embedded, Door::Postgres).await;
                let relay = stage.relay();
                stage.epoch_becomes(1).await;
                // Held in the middle of its numbering, it finds another's epoch when it may go on.
                let mut tx = stage.world.db.begin().await.unwrap();
                let sql = "update relay set epoch = 2, owner = 'another', lease_until = 9000000000000";
                execute!(tx.conn(), sql).unwrap();
                let waiters = "select count(*) from pg_stat_activity
                                where datname = current_database() and wait_event_type = 'Lock'
                                  and query like 'select next_seq%'";
                stage.append(5).await;
                until("the relay wants to number", || async { stage.world.number_of(waiters).await >= 1 })
                    .await;
                tx.commit().await.unwrap();
                let ended = relay.ended().await;
                assert!(matches!(ended, RelayError::Deposed), "{ended}");
                assert_eq!((stage.world.unnumbered().await, stage.world.next_seq().await), (5, 1));
                // The same, asked by hand.
                assert_eq!(stage.world.number_once(1).await, None);
                assert_eq!(stage.world.unnumbered().await, 5);
                assert_eq!(stage.world.number_once(2).await, Some(5));
                stage.end().await;
            }
        }
    }
}
