//! The embedded sides of a publisher and a subscription.

use super::super::{BusError, Delivery, Message, Published, Tag};
use super::engine::Command;
use super::{Inbox, closed};
use std::collections::VecDeque;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// Asks the engine to take windows.
#[derive(Debug)]
pub struct Publisher {
    engine: Inbox,
}

impl Publisher {
    pub(super) fn new(engine: Inbox) -> Publisher {
        Publisher { engine }
    }

    pub(in super::super) async fn publish(&mut self, window: &[Message], deadline: Duration) -> Published {
        if window.is_empty() {
            return Published { confirmed: 0, failure: None };
        }
        let window = window.to_vec();
        let answer = timeout(deadline, self.engine.ask(|reply| Command::Publish { window, reply })).await;
        match answer {
            Ok(Ok(published)) => published,
            Ok(Err(error)) => Published { confirmed: 0, failure: Some(error) },
            Err(_) => Published { confirmed: 0, failure: Some(BusError::Late(deadline)) },
        }
    }
}

/// What was handed out, or why nothing was.
pub(super) type Handed = Result<Vec<Delivery>, BusError>;

/// Asks the engine for deliveries of one queue.
#[derive(Debug)]
pub struct Subscription {
    engine: Inbox,
    line: usize,
    number: u64,
    prefetch: u16,
    /// An answer that a cancelled call did not live to see.
    asked: Option<oneshot::Receiver<Handed>>,
    /// Answers beyond what the current call wants.
    ready: VecDeque<Delivery>,
}

impl Subscription {
    pub(super) fn new(engine: Inbox, line: usize, number: u64, prefetch: u16) -> Subscription {
        Subscription { engine, line, number, prefetch, asked: None, ready: VecDeque::new() }
    }

    pub(in super::super) async fn next(&mut self, most: usize) -> Result<Vec<Delivery>, BusError> {
        let most = most.max(1);
        if self.ready.is_empty() {
            let answer = match &mut self.asked {
                Some(answer) => answer,
                none => none.insert(ask(&self.engine, self.line, self.number, self.prefetch, most)?),
            };
            let handed = answer.await;
            self.asked = None;
            self.ready = handed.map_err(|_| closed())??.into();
        }
        let count = most.min(self.ready.len());
        Ok(self.ready.drain(..count).collect())
    }

    pub(in super::super) async fn ack(&mut self, deliveries: &[Delivery]) -> Result<(), BusError> {
        if deliveries.is_empty() {
            return Ok(());
        }
        let positions = deliveries.iter().map(|delivery| self.own(delivery)).collect::<Result<_, _>>()?;
        let (line, subscriber) = (self.line, self.number);
        self.engine.ask(|reply| Command::Ack { line, subscriber, positions, reply }).await?
    }

    pub(in super::super) async fn reject(&mut self, delivery: &Delivery) -> Result<(), BusError> {
        let (line, subscriber, pos) = (self.line, self.number, self.own(delivery)?);
        self.engine.ask(|reply| Command::Reject { line, subscriber, pos, reply }).await?
    }

    fn own(&self, delivery: &Delivery) -> Result<i64, BusError> {
        let Tag { subscription, number } = delivery.tag;
        let pos = i64::try_from(number).ok().filter(|_| subscription == self.number);
        pos.ok_or_else(BusError::stranger)
    }
}

fn ask(
    engine: &Inbox,
    line: usize,
    subscriber: u64,
    prefetch: u16,
    most: usize,
) -> Result<oneshot::Receiver<Handed>, BusError> {
    let (reply, answer) = oneshot::channel();
    engine.send(Command::Take { line, subscriber, prefetch, most, reply })?;
    Ok(answer)
}

impl Drop for Subscription {
    fn drop(&mut self) {
        // Where the engine is gone, so is its memory of what was in hand.
        let _ = self.engine.send(Command::Leave { line: self.line, subscriber: self.number });
    }
}
