//! A bus of a test's own, on either side of the door.

use crate::core::World;
use shared_runtime::bus::{Bus, Delivery, Subscription, Topology};
use shared_runtime::{Clock, bus::topology};

/// Which bus a test runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The broker in `PF_TEST_AMQP_URL`.
    RabbitMq,
    /// A file in the test's folder.
    Embedded,
}

/// Where a test's bus is: a file, or a prefix that no other test uses.
#[derive(Debug)]
pub struct TestBus {
    side: Side,
    url: String,
    /// The standard topology under the test's prefix.
    pub topology: Topology,
}

impl TestBus {
    /// A place for a bus, in the world's folder where it is a file.
    ///
    /// # Panics
    /// Without a broker for [`Side::RabbitMq`].
    pub fn new(side: Side, world: &World) -> TestBus {
        let url = match side {
            Side::Embedded => format!("embedded:{}", world.databases.folder().join("bus.db").display()),
            Side::RabbitMq => std::env::var("PF_TEST_AMQP_URL")
                .unwrap_or_else(|_| panic!("set PF_TEST_AMQP_URL or run `make test`")),
        };
        let prefix = format!("t{}.", Clock::System.new_id().simple());
        TestBus { side, url, topology: Topology::prefixed(&prefix) }
    }

    /// Opens it.
    pub async fn open(&self) -> Bus {
        self.open_with(self.topology.clone()).await
    }

    /// Opens it with other queues. An embedded bus can be open once at a time.
    pub async fn open_with(&self, topology: Topology) -> Bus {
        Bus::open(&self.url, topology).await.expect("the bus opens")
    }

    /// Removes it.
    pub async fn end(self, bus: Bus) {
        if self.side == Side::RabbitMq {
            bus.delete_topology().await.expect("the queues are removed");
        }
        bus.close().await;
    }
}

/// What invites-service would hear: everything that patients-service says.
pub async fn hear(bus: &Bus) -> Subscription {
    bus.subscribe(topology::INVITES, 0).await.expect("a subscription")
}

/// Takes exactly so many deliveries, and acks them.
///
/// # Panics
/// When they do not come.
pub async fn take(subscription: &mut Subscription, count: usize) -> Vec<Delivery> {
    let mut taken = Vec::new();
    while taken.len() < count {
        let next = subscription.next(count - taken.len());
        let what = format!("delivery {} of {count}", taken.len() + 1);
        let batch = crate::core::soon(&what, next).await.expect("the bus works");
        subscription.ack(&batch).await.expect("acked");
        taken.extend(batch);
    }
    taken
}

/// Runs each case on the two pairs that are deployed: `embedded::sqlite::CASE`, `rabbitmq::postgres::CASE`.
/// A case is an async function of this module that takes a [`Side`] and a [`crate::databases::Door`].
#[macro_export]
macro_rules! on_both_pairs {
    ($($case:ident),+ $(,)?) => {
        mod embedded {
            mod sqlite { $crate::on_both_pairs!(@ Embedded Sqlite $($case)+); }
        }
        mod rabbitmq {
            mod postgres { $crate::on_both_pairs!(@ RabbitMq Postgres $($case)+); }
        }
    };
    (@ $side:ident $door:ident $($case:ident)+) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let (side, door) = ($crate::buses::Side::$side, $crate::databases::Door::$door);
                super::super::$case(side, door).await;
            }
        )+
    };
}
