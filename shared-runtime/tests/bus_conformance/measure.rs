//! How fast it is. Not a test: run with `--ignored --nocapture measure`.

use crate::world::*;
use shared_runtime::bus::topology::PATIENTS;
use std::time::Instant;

const WINDOWS: usize = 20;
const WINDOW: usize = 1000;
/// About what an envelope weighs.
const BODY: usize = 700;

async fn measure(world: &World) {
    let bus = world.open().await;
    let mut publisher = bus.publisher().await.unwrap();
    let start = Instant::now();
    for number in 0..WINDOWS {
        let mut window = window(number * WINDOW..(number + 1) * WINDOW, TO_PATIENTS);
        window.iter_mut().for_each(|message| message.body = vec![b'x'; BODY]);
        let published = publisher.publish(&window, PATIENCE).await;
        assert_eq!(published.confirmed, WINDOW, "{:?}", published.failure);
    }
    let per_second = |start: Instant| (WINDOWS * WINDOW) as f64 / start.elapsed().as_secs_f64();
    println!("published in windows of {WINDOW}: {:.0}/s", per_second(start));
    let mut subscription = bus.subscribe(PATIENTS, 500).await.unwrap();
    let (start, mut came) = (Instant::now(), 0);
    while came < WINDOWS * WINDOW {
        let batch = subscription.next(100).await.unwrap();
        subscription.ack(&batch).await.unwrap();
        came += batch.len();
    }
    println!("received and acked in batches of up to 100: {:.0}/s", per_second(start));
    bus.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn embedded() {
    let world = World::new(Side::Embedded, "measure");
    measure(&world).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn rabbitmq() {
    let world = World::new(Side::RabbitMq, "measure");
    measure(&world).await;
    world.end().await;
}
