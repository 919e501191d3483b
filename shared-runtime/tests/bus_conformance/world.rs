//! A bus of a case's own, and the few things every case does.

use shared_runtime::bus::{Bus, Delivery, Message, Subscription, Topology};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use uuid::Uuid;

/// Far beyond what anything here takes.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// Long enough to be sure that nothing comes.
pub const SILENCE: Duration = Duration::from_millis(300);

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Embedded,
    RabbitMq,
}

/// Where a case runs: a file or a prefix that no other case uses.
pub struct World {
    pub side: Side,
    pub url: String,
    pub topology: Topology,
    folder: PathBuf,
}

impl World {
    pub fn new(side: Side, case: &str) -> World {
        static COUNTER: AtomicU64 = AtomicU64::new(0);
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let name = format!("t{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(format!("pf-bus-{name}-{case}"));
        let url = match side {
            Side::RabbitMq => broker_url(),
            Side::Embedded => {
                std::fs::create_dir_all(&folder).unwrap();
                format!("embedded:{}", folder.join("bus.db").display())
            }
        };
        World { side, url, topology: Topology::prefixed(&format!("{name}.")), folder }
    }

    /// The file of an embedded bus.
    pub fn file(&self) -> PathBuf {
        self.folder.join("bus.db")
    }

    pub async fn open(&self) -> Bus {
        self.open_with(self.topology.clone()).await
    }

    pub async fn open_with(&self, topology: Topology) -> Bus {
        Bus::open(&self.url, topology).await.unwrap()
    }

    pub async fn end(self) {
        match self.side {
            Side::Embedded => std::fs::remove_dir_all(&self.folder).unwrap(),
            Side::RabbitMq => self.open().await.delete_topology().await.unwrap(),
        }
    }
}

pub fn broker_url() -> String {
    std::env::var("PF_TEST_AMQP_URL")
        .unwrap_or_else(|_| panic!("set PF_TEST_AMQP_URL or run `make test`, which starts a private broker"))
}

/// A message with a body of its own.
pub fn message(number: usize, routing_key: &str) -> Message {
    Message {
        id: id(number),
        routing_key: routing_key.to_owned(),
        body: format!("{{\"number\":{number}}}").into_bytes(),
        traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()),
    }
}

pub fn id(number: usize) -> Uuid {
    Uuid::from_u128(number as u128)
}

/// What patients-service hears.
pub const TO_PATIENTS: &str = "invites.invite.InviteIssued.v1";
/// What invites-service hears.
pub const TO_INVITES: &str = "patients.patient.PatientCreated.v1";

pub fn window(numbers: impl Iterator<Item = usize>, routing_key: &str) -> Vec<Message> {
    numbers.map(|number| message(number, routing_key)).collect()
}

pub async fn publish(bus: &Bus, window: &[Message]) {
    let mut publisher = bus.publisher().await.unwrap();
    let published = publisher.publish(window, PATIENCE).await;
    assert!(published.failure.is_none(), "{:?}", published.failure);
    assert_eq!(published.confirmed, window.len());
}

/// Exactly so many deliveries.
pub async fn take(subscription: &mut Subscription, count: usize) -> Vec<Delivery> {
    let mut taken = Vec::new();
    while taken.len() < count {
        let most = count - taken.len();
        let next = tokio::time::timeout(PATIENCE, subscription.next(most)).await;
        let next = next.unwrap_or_else(|_| panic!("{} of {count} came", taken.len())).unwrap();
        assert!(!next.is_empty() && next.len() <= most);
        taken.extend(next);
    }
    taken
}

pub async fn nothing_comes(subscription: &mut Subscription) {
    let next = tokio::time::timeout(SILENCE, subscription.next(1)).await;
    assert!(next.is_err(), "came: {next:?}");
}

/// A subscription that asks once for `count`, acks it, and is dropped.
pub async fn consume(bus: &Bus, queue: &str, count: usize) -> Vec<Delivery> {
    let mut subscription = bus.subscribe(queue, 500).await.unwrap();
    let mut all = Vec::new();
    while all.len() < count {
        let batch = take(&mut subscription, (count - all.len()).min(500)).await;
        subscription.ack(&batch).await.unwrap();
        all.extend(batch);
    }
    // Acks have no answer on RabbitMQ: they are through once the broker hands out nothing again.
    nothing_comes(&mut subscription).await;
    all
}

pub async fn depth_becomes(bus: &Bus, queue: &str, expected: u64) {
    let reached = async {
        while bus.depth(queue).await.unwrap() != expected {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    if tokio::time::timeout(PATIENCE, reached).await.is_err() {
        panic!("{queue} has {:?}, not {expected}", bus.depth(queue).await);
    }
}

pub fn ids(deliveries: &[Delivery]) -> Vec<Uuid> {
    deliveries.iter().map(|delivery| delivery.id.unwrap()).collect()
}

pub fn id_set(deliveries: &[Delivery]) -> BTreeSet<Uuid> {
    ids(deliveries).into_iter().collect()
}

pub fn ids_of(numbers: impl Iterator<Item = usize>) -> Vec<Uuid> {
    numbers.map(id).collect()
}
