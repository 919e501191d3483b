//! The task that owns the file.

use super::super::topology::{Exchange, Keeps, Queue};
use super::super::{BusError, Message, Published, Topology};
use super::file;
use super::handles::Handed;
use super::line::{Line, Taker};
use super::store;
use super::write::Write;
use sqlx::{Connection as _, SqliteConnection};
use std::path::Path;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior, interval};

/// Most commands that share a commit.
const ROUND: usize = 256;
/// Between looks for messages that are old enough to go.
const PRUNE_EVERY: Duration = Duration::from_secs(600);
/// Messages looked at before commands get their turn again.
const PRUNE_SLICE: u32 = 1000;

/// An answer to whoever settles deliveries.
pub(super) type Settled = oneshot::Sender<Result<(), BusError>>;

/// What the engine can be asked. Queues go by their place in the topology.
pub(super) enum Command {
    Publish { window: Vec<Message>, reply: oneshot::Sender<Published> },
    Take { line: usize, subscriber: u64, prefetch: u16, most: usize, reply: oneshot::Sender<Handed> },
    Ack { line: usize, subscriber: u64, positions: Vec<i64>, reply: Settled },
    Reject { line: usize, subscriber: u64, pos: i64, reply: Settled },
    Leave { line: usize, subscriber: u64 },
    Depth { line: usize, reply: oneshot::Sender<u64> },
    Ping { reply: Settled },
    Close { reply: oneshot::Sender<()> },
}

/// The file, and what is known of it in memory.
pub(super) struct Engine {
    pub(super) connection: SqliteConnection,
    pub(super) topology: Topology,
    /// One per queue of the topology, in its order.
    pub(super) lines: Vec<Line>,
    pub(super) last_pos: i64,
    durable: bool,
}

impl Engine {
    pub(super) async fn open(path: &Path, topology: Topology) -> Result<Engine, BusError> {
        let parking = topology.queues.iter().any(|queue| queue.exchange == Exchange::Dead);
        if !parking && topology.queues.iter().any(|queue| matches!(queue.keeps, Keeps::UntilAcked { .. })) {
            return Err(BusError::Topology("no queue takes the dead letters".to_owned()));
        }
        let mut connection = file::open(path).await?;
        let last_pos = store::last_pos(&mut connection).await.map_err(|error| broken(&error))?;
        let mut lines = Vec::with_capacity(topology.queues.len());
        for queue in &topology.queues {
            lines.push(open_line(&mut connection, &topology, queue).await?);
        }
        let mut engine = Engine { connection, topology, lines, last_pos, durable: true };
        engine.bury_spent().await.map_err(|error| broken(&error))?;
        Ok(engine)
    }

    /// Parks what was in hand, once too often, when the process was killed.
    async fn bury_spent(&mut self) -> sqlx::Result<()> {
        let mut writes = Vec::new();
        for (line, row) in self.lines.iter().enumerate() {
            let Some(limit) = row.delivery_limit else { continue };
            let positions = store::spent(&mut self.connection, row.id, limit).await?;
            writes.push(Write::Settle { line, positions, bury: true, reply: None });
        }
        self.write(writes).await;
        Ok(())
    }

    /// Serves until closed, or until nobody is left to ask.
    pub(super) async fn run(mut self, mut inbox: mpsc::UnboundedReceiver<Command>) {
        let mut prune = interval(PRUNE_EVERY);
        prune.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut pruned_to = 0;
        let mut commands = Vec::new();
        let mut closing = None;
        while closing.is_none() {
            tokio::select! {
                received = inbox.recv_many(&mut commands, ROUND) => match received {
                    0 => break,
                    _ => closing = self.round(commands.drain(..)).await,
                },
                _ = prune.tick() => match self.prune(pruned_to).await {
                    Some(end) => {
                        pruned_to = end;
                        prune.reset_at(Instant::now());
                    }
                    None => pruned_to = 0,
                },
            }
        }
        if let Err(error) = self.connection.close().await {
            tracing::warn!(%error, "the embedded bus did not close its file cleanly");
        }
        // Dropping the inbox answers everybody who still waits: closed.
        drop(inbox);
        if let Some(reply) = closing {
            let _ = reply.send(());
        }
    }

