//! The embedded bus: one SQLite file, one process.
//!
//! One task owns the file and is asked by message ([`engine`]). It takes what has gathered in its
//! inbox, writes it in one transaction, answers, then hands out what waits for it. So concurrent
//! publishers and acks share a commit, a subscriber is woken by the commit that brought its message,
//! and nothing polls. What is in whose hands lives in memory only ([`line`]): it is void after a kill.
//!
//! Roads not taken: a connection pool (SQLite has one writer, and two connections to a file that is
//! locked for this process are one too many); a cursor per queue with a list of exceptions (the rows
//! of `entry` say the same, and an out-of-order ack is a delete).

mod engine;
mod file;
mod handles;
mod line;
mod serve;
mod store;
mod write;

pub use handles::{Publisher, Subscription};

use super::{BusError, Topology};
use engine::{Command, Engine};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

/// A disk that takes longer than this to let us look is as good as away.
const PING: Duration = Duration::from_secs(5);

/// An embedded bus that is open.
#[derive(Debug, Clone)]
pub struct Embedded {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    engine: Inbox,
    topology: Topology,
    subscriptions: AtomicU64,
}

impl Embedded {
    pub(super) async fn open(path: &Path, topology: Topology) -> Result<Embedded, BusError> {
        let engine = Engine::open(path, topology.clone()).await?;
        let (sender, receiver) = mpsc::unbounded_channel();
        // Not watched: should it ever panic, its inbox is gone and every caller is told so.
        tokio::spawn(engine.run(receiver));
        let inner = Inner { engine: Inbox(sender), topology, subscriptions: AtomicU64::new(1) };
        Ok(Embedded { inner: Arc::new(inner) })
    }

    pub(super) fn publisher(&self) -> Publisher {
        Publisher::new(self.inner.engine.clone())
    }

    pub(super) fn subscribe(&self, queue: &str, prefetch: u16) -> Result<Subscription, BusError> {
        let line = self.inner.topology.place(queue)?;
        let number = self.inner.subscriptions.fetch_add(1, Ordering::Relaxed);
        Ok(Subscription::new(self.inner.engine.clone(), line, number, prefetch))
    }

    pub(super) async fn ping(&self) -> Result<(), BusError> {
        match timeout(PING, self.inner.engine.ask(|reply| Command::Ping { reply })).await {
            Ok(alive) => alive?,
            Err(_) => Err(BusError::Late(PING)),
        }
    }

    pub(super) async fn depth(&self, queue: &str) -> Result<u64, BusError> {
        let line = self.inner.topology.place(queue)?;
        self.inner.engine.ask(|reply| Command::Depth { line, reply }).await
    }

    pub(super) async fn close(self) {
        // No answer means that it is closed already.
        let _ = self.inner.engine.ask(|reply| Command::Close { reply }).await;
    }
}

/// The way to the engine.
#[derive(Debug, Clone)]
struct Inbox(mpsc::UnboundedSender<Command>);

impl Inbox {
    /// Unbounded, and yet bounded by what is asked: each asker waits for its answer.
    fn send(&self, command: Command) -> Result<(), BusError> {
        self.0.send(command).map_err(|_| closed())
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Result<T, BusError> {
        let (reply, answer) = oneshot::channel();
        self.send(command(reply))?;
        answer.await.map_err(|_| closed())
    }
}

fn closed() -> BusError {
    BusError::Away("the embedded bus is closed".to_owned())
}
