//! From a publisher to the queues.

use crate::world::*;
use shared_runtime::bus::topology::{INVITES, LOG, PATIENTS};
use shared_runtime::bus::{Message, Queue};

pub async fn a_message_reaches_every_bound_queue(world: &World) {
    let second = Queue::of_service("pf.second.v1", &["invites.invite.#"]);
    let bus = world.open_with(world.topology.clone().with(second)).await;
    publish(&bus, &[message(1, TO_PATIENTS), message(2, TO_INVITES)]).await;
    assert_eq!(ids(&consume(&bus, PATIENTS, 1).await), [id(1)]);
    assert_eq!(ids(&consume(&bus, "pf.second.v1", 1).await), [id(1)]);
    assert_eq!(ids(&consume(&bus, INVITES, 1).await), [id(2)]);
    bus.delete_topology().await.unwrap();
    bus.close().await;
}

pub async fn patterns_match_by_words(world: &World) {
    const KEYS: [&str; 8] = ["a", "a.b", "a.b.c", "a.b.v1", "b", "a.", "ab", "a.x.y.v1"];
    const PATTERNS: [(&str, &[usize]); 6] = [
        ("a.#", &[0, 1, 2, 3, 5, 7]),
        ("a.*", &[1, 5]),
        ("#.v1", &[3, 7]),
        ("a.*.c", &[2]),
        ("a.#.v1", &[3, 7]),
        ("*", &[0, 4, 6]),
    ];
    let mut topology = world.topology.clone();
    for (number, (pattern, _)) in PATTERNS.iter().enumerate() {
        topology = topology.with(Queue::of_service(&format!("pf.pattern{number}.v1"), &[*pattern]));
    }
    let bus = world.open_with(topology.clone()).await;
    publish(&bus, &KEYS.iter().enumerate().map(|(n, key)| message(n, key)).collect::<Vec<_>>()).await;
    for (number, (pattern, expected)) in PATTERNS.iter().enumerate() {
        let came = consume(&bus, &format!("pf.pattern{number}.v1"), expected.len()).await;
        assert_eq!(ids(&came), ids_of(expected.iter().copied()), "{pattern}");
    }
    bus.delete_topology().await.unwrap();
    bus.close().await;
}

pub async fn order_is_kept_within_a_queue(world: &World) {
    let bus = world.open().await;
    for start in (0..1000).step_by(100) {
        publish(&bus, &window(start..start + 100, TO_PATIENTS)).await;
    }
    assert_eq!(ids(&consume(&bus, PATIENTS, 1000).await), ids_of(0..1000));
    bus.close().await;
}

pub async fn bytes_are_identical(world: &World) {
    let bus = world.open().await;
    let bodies: Vec<Vec<u8>> = vec![
        Vec::new(),
        (0..=255).collect(),
        (0..300_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect(),
        "{\"name\":\"Zoë\"}".into(),
    ];
    let sent: Vec<Message> = bodies
        .iter()
        .zip(1..)
        .map(|(body, n)| Message { body: body.clone(), ..message(n, TO_PATIENTS) })
        .collect();
    publish(&bus, &sent).await;
    for (delivery, message) in consume(&bus, PATIENTS, sent.len()).await.iter().zip(&sent) {
        assert_eq!(delivery.id, Some(message.id));
        assert_eq!(delivery.routing_key, message.routing_key);
        assert!(delivery.body == message.body, "message {} was changed", message.id);
        assert!(!delivery.redelivered && delivery.died_in.is_none());
    }
    bus.close().await;
}

/// No deduplication on either side: a consumer that leaned on it would break on the other.
pub async fn a_message_published_twice_arrives_twice(world: &World) {
    let bus = world.open().await;
    publish(&bus, &[message(7, TO_PATIENTS), message(7, TO_PATIENTS)]).await;
    publish(&bus, &[message(7, TO_PATIENTS)]).await;
    let came = consume(&bus, PATIENTS, 3).await;
    assert_eq!(ids(&came), [id(7); 3]);
    assert!(came.iter().all(|delivery| !delivery.redelivered));
    bus.close().await;
}

pub async fn a_window_of_two_thousand(world: &World) {
    let bus = world.open().await;
    publish(&bus, &window(0..2000, TO_PATIENTS)).await;
    depth_becomes(&bus, PATIENTS, 2000).await;
    assert_eq!(ids(&consume(&bus, PATIENTS, 2000).await), ids_of(0..2000));
    bus.close().await;
}

pub async fn a_waiting_subscriber_is_woken(world: &World) {
    let bus = world.open().await;
    let mut subscription = bus.subscribe(PATIENTS, 10).await.unwrap();
    nothing_comes(&mut subscription).await;
    let waiting = tokio::spawn(async move { ids(&take(&mut subscription, 1).await) });
    publish(&bus, &[message(1, TO_PATIENTS)]).await;
    assert_eq!(waiting.await.unwrap(), [id(1)]);
    bus.close().await;
}

pub async fn what_was_published_before_the_first_subscriber_waits_for_it(world: &World) {
    let bus = world.open_with(world.topology.clone().without(LOG)).await;
    publish(&bus, &window(0..10, TO_PATIENTS)).await;
    depth_becomes(&bus, PATIENTS, 10).await;
    bus.close().await;
    let bus = world.open_with(world.topology.clone().without(LOG)).await;
    assert_eq!(ids(&consume(&bus, PATIENTS, 10).await), ids_of(0..10));
    depth_becomes(&bus, PATIENTS, 0).await;
    bus.close().await;
}
