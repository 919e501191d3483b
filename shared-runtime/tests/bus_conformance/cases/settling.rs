//! Acks, refusals, and what happens without.

use crate::world::*;
use shared_runtime::bus::topology::{INVITES, Keeps, PARKING, PATIENTS};
use shared_runtime::bus::{Bus, Queue};

pub async fn unacked_comes_again_after_a_drop(world: &World) {
    let bus = world.open().await;
    publish(&bus, &window(0..20, TO_PATIENTS)).await;
    let mut subscription = bus.subscribe(PATIENTS, 100).await.unwrap();
    let taken = take(&mut subscription, 20).await;
    subscription.ack(&taken[..5]).await.unwrap();
    drop(subscription);
    let again = consume(&bus, PATIENTS, 15).await;
    assert_eq!(ids(&again), ids_of(5..20));
    assert!(again.iter().all(|delivery| delivery.redelivered));
    bus.close().await;
}

pub async fn unacked_comes_again_after_reopening(world: &World) {
    let bus = world.open().await;
    publish(&bus, &window(0..20, TO_PATIENTS)).await;
    let mut subscription = bus.subscribe(PATIENTS, 100).await.unwrap();
    let taken = take(&mut subscription, 10).await;
    // Every other one: what is left has holes.
    for delivery in taken.iter().step_by(2) {
        subscription.ack(std::slice::from_ref(delivery)).await.unwrap();
    }
    bus.close().await;
    drop(subscription);
    let bus = world.open().await;
    let expected = ids_of((1..10).step_by(2).chain(10..20));
    assert_eq!(ids(&consume(&bus, PATIENTS, 15).await), expected);
    bus.close().await;
}

pub async fn acked_does_not_come_again_after_reopening(world: &World) {
    let bus = world.open().await;
    publish(&bus, &window(0..20, TO_PATIENTS)).await;
    consume(&bus, PATIENTS, 20).await;
    bus.close().await;
    let bus = world.open().await;
    nothing_comes(&mut bus.subscribe(PATIENTS, 10).await.unwrap()).await;
    bus.close().await;
}

pub async fn an_ack_covers_its_batch_alone(world: &World) {
    let bus = world.open().await;
    publish(&bus, &window(0..9, TO_PATIENTS)).await;
    let mut subscription = bus.subscribe(PATIENTS, 100).await.unwrap();
    let _first = take(&mut subscription, 3).await;
    let second = take(&mut subscription, 3).await;
    let third = take(&mut subscription, 3).await;
    subscription.reject(&third[0]).await.unwrap();
    subscription.ack(&second).await.unwrap();
    subscription.ack(&[]).await.unwrap();
    subscription.ack(&third[1..]).await.unwrap();
    drop(subscription);
    assert_eq!(ids(&consume(&bus, PATIENTS, 3).await), ids_of(0..3));
    assert_eq!(ids(&consume(&bus, PARKING, 1).await), [id(6)]);
    bus.close().await;
}

pub async fn a_delivery_of_another_subscription_is_not_acked(world: &World) {
    let bus = world.open().await;
    publish(&bus, &window(0..2, TO_PATIENTS)).await;
    let mut subscription = bus.subscribe(PATIENTS, 10).await.unwrap();
    let stale = take(&mut subscription, 2).await;
    drop(subscription);
    let mut subscription = bus.subscribe(PATIENTS, 10).await.unwrap();
    let fresh = take(&mut subscription, 2).await;
    assert!(subscription.ack(&stale).await.is_err());
    assert!(subscription.reject(&stale[0]).await.is_err());
    subscription.ack(&fresh).await.unwrap();
    assert!(subscription.ack(&fresh).await.is_err(), "acked twice");
    bus.close().await;
}

pub async fn a_refused_message_is_parked_under_its_own_key(world: &World) {
    let bus = world.open().await;
    publish(&bus, &window(0..3, TO_PATIENTS)).await;
    publish(&bus, &window(3..5, TO_INVITES)).await;
    refuse(&bus, PATIENTS, 3, 1).await;
    refuse(&bus, INVITES, 2, 0).await;
    let parked = consume(&bus, PARKING, 2).await;
    assert_eq!(id_set(&parked), ids_of([1, 3].into_iter()).into_iter().collect());
    for delivery in parked {
        let (key, queue) =
            if delivery.id == Some(id(1)) { (TO_PATIENTS, PATIENTS) } else { (TO_INVITES, INVITES) };
        assert_eq!(delivery.routing_key, key);
        assert_eq!(delivery.died_in.as_deref(), Some(queue));
        assert!(delivery.body.starts_with(b"{\"number\":"));
    }
    nothing_comes(&mut bus.subscribe(PATIENTS, 10).await.unwrap()).await;
    bus.close().await;
}

/// Refuses one of a queue's messages and acks its neighbours.
async fn refuse(bus: &Bus, queue: &str, count: usize, which: usize) {
    let mut subscription = bus.subscribe(queue, 10).await.unwrap();
    let mut taken = take(&mut subscription, count).await;
    subscription.reject(&taken.remove(which)).await.unwrap();
    subscription.ack(&taken).await.unwrap();
    nothing_comes(&mut subscription).await;
}

/// With a limit of 2 the third delivery is the last, on both sides.
pub async fn a_message_that_fails_too_often_is_parked(world: &World) {
    let fragile = Queue {
        keeps: Keeps::UntilAcked { delivery_limit: 2 },
        ..Queue::of_service(PATIENTS, &["invites.#"])
    };
    let bus = world.open_with(world.topology.clone().with(fragile)).await;
    publish(&bus, &window(0..2, TO_PATIENTS)).await;
    for attempt in 0..3 {
        let mut subscription = bus.subscribe(PATIENTS, 1).await.unwrap();
        let taken = take(&mut subscription, 1).await;
        assert_eq!(ids(&taken), [id(0)], "attempt {attempt}");
        assert_eq!(taken[0].redelivered, attempt > 0);
    }
    let parked = consume(&bus, PARKING, 1).await;
    assert_eq!(ids(&parked), [id(0)]);
    assert_eq!(parked[0].routing_key, TO_PATIENTS);
    assert_eq!(ids(&consume(&bus, PATIENTS, 1).await), [id(1)], "its neighbour goes on");
    bus.close().await;
}

pub async fn a_message_refused_in_the_parking_queue_is_gone(world: &World) {
    let bus = world.open().await;
    publish(&bus, &window(0..1, TO_PATIENTS)).await;
    refuse(&bus, PATIENTS, 1, 0).await;
    depth_becomes(&bus, PARKING, 1).await;
    refuse(&bus, PARKING, 1, 0).await;
    depth_becomes(&bus, PARKING, 0).await;
    depth_becomes(&bus, PATIENTS, 0).await;
    bus.close().await;
}