    async fn round(&mut self, commands: impl Iterator<Item = Command>) -> Option<oneshot::Sender<()>> {
        let (mut writes, mut depths, mut closing) = (Vec::new(), Vec::new(), None);
        for command in commands {
            match command {
                Command::Publish { window, reply } => writes.push(Write::Publish { window, reply }),
                Command::Ack { line, subscriber, positions, reply } => {
                    writes.extend(self.settle(line, subscriber, positions, false, reply));
                }
                Command::Reject { line, subscriber, pos, reply } => {
                    writes.extend(self.settle(line, subscriber, vec![pos], true, reply));
                }
                Command::Leave { line, subscriber } => {
                    let (again, positions) = self.lines[line].leave(subscriber);
                    self.lines[line].returned.extend(again);
                    writes.push(Write::Settle { line, positions, bury: true, reply: None });
                }
                Command::Take { line, subscriber, prefetch, most, reply } => {
                    self.lines[line].waiting.push_back(Taker { subscriber, prefetch, most, reply });
                }
                Command::Depth { line, reply } => depths.push((line, reply)),
                Command::Ping { reply } => {
                    let alive = self.connection.ping().await.map_err(|error| broken(&error));
                    let _ = reply.send(alive);
                }
                Command::Close { reply } => closing = Some(reply),
            }
        }
        self.write(writes).await;
        for (line, reply) in depths {
            let line = &self.lines[line];
            let _ = reply.send(line.entries.saturating_sub(line.held.len() as u64));
        }
        self.serve().await;
        closing
    }

    /// Deliveries to be settled, where they are in that subscriber's hands.
    fn settle(
        &self,
        line: usize,
        subscriber: u64,
        positions: Vec<i64>,
        bury: bool,
        reply: Settled,
    ) -> Option<Write> {
        if positions.iter().all(|pos| self.lines[line].holds(subscriber, *pos)) {
            return Some(Write::Settle { line, positions, bury, reply: Some(reply) });
        }
        let _ = reply.send(Err(BusError::stranger()));
        None
    }

    pub(super) async fn set_durable(&mut self, durable: bool) -> sqlx::Result<()> {
        if self.durable != durable {
            store::set_durable(&mut self.connection, durable).await?;
            self.durable = durable;
        }
        Ok(())
    }

    async fn prune(&mut self, above: i64) -> Option<i64> {
        let age = self.topology.log_age().unwrap_or_default();
        let pruned = store::prune(&mut self.connection, above, PRUNE_SLICE, age).await;
        pruned.unwrap_or_else(|error| {
            tracing::warn!(%error, "the embedded bus could not prune its log");
            None
        })
    }
}

async fn open_line(
    connection: &mut SqliteConnection,
    topology: &Topology,
    queue: &Queue,
) -> Result<Line, BusError> {
    let (name, arguments) = (topology.full_name(&queue.name), arguments(&queue.keeps));
    let (id, found) = store::queue(connection, &name, &arguments).await.map_err(|error| broken(&error))?;
    if found != arguments {
        return Err(BusError::Topology(format!(
            "queue {name} is in the file with other arguments ({found}, not {arguments}). \
             Give it a new version in its name"
        )));
    }
    let entries = store::count(connection, id).await.map_err(|error| broken(&error))?;
    Ok(Line {
        id,
        name: queue.name.clone(),
        delivery_limit: queue.delivery_limit(),
        dead_letters: matches!(queue.keeps, Keeps::UntilAcked { .. }),
        entries: u64::try_from(entries).unwrap_or(0),
        read_to: 0,
        more: entries > 0,
        returned: Default::default(),
        held: Default::default(),
        waiting: Default::default(),
    })
}

fn arguments(keeps: &Keeps) -> String {
    match keeps {
        Keeps::UntilAcked { delivery_limit } => format!("until acked, delivery limit {delivery_limit}"),
        Keeps::Parked { delivery_limit } => format!("parked, delivery limit {delivery_limit}"),
        Keeps::AsLog { max_age, max_bytes } => {
            format!("log, max age {} s, max bytes {max_bytes}", max_age.as_secs())
        }
    }
}

/// The file failed us.
pub(super) fn broken(error: &sqlx::Error) -> BusError {
    BusError::Away(format!("the embedded bus cannot use its file: {error}"))
}
