//! Consuming: manual acks, bounded by the prefetch, which is the only back-pressure there is.

use super::super::{BusError, Delivery, Tag};
use super::Rabbit;
use super::connect::{away, within};
use futures_util::{FutureExt as _, StreamExt as _};
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions, BasicRejectOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Connection, Consumer};
use std::collections::BTreeSet;
use std::fmt;

/// A connection with one consumer.
pub struct Subscription {
    rabbit: Rabbit,
    queue: String,
    number: u64,
    /// Tags that were handed out and neither acked nor rejected.
    in_hand: BTreeSet<u64>,
    consumer: Consumer,
    channel: Channel,
    // Last, so that it is closed last: dropped whole, the broker requeues what was not acked.
    _connection: Connection,
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").field("queue", &self.queue).finish_non_exhaustive()
    }
}

impl Subscription {
    pub(super) async fn start(
        rabbit: Rabbit,
        connection: Connection,
        queue: &str,
        prefetch: u16,
        number: u64,
    ) -> Result<Subscription, BusError> {
        let channel = within(connection.create_channel()).await?;
        within(channel.basic_qos(prefetch, BasicQosOptions::default())).await?;
        let full_name = rabbit.inner.topology.full_name(queue);
        let options = BasicConsumeOptions::default();
        let consume = channel.basic_consume(full_name.into(), "".into(), options, FieldTable::default());
        let consumer = within(consume).await?;
        let (queue, in_hand) = (queue.to_owned(), BTreeSet::new());
        Ok(Subscription { rabbit, queue, number, in_hand, consumer, channel, _connection: connection })
    }

    pub(in super::super) async fn next(&mut self, most: usize) -> Result<Vec<Delivery>, BusError> {
        let first = self.consumer.next().await;
        // No await below: a cancelled call must not take deliveries with it.
        let mut batch = vec![self.take(first)?];
        while batch.len() < most {
            match self.consumer.next().now_or_never() {
                Some(delivery) => batch.push(self.take(delivery)?),
                None => break,
            }
        }
        Ok(batch)
    }

    fn take(
        &mut self,
        delivery: Option<lapin::Result<lapin::message::Delivery>>,
    ) -> Result<Delivery, BusError> {
        let delivery = match delivery {
            Some(Ok(delivery)) => delivery,
            Some(Err(error)) => return Err(away(&error)),
            None => return Err(BusError::Away(format!("the broker stopped delivering from {}", self.queue))),
        };
        self.in_hand.insert(delivery.delivery_tag);
        let id = delivery.properties.message_id().as_ref().and_then(|id| id.as_str().parse().ok());
        Ok(Delivery {
            id,
            died_in: self.died_in(&delivery),
            routing_key: delivery.routing_key.as_str().to_owned(),
            redelivered: delivery.redelivered,
            tag: Tag { subscription: self.number, number: delivery.delivery_tag },
            body: delivery.data,
        })
    }

    fn died_in(&self, delivery: &lapin::message::Delivery) -> Option<String> {
        let headers = delivery.properties.headers().as_ref()?;
        match headers.inner().get("x-first-death-queue")? {
            AMQPValue::LongString(name) => {
                let name = name.to_string();
                Some(self.rabbit.inner.topology.plain_name(&name).to_owned())
            }
            _ => None,
        }
    }

    pub(in super::super) async fn ack(&mut self, deliveries: &[Delivery]) -> Result<(), BusError> {
        let tags =
            deliveries.iter().map(|delivery| self.own(delivery)).collect::<Result<BTreeSet<_>, _>>()?;
        let Some(&last) = tags.last() else { return Ok(()) };
        // One frame for many, but only where it covers nothing else that is still in hand.
        if self.in_hand.range(..=last).eq(tags.iter()) {
            return self.ack_up_to(last, true).await;
        }
        for tag in tags {
            self.ack_up_to(tag, false).await?;
        }
        Ok(())
    }

    async fn ack_up_to(&mut self, tag: u64, multiple: bool) -> Result<(), BusError> {
        within(self.channel.basic_ack(tag, BasicAckOptions { multiple })).await?;
        if multiple {
            self.in_hand = self.in_hand.split_off(&(tag + 1));
        } else {
            self.in_hand.remove(&tag);
        }
        Ok(())
    }

    /// `basic.reject` and never `basic.nack`, which would take everything before it along.
    pub(in super::super) async fn reject(&mut self, delivery: &Delivery) -> Result<(), BusError> {
        let tag = self.own(delivery)?;
        within(self.channel.basic_reject(tag, BasicRejectOptions { requeue: false })).await?;
        self.in_hand.remove(&tag);
        Ok(())
    }

    /// Its tag, where it is in this subscription's hands.
    fn own(&self, delivery: &Delivery) -> Result<u64, BusError> {
        let Tag { subscription, number } = delivery.tag;
        let own = subscription == self.number && self.in_hand.contains(&number);
        own.then_some(number).ok_or_else(BusError::stranger)
    }
}
