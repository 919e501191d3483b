//! What a bus hands out: publishers and subscriptions.

use super::{BusError, Delivery, Message, Published, embedded, rabbit};
use std::time::Duration;

/// Sends windows of messages. Drop it after any failure.
#[derive(Debug)]
pub enum Publisher {
    /// On a connection of its own.
    RabbitMq(rabbit::Publisher),
    /// Into the file.
    Embedded(embedded::Publisher),
}

impl Publisher {
    /// Sends a whole window, then waits until the bus has taken all of it for good, or the deadline
    /// is over. What comes after the first message that was not taken counts as not taken, though some
    /// of it may be on its way: it is sent again, and arrives twice.
    pub async fn publish(&mut self, window: &[Message], deadline: Duration) -> Published {
        match self {
            Publisher::RabbitMq(publisher) => publisher.publish(window, deadline).await,
            Publisher::Embedded(publisher) => publisher.publish(window, deadline).await,
        }
    }
}

/// Receives from one queue. Dropped, all that was not acked goes back to the queue.
#[derive(Debug)]
pub enum Subscription {
    /// On a connection of its own.
    RabbitMq(Box<rabbit::Subscription>),
    /// From the file.
    Embedded(embedded::Subscription),
}

impl Subscription {
    /// Waits for at least one delivery, then takes what is at hand, up to `most`. Never empty. May be
    /// cancelled: nothing is lost, the next call goes on.
    ///
    /// # Errors
    /// Any error: drop the subscription and make a new one.
    pub async fn next(&mut self, most: usize) -> Result<Vec<Delivery>, BusError> {
        match self {
            Subscription::RabbitMq(subscription) => subscription.next(most).await,
            Subscription::Embedded(subscription) => subscription.next(most).await,
        }
    }

    /// Acks exactly these deliveries, and no others that are still in hand. A call that is given up leaves
    /// open whether they were acked: drop the subscription then.
    ///
    /// # Errors
    /// Any error: drop the subscription; the deliveries come again.
    pub async fn ack(&mut self, deliveries: &[Delivery]) -> Result<(), BusError> {
        match self {
            Subscription::RabbitMq(subscription) => subscription.ack(deliveries).await,
            Subscription::Embedded(subscription) => subscription.ack(deliveries).await,
        }
    }

    /// Refuses one delivery for good: it goes to the dead letters under its own routing key. From the
    /// parking queue there is no further way, and it is gone.
    ///
    /// # Errors
    /// Any error: drop the subscription; the delivery comes again.
    pub async fn reject(&mut self, delivery: &Delivery) -> Result<(), BusError> {
        match self {
            Subscription::RabbitMq(subscription) => subscription.reject(delivery).await,
            Subscription::Embedded(subscription) => subscription.reject(delivery).await,
        }
    }
}
