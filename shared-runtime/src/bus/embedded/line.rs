//! One queue in memory: who waits, and what is in whose hands.

use super::handles::Handed;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use tokio::sync::oneshot;

/// A subscriber that asked for deliveries.
pub(super) struct Taker {
    pub(super) subscriber: u64,
    pub(super) prefetch: u16,
    pub(super) most: usize,
    pub(super) reply: oneshot::Sender<Handed>,
}

/// A message in somebody's hands.
pub(super) struct Held {
    pub(super) subscriber: u64,
    /// How often it was handed out, this time included.
    pub(super) deliveries: i64,
}

/// One queue.
pub(super) struct Line {
    /// Its id in the file.
    pub(super) id: i64,
    /// Its name without a prefix.
    pub(super) name: String,
    pub(super) delivery_limit: Option<u32>,
    pub(super) dead_letters: bool,
    /// Entries in the file.
    pub(super) entries: u64,
    /// Everything up to here was handed out since the start: it is settled, held or returned.
    pub(super) read_to: i64,
    /// Whether the file may hold entries above `read_to`.
    pub(super) more: bool,
    pub(super) returned: BTreeSet<i64>,
    pub(super) held: BTreeMap<i64, Held>,
    pub(super) waiting: VecDeque<Taker>,
}

impl Line {
    /// How many a taker may have now, and whether there can be any.
    pub(super) fn room(&self, taker: &Taker) -> usize {
        if taker.prefetch == 0 {
            return taker.most;
        }
        let in_hand = self.held.values().filter(|held| held.subscriber == taker.subscriber).count();
        usize::from(taker.prefetch).saturating_sub(in_hand).min(taker.most)
    }

    /// The first taker that has room, where there is something to take.
    pub(super) fn next_taker(&mut self) -> Option<Taker> {
        if !self.more && self.returned.is_empty() {
            return None;
        }
        let position = self.waiting.iter().position(|taker| self.room(taker) > 0)?;
        self.waiting.remove(position)
    }

    /// Whether the subscriber has this one in hand.
    pub(super) fn holds(&self, subscriber: u64, pos: i64) -> bool {
        self.held.get(&pos).is_some_and(|held| held.subscriber == subscriber)
    }

    /// Takes a leaving subscriber's messages out of its hands. Says which of them may come again, and
    /// which came back too often: as on a quorum queue, limit + 1 deliveries are the last.
    pub(super) fn leave(&mut self, subscriber: u64) -> (Vec<i64>, Vec<i64>) {
        self.waiting.retain(|taker| taker.subscriber != subscriber);
        let limit = self.delivery_limit.map_or(i64::MAX, i64::from);
        let (mut again, mut dead) = (Vec::new(), Vec::new());
        for (pos, held) in &self.held {
            if held.subscriber == subscriber {
                if held.deliveries > limit { dead.push(*pos) } else { again.push(*pos) }
            }
        }
        for pos in again.iter().chain(&dead) {
            self.held.remove(pos);
        }
        (again, dead)
    }
}
