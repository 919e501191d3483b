//! One transaction for all that a round writes. Memory follows only what was committed.

use super::super::topology::{Exchange, Topology};
use super::super::{BusError, LONGEST_KEY, Message, Published};
use super::engine::{Engine, Settled, broken};
use super::line::Line;
use super::store;
use sqlx::{Connection as _, SqliteConnection};
use tokio::sync::oneshot;

/// Something to be written.
pub(super) enum Write {
    Publish {
        window: Vec<Message>,
        reply: oneshot::Sender<Published>,
    },
    /// Takes deliveries out of their queue; buried, they go to the dead letters.
    Settle {
        line: usize,
        positions: Vec<i64>,
        bury: bool,
        reply: Option<Settled>,
    },
}

impl Engine {
    pub(super) async fn write(&mut self, mut writes: Vec<Write>) {
        writes.retain(|write| !matches!(write, Write::Settle { positions, .. } if positions.is_empty()));
        if writes.is_empty() {
            return;
        }
        match self.commit(&writes).await {
            Ok(mut done) => {
                for (line, (added, removed)) in self.lines.iter_mut().zip(done.moved) {
                    line.entries = (line.entries + added).saturating_sub(removed);
                    line.more |= added > 0;
                }
                for write in writes {
                    self.done(write, &mut done.published);
                }
            }
            Err(error) => {
                tracing::error!(%error, "the embedded bus could not write");
                for write in writes {
                    self.undone(write, &error);
                }
            }
        }
    }

    async fn commit(&mut self, writes: &[Write]) -> sqlx::Result<Done> {
        // Only publishing promises anything over a power cut. An ack lost to one is a redelivery.
        self.set_durable(writes.iter().any(|write| matches!(write, Write::Publish { .. }))).await?;
        let mut transaction = self.connection.begin().await?;
        let mut round = Round {
            connection: &mut transaction,
            topology: &self.topology,
            lines: &self.lines,
            last_pos: &mut self.last_pos,
            done: Done { moved: vec![(0, 0); self.lines.len()], published: Vec::new() },
        };
        for write in writes {
            match write {
                Write::Publish { window, .. } => round.publish(window).await?,
                Write::Settle { line, positions, bury, .. } => round.settle(*line, positions, *bury).await?,
            }
        }
        let done = round.done;
        transaction.commit().await?;
        Ok(done)
    }

    fn done(&mut self, write: Write, published: &mut Vec<Published>) {
        match write {
            Write::Publish { reply, .. } => {
                let _ = reply.send(published.remove(0));
            }
            Write::Settle { line, positions, reply, .. } => {
                let line = &mut self.lines[line];
                for pos in positions {
                    line.held.remove(&pos);
                }
                if let Some(reply) = reply {
                    let _ = reply.send(Ok(()));
                }
            }
        }
    }

    fn undone(&mut self, write: Write, error: &sqlx::Error) {
        match write {
            Write::Publish { reply, .. } => {
                let _ = reply.send(Published { confirmed: 0, failure: Some(broken(error)) });
            }
            Write::Settle { reply: Some(reply), .. } => {
                let _ = reply.send(Err(broken(error)));
            }
            // Nobody holds these any more: one more delivery than the limit says.
            Write::Settle { line, positions, reply: None, .. } => self.lines[line].returned.extend(positions),
        }
    }
}

/// What a transaction did.
struct Done {
    /// Entries that came and went, per queue.
    moved: Vec<(u64, u64)>,
    /// Answers to publishers, in order.
    published: Vec<Published>,
}

/// A transaction under way.
struct Round<'a> {
    connection: &'a mut SqliteConnection,
    topology: &'a Topology,
    lines: &'a [Line],
    last_pos: &'a mut i64,
    done: Done,
}

