//! What a repeated command is answered.

use chrono::TimeDelta;
use shared_runtime::idempotency::{Answered, KEPT, Recalled, Repeatable, prune, recall, remember};
use testkit::core::{World, soon};
use testkit::databases::Door;

testkit::on_both_databases!(
    the_same_request_gets_the_first_answer_and_another_is_found_out,
    of_two_first_uses_at_once_one_is_remembered,
    a_key_used_twice_in_one_group_is_refused_whole,
    answers_of_yesterday_are_dropped_and_younger_ones_stay,
);

fn asked(key: &str, fingerprint: u8) -> Repeatable {
    Repeatable {
        account: "clinic-1".to_owned(),
        principal: "staff:1".to_owned(),
        key: key.to_owned(),
        fingerprint: [fingerprint; 32],
    }
}

fn answered(world: &World, version: i64) -> Answered {
    Answered { status: 201, resource: world.id(), version }
}

async fn keep(world: &World, answers: &[(Repeatable, Answered)]) -> bool {
    let mut tx = world.db.begin().await.unwrap();
    let kept = remember(&mut tx, answers, world.clock.now()).await.unwrap();
    match kept {
        true => tx.commit().await.unwrap(),
        false => tx.rollback().await.unwrap(),
    }
    kept
}

async fn recalled(world: &World, asked: &Repeatable) -> Option<Recalled> {
    let mut reader = world.db.read().await.unwrap();
    recall(reader.conn(), asked).await.unwrap()
}

async fn the_same_request_gets_the_first_answer_and_another_is_found_out(door: Door) {
    let world = World::new(door).await;
    let first = answered(&world, 3);
    assert_eq!(recalled(&world, &asked("k", 1)).await, None);
    assert!(keep(&world, &[(asked("k", 1), first)]).await);
    assert!(!keep(&world, &[(asked("k", 1), answered(&world, 9))]).await);
    assert_eq!(recalled(&world, &asked("k", 1)).await, Some(Recalled::Same(first)));
    assert_eq!(recalled(&world, &asked("k", 2)).await, Some(Recalled::Other));
    // Keys of two clinics, and of two people, never meet.
    let mut elsewhere = asked("k", 1);
    elsewhere.account = "clinic-2".to_owned();
    assert_eq!(recalled(&world, &elsewhere).await, None);
    let mut colleague = asked("k", 1);
    colleague.principal = "staff:2".to_owned();
    assert_eq!(recalled(&world, &colleague).await, None);
}

async fn of_two_first_uses_at_once_one_is_remembered(door: Door) {
    let world = World::new(door).await;
    for round in 0..10 {
        let key = format!("k{round}");
        let uses = [1, 2].map(|version| [(asked(&key, 1), answered(&world, version))]);
        let both = async { tokio::join!(keep(&world, &uses[0]), keep(&world, &uses[1])) };
        let (one, other) = soon("two first uses", both).await;
        assert!(one != other, "exactly one is the first");
        let first = uses[usize::from(other)][0].1;
        assert_eq!(recalled(&world, &asked(&key, 1)).await, Some(Recalled::Same(first)));
    }
}

async fn a_key_used_twice_in_one_group_is_refused_whole(door: Door) {
    let world = World::new(door).await;
    let uses = ["k", "other", "k"].map(|key| (asked(key, 1), answered(&world, 1)));
    assert!(!keep(&world, &uses).await);
    assert_eq!(recalled(&world, &asked("other", 1)).await, None);
}

async fn answers_of_yesterday_are_dropped_and_younger_ones_stay(door: Door) {
    let world = World::new(door).await;
    let now = world.clock.now();
    for (key, age) in [("old", KEPT + TimeDelta::seconds(1)), ("young", KEPT - TimeDelta::seconds(1))] {
        let mut tx = world.db.begin().await.unwrap();
        assert!(remember(&mut tx, &[(asked(key, 1), answered(&world, 1))], now - age).await.unwrap());
        tx.commit().await.unwrap();
    }
    let mut tx = world.db.begin().await.unwrap();
    assert_eq!(prune(&mut tx, now).await.unwrap(), 1);
    tx.commit().await.unwrap();
    assert_eq!(recalled(&world, &asked("old", 1)).await, None);
    assert!(recalled(&world, &asked("young", 1)).await.is_some());
}
