//! Several at once, and at different speeds.

use crate::world::*;
use shared_runtime::bus::topology::PATIENTS;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::timeout;

pub async fn prefetch_bounds_what_is_in_hand(world: &World) {
    let bus = world.open().await;
    publish(&bus, &window(0..20, TO_PATIENTS)).await;
    let mut subscription = bus.subscribe(PATIENTS, 5).await.unwrap();
    let first = take(&mut subscription, 5).await;
    nothing_comes(&mut subscription).await;
    subscription.ack(&first[..2]).await.unwrap();
    assert_eq!(ids(&take(&mut subscription, 2).await), ids_of(5..7));
    nothing_comes(&mut subscription).await;
    // What one subscription may not have is there for another.
    let mut second = bus.subscribe(PATIENTS, 100).await.unwrap();
    assert_eq!(ids(&take(&mut second, 13).await), ids_of(7..20));
    bus.close().await;
}

pub async fn two_consumers_share_without_doubling(world: &World) {
    const ALL: usize = 400;
    let bus = world.open().await;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let mut consumers = JoinSet::new();
    for _ in 0..2 {
        let mut subscription = bus.subscribe(PATIENTS, 10).await.unwrap();
        let seen = seen.clone();
        consumers.spawn(async move {
            let mut own = 0;
            while seen.lock().await.len() < ALL {
                let Ok(batch) = timeout(SILENCE, subscription.next(7)).await else { continue };
                let batch = batch.unwrap();
                own += batch.len();
                subscription.ack(&batch).await.unwrap();
                seen.lock().await.extend(ids(&batch));
            }
            own
        });
    }
    publish(&bus, &window(0..ALL, TO_PATIENTS)).await;
    let shares = timeout(PATIENCE, consumers.join_all()).await.unwrap();
    let seen = seen.lock().await;
    assert_eq!(seen.len(), ALL, "some came twice");
    assert_eq!(seen.iter().copied().collect::<BTreeSet<_>>(), ids_of(0..ALL).into_iter().collect());
    assert!(shares.iter().all(|share| *share > 0), "{shares:?}");
    bus.close().await;
}

pub async fn a_cancelled_next_loses_nothing(world: &World) {
    let bus = world.open().await;
    let mut subscription = bus.subscribe(PATIENTS, 500).await.unwrap();
    let publishing = tokio::spawn({
        let bus = bus.clone();
        async move {
            for start in (0..300).step_by(10) {
                publish(&bus, &window(start..start + 10, TO_PATIENTS)).await;
            }
        }
    });
    let mut came = Vec::new();
    // Most of these calls are given up before their answer comes.
    while !publishing.is_finished() {
        if let Ok(batch) = timeout(Duration::from_micros(300), subscription.next(3)).await {
            came.extend(batch.unwrap());
        }
    }
    publishing.await.unwrap();
    came.extend(take(&mut subscription, 300 - came.len()).await);
    assert_eq!(ids(&came), ids_of(0..300));
    assert!(came.iter().all(|delivery| !delivery.redelivered));
    bus.close().await;
}

pub async fn publishing_goes_on_while_a_consumer_is_slow(world: &World) {
    let bus = world.open().await;
    let mut slow = bus.subscribe(PATIENTS, 10).await.unwrap();
    publish(&bus, &window(0..10, TO_PATIENTS)).await;
    let in_hand = take(&mut slow, 10).await;
    for start in (10..1010).step_by(250) {
        publish(&bus, &window(start..start + 250, TO_PATIENTS)).await;
    }
    depth_becomes(&bus, PATIENTS, 1000).await;
    slow.ack(&in_hand).await.unwrap();
    let mut rest = Vec::new();
    while rest.len() < 1000 {
        let batch = take(&mut slow, 10).await;
        slow.ack(&batch).await.unwrap();
        rest.extend(ids(&batch));
    }
    assert_eq!(rest, ids_of(10..1010));
    bus.close().await;
}

pub async fn several_publishers_at_once(world: &World) {
    let bus = world.open().await;
    // The queues are there already. While four connections make the same quorum queue for the first time,
    // RabbitMQ 3.10 now and then ends one of them with INTERNAL_ERROR; whoever publishes then begins anew,
    // as the relay does, and sends some messages twice, which is not what is looked at here.
    drop(bus.publisher().await.unwrap());
    let mut publishers = JoinSet::new();
    for number in 0..4 {
        let bus = bus.clone();
        publishers.spawn(async move {
            let start = number * 1000;
            for start in (start..start + 300).step_by(100) {
                publish(&bus, &window(start..start + 100, TO_PATIENTS)).await;
            }
        });
    }
    publishers.join_all().await;
    let came = ids(&consume(&bus, PATIENTS, 1200).await);
    // Each publisher's own order is kept; between them there is none.
    for number in 0..4 {
        let start = number * 1000;
        let own: Vec<_> =
            came.iter().copied().filter(|id| (id.as_u128() / 1000) as usize == number).collect();
        assert_eq!(own, ids_of(start..start + 300));
    }
    bus.close().await;
}
