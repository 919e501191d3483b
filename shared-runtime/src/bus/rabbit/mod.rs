//! RabbitMQ, through lapin. The only place that names it.
//!
//! Every publisher and subscription has a connection of its own, so that one failure takes down
//! exactly what hangs on it, and a broker that holds publishers back does not hold back acks.
//! lapin's `enable_auto_recover` stays off: after a channel error it can leave a consumer waiting for
//! ever, and callers need the error anyway, to start from what they know to be settled.

mod blocked;
mod connect;
mod control;
mod declare;
mod judge;
mod publisher;
mod subscription;

pub use publisher::Publisher;
pub use subscription::Subscription;

use super::{BusError, Topology};
use blocked::Blocked;
use connect::Address;
use control::Control;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A broker: where it is, and what is declared there.
#[derive(Debug, Clone)]
pub struct Rabbit {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    address: Address,
    topology: Topology,
    control: Control,
    blocked: Blocked,
    subscriptions: AtomicU64,
}

impl Rabbit {
    pub(super) fn open(url: &str, topology: Topology) -> Result<Rabbit, BusError> {
        let inner = Inner {
            address: Address::parse(url)?,
            topology,
            control: Control::default(),
            blocked: Blocked::default(),
            subscriptions: AtomicU64::new(1),
        };
        Ok(Rabbit { inner: Arc::new(inner) })
    }

    pub(super) async fn publisher(&self) -> Result<Publisher, BusError> {
        self.inner.blocked.check()?;
        let connection = self.inner.address.connect("publish").await?;
        declare::all(&connection, &self.inner.topology).await?;
        Publisher::start(self.clone(), connection).await
    }

    pub(super) async fn subscribe(&self, queue: &str, prefetch: u16) -> Result<Subscription, BusError> {
        self.inner.topology.place(queue)?;
        let connection = self.inner.address.connect(&format!("consume {queue}")).await?;
        declare::all(&connection, &self.inner.topology).await?;
        let number = self.inner.subscriptions.fetch_add(1, Ordering::Relaxed);
        Subscription::start(self.clone(), connection, queue, prefetch, number).await
    }

    pub(super) async fn ping(&self) -> Result<(), BusError> {
        self.inner.control.channel(&self.inner.address).await.map(drop)
    }

    pub(super) async fn depth(&self, queue: &str) -> Result<u64, BusError> {
        self.inner.topology.place(queue)?;
        let channel = self.inner.control.channel(&self.inner.address).await?;
        declare::depth(&channel, &self.inner.topology.full_name(queue)).await
    }

    pub(super) async fn close(self) {
        self.inner.control.close().await;
    }

    pub(super) async fn delete_topology(&self) -> Result<(), BusError> {
        let channel = self.inner.control.channel(&self.inner.address).await?;
        declare::delete(&channel, &self.inner.topology).await
    }
}
