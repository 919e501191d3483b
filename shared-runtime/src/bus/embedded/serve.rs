//! Handing out.

use super::super::{Delivery, Tag};
use super::engine::{Engine, broken};
use super::line::{Held, Taker};
use super::store::{self, Row};

impl Engine {
    /// Gives every waiting subscriber what there is for it.
    pub(super) async fn serve(&mut self) {
        for line in 0..self.lines.len() {
            while let Some(taker) = self.lines[line].next_taker() {
                match self.read(line, &taker).await {
                    Ok(rows) if rows.is_empty() => self.lines[line].waiting.push_front(taker),
                    Ok(rows) => self.hand_out(line, taker, rows),
                    Err(error) => {
                        tracing::error!(%error, "the embedded bus could not read");
                        let _ = taker.reply.send(Err(broken(&error)));
                    }
                }
            }
        }
    }

    /// What came back goes first: it is older than all that was not yet read.
    async fn read(&mut self, line: usize, taker: &Taker) -> sqlx::Result<Vec<Row>> {
        self.set_durable(false).await?;
        let line = &mut self.lines[line];
        let room = line.room(taker);
        let back: Vec<i64> = line.returned.iter().copied().take(room).collect();
        let (mut rows, mut more) = (Vec::new(), line.more);
        if !back.is_empty() {
            rows = store::read_these(&mut self.connection, line.id, &back).await?;
        }
        let wanted = room.saturating_sub(back.len());
        if line.more && wanted > 0 {
            let fresh = store::read_above(&mut self.connection, line.id, line.read_to, wanted).await?;
            more = fresh.len() == wanted;
            rows.extend(fresh);
        }
        let positions: Vec<i64> = rows.iter().map(|row| row.pos).collect();
        if !positions.is_empty() {
            store::count_delivery(&mut self.connection, line.id, &positions).await?;
        }
        // Only now: an error above leaves everything where it was.
        line.more = more;
        for pos in back {
            line.returned.remove(&pos);
        }
        Ok(rows)
    }

    fn hand_out(&mut self, line: usize, taker: Taker, rows: Vec<Row>) {
        let line = &mut self.lines[line];
        let mut deliveries = Vec::with_capacity(rows.len());
        for row in rows {
            line.read_to = line.read_to.max(row.pos);
            let held = Held { subscriber: taker.subscriber, deliveries: row.deliveries + 1 };
            line.held.insert(row.pos, held);
            let tag = Tag { subscription: taker.subscriber, number: row.pos.unsigned_abs() };
            deliveries.push(Delivery {
                id: row.id,
                routing_key: row.routing_key,
                body: row.body,
                redelivered: row.deliveries > 0,
                died_in: row.died_in,
                tag,
            });
        }
        // Where the subscriber is gone meanwhile, its leave is in the inbox and takes them back.
        let _ = taker.reply.send(Ok(deliveries));
    }
}