impl Round<'_> {
    /// Writes the window up to the first message that cannot be.
    async fn publish(&mut self, window: &[Message]) -> sqlx::Result<()> {
        let mut entries = vec![Vec::new(); self.lines.len()];
        let mut published = Published { confirmed: 0, failure: None };
        for message in window {
            let lines = match self.route(message) {
                Ok(lines) => lines,
                Err(failure) => {
                    published.failure = Some(failure);
                    break;
                }
            };
            let pos = self.next_pos();
            let Message { id, routing_key, body, .. } = message;
            store::add_message(self.connection, pos, *id, routing_key, body).await?;
            lines.into_iter().for_each(|line| entries[line].push(pos));
            published.confirmed += 1;
        }
        self.done.published.push(published);
        self.enter(entries).await
    }

    fn route(&self, message: &Message) -> Result<Vec<usize>, BusError> {
        if message.routing_key.len() > LONGEST_KEY {
            let reason = format!("its routing key has more than {LONGEST_KEY} bytes");
            return Err(BusError::Refused { id: message.id, reason });
        }
        let lines = self.wanted_by(Exchange::Events, &message.routing_key);
        if lines.is_empty() {
            return Err(BusError::Returned { routing_key: message.routing_key.clone() });
        }
        Ok(lines)
    }

    fn wanted_by(&self, exchange: Exchange, routing_key: &str) -> Vec<usize> {
        let queues = self.topology.queues.iter().enumerate();
        queues.filter(|(_, queue)| queue.wants(exchange, routing_key)).map(|(line, _)| line).collect()
    }

    async fn settle(&mut self, number: usize, positions: &[i64], bury: bool) -> sqlx::Result<()> {
        let line = &self.lines[number];
        if bury && line.dead_letters {
            self.bury(line, positions).await?;
        }
        self.done.moved[number].1 += store::remove_entries(self.connection, line.id, positions).await?;
        Ok(())
    }

    async fn bury(&mut self, line: &Line, positions: &[i64]) -> sqlx::Result<()> {
        tracing::warn!(
            queue = line.name,
            messages = positions.len(),
            "messages given up: they are in the parking queue"
        );
        let mut entries = vec![Vec::new(); self.lines.len()];
        for from in positions {
            // It may have gone a moment ago: a caller that gave up its ack and left has acked all the same.
            let Some(routing_key) = store::routing_key(self.connection, line.id, *from).await? else {
                continue;
            };
            let pos = self.next_pos();
            store::copy_message(self.connection, *from, pos, &line.name).await?;
            let graves = self.wanted_by(Exchange::Dead, &routing_key);
            graves.into_iter().for_each(|grave| entries[grave].push(pos));
        }
        self.enter(entries).await
    }

    /// Puts messages into queues. A log has no entries: the messages themselves are it.
    async fn enter(&mut self, entries: Vec<Vec<i64>>) -> sqlx::Result<()> {
        for (number, positions) in entries.into_iter().enumerate() {
            let line = &self.lines[number];
            if positions.is_empty() || line.delivery_limit.is_none() {
                continue;
            }
            store::add_entries(self.connection, line.id, &positions).await?;
            self.done.moved[number].0 += positions.len() as u64;
        }
        Ok(())
    }

    fn next_pos(&mut self) -> i64 {
        *self.last_pos += 1;
        *self.last_pos
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    const PATIENTS: usize = 1;

    fn window(count: u128) -> Vec<Message> {
        let message = |number| Message {
            id: Uuid::from_u128(number),
            routing_key: "invites.invite.InviteIssued.v1".to_owned(),
            body: vec![b'x'; 4000],
            traceparent: None,
        };
        (0..count).map(message).collect()
    }

    async fn publish(engine: &mut Engine, count: u128) -> Published {
        let (reply, answer) = oneshot::channel();
        engine.write(vec![Write::Publish { window: window(count), reply }]).await;
        answer.await.expect("answers")
    }

    async fn limit_pages(engine: &mut Engine, pragma: &'static str) {
        sqlx::raw_sql(pragma).execute(&mut engine.connection).await.expect("limits");
    }

    #[tokio::test]
    async fn a_full_disk_confirms_nothing_and_can_be_recovered_from() {
        let file = std::env::temp_dir().join(format!("pf-bus-full-{}.db", std::process::id()));
        let mut engine = Engine::open(&file, Topology::standard()).await.expect("opens");
        assert_eq!(publish(&mut engine, 3).await.confirmed, 3);

        limit_pages(&mut engine, "pragma max_page_count = 30").await;
        let refused = publish(&mut engine, 100).await;
        assert_eq!(refused.confirmed, 0);
        assert!(matches!(refused.failure, Some(BusError::Away(words)) if words.contains("full")));
        assert_eq!(engine.lines[PATIENTS].entries, 3);

        limit_pages(&mut engine, "pragma max_page_count = 1000000").await;
        assert_eq!(publish(&mut engine, 100).await.confirmed, 100);
        assert_eq!(engine.lines[PATIENTS].entries, 103);
        let written = store::count(&mut engine.connection, engine.lines[PATIENTS].id).await.expect("counts");
        assert_eq!(written, 103);
        std::fs::remove_file(file).expect("removes the file");
    }
}
