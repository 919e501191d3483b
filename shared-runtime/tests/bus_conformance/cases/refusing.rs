//! What a bus must not take, and how it says so.

use crate::world::*;
use shared_runtime::bus::topology::{Keeps, LOG, PATIENTS};
use shared_runtime::bus::{Bus, BusError, Queue};
use std::collections::BTreeSet;

pub async fn unroutable_is_returned_and_the_prefix_is_exact(world: &World) {
    // The log takes everything; without it a key can lead nowhere.
    let bus = world.open_with(world.topology.clone().without(LOG)).await;
    let mut counted = BTreeSet::new();
    for (round, homeless) in [0, 1, 25, 48, 49].into_iter().enumerate() {
        let mut messages = window(round * 100..round * 100 + 50, TO_PATIENTS);
        messages[homeless].routing_key = "nobody.hears.This.v1".to_owned();
        let mut publisher = bus.publisher().await.unwrap();
        let published = publisher.publish(&messages, PATIENCE).await;
        assert_eq!(published.confirmed, homeless);
        assert!(
            matches!(&published.failure, Some(BusError::Returned { routing_key }) if routing_key == "nobody.hears.This.v1"),
            "{:?}",
            published.failure
        );
        counted.extend(ids_of(round * 100..round * 100 + homeless));
    }
    // All that was counted is there. What came after a returned message may be, uncounted.
    let mut subscription = bus.subscribe(PATIENTS, 0).await.unwrap();
    while !counted.is_empty() {
        for id in ids(&take(&mut subscription, 1).await) {
            counted.remove(&id);
        }
    }
    bus.close().await;
}

pub async fn a_routing_key_that_is_too_long_is_refused(world: &World) {
    let bus = world.open().await;
    let mut messages = window(0..3, TO_PATIENTS);
    messages[1].routing_key = format!("invites.{}", "x".repeat(300));
    let published = bus.publisher().await.unwrap().publish(&messages, PATIENCE).await;
    assert_eq!(published.confirmed, 1);
    assert!(matches!(published.failure, Some(BusError::Refused { id: refused, .. }) if refused == id(1)));
    bus.close().await;
}

pub async fn another_topology_is_refused(world: &World) {
    let bus = world.open().await;
    bus.publisher().await.unwrap();
    bus.close().await;
    let other = Queue {
        keeps: Keeps::UntilAcked { delivery_limit: 7 },
        ..Queue::of_service(PATIENTS, &["invites.#"])
    };
    let topology = world.topology.clone().with(other);
    let name = topology.full_name(PATIENTS);
    // The file is read at once, the broker not before it is needed.
    let error = match Bus::open(&world.url, topology).await {
        Err(error) => error,
        Ok(bus) => {
            let subscribed = bus.subscribe(PATIENTS, 1).await.map(drop);
            assert!(matches!(subscribed, Err(BusError::Topology(_))), "{subscribed:?}");
            bus.publisher().await.map(drop).unwrap_err()
        }
    };
    let BusError::Topology(words) = &error else { panic!("{error:?}") };
    assert!(words.contains(&name) && words.contains("new version"), "{words}");
}

pub async fn unknown_queues_and_logs_are_not_subscribed_to(world: &World) {
    let bus = world.open().await;
    for name in [LOG, "pf.nobody.v1"] {
        let refused = bus.subscribe(name, 1).await.map(drop);
        assert!(matches!(refused, Err(BusError::Topology(_))), "{name}: {refused:?}");
        assert!(matches!(bus.depth(name).await, Err(BusError::Topology(_))));
    }
    bus.close().await;
}

pub async fn an_empty_window_is_confirmed(world: &World) {
    let bus = world.open().await;
    publish(&bus, &[]).await;
    bus.close().await;
}

pub async fn an_open_bus_answers_a_ping(world: &World) {
    let bus = world.open().await;
    bus.ping().await.unwrap();
    bus.ping().await.unwrap();
    bus.close().await;
}
