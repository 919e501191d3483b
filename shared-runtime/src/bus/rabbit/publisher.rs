//! Publishing: persistent, mandatory, confirmed, and counted from the front.

use super::super::topology::Exchange;
use super::super::{BusError, LONGEST_KEY, Message, Published};
use super::Rabbit;
use super::connect::{away, within};
use super::judge::{Outcome, judge};
use futures_util::FutureExt as _;
use futures_util::future::{join_all, maybe_done};
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Confirmation, Connection, PublisherConfirm};
use shared_events::envelope::CONTENT_TYPE;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

const PERSISTENT: u8 = 2;

/// A connection with one confirm channel.
pub struct Publisher {
    rabbit: Rabbit,
    exchange: String,
    channel: Channel,
    connection: Arc<Connection>,
}

impl fmt::Debug for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publisher").field("exchange", &self.exchange).finish_non_exhaustive()
    }
}

impl Publisher {
    pub(super) async fn start(rabbit: Rabbit, connection: Connection) -> Result<Publisher, BusError> {
        let channel = within(connection.create_channel()).await?;
        within(channel.confirm_select(ConfirmSelectOptions::default())).await?;
        let exchange = rabbit.inner.topology.full_name(Exchange::Events.name());
        Ok(Publisher { rabbit, exchange, channel, connection: Arc::new(connection) })
    }

    pub(in super::super) async fn publish(&mut self, window: &[Message], deadline: Duration) -> Published {
        let end = Instant::now() + deadline;
        let (confirms, unsendable) = self.send(window, end).await;
        let mut outcomes = Vec::with_capacity(confirms.len() + 1);
        for confirm in confirms {
            outcomes.push(settle(confirm, end, deadline).await);
        }
        outcomes.extend(unsendable.map(|error| Outcome::Failed(error.unwrap_or(BusError::Late(deadline)))));
        let published = judge(window, outcomes);
        if matches!(published.failure, Some(BusError::Late(_))) {
            self.rabbit.inner.blocked.remember(&self.connection);
        }
        published
    }

    /// Puts the window on the wire, in order. Stops at what cannot be sent; the inner `None` says that
    /// time ran out.
    async fn send(
        &self,
        window: &[Message],
        end: Instant,
    ) -> (Vec<PublisherConfirm>, Option<Option<BusError>>) {
        let sendable = window.iter().take_while(|message| message.routing_key.len() <= LONGEST_KEY).count();
        let refused = window.get(sendable).map(|message| {
            let reason = format!("its routing key has more than {LONGEST_KEY} bytes");
            Some(BusError::Refused { id: message.id, reason })
        });
        // lapin takes a message's place in the order upon the first poll and then waits for the socket.
        // Polled once each, in order, the whole window is with lapin's writer before the first wait.
        let mut sends: Vec<_> =
            window[..sendable].iter().map(|message| Box::pin(maybe_done(self.send_one(message)))).collect();
        for send in &mut sends {
            let _ = send.as_mut().now_or_never();
        }
        let late = timeout_at(end, join_all(sends.iter_mut().map(|send| send.as_mut()))).await.is_err();
        let mut confirms = Vec::with_capacity(sendable);
        for mut send in sends {
            match send.as_mut().take_output() {
                Some(Ok(confirm)) => confirms.push(confirm),
                Some(Err(error)) => return (confirms, Some(Some(away(&error)))),
                None => return (confirms, Some(None)),
            }
        }
        (confirms, if late { Some(None) } else { refused })
    }

    async fn send_one(&self, message: &Message) -> lapin::Result<PublisherConfirm> {
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        self.channel
            .basic_publish(
                self.exchange.as_str().into(),
                message.routing_key.as_str().into(),
                options,
                &message.body,
                properties(message),
            )
            .await
    }
}

fn properties(message: &Message) -> BasicProperties {
    let mut headers = FieldTable::default();
    if let Some(traceparent) = &message.traceparent {
        // Flat, because a stream drops nested headers.
        headers.insert("traceparent".into(), AMQPValue::LongString(traceparent.as_str().into()));
    }
    BasicProperties::default()
        .with_delivery_mode(PERSISTENT)
        .with_message_id(message.id.to_string().into())
        .with_content_type(CONTENT_TYPE.into())
        .with_headers(headers)
}

/// Waits for one confirm. After the end it only looks: a confirm that did come may carry word of a
/// returned message.
async fn settle(confirm: PublisherConfirm, end: Instant, deadline: Duration) -> Outcome {
    let answer = match timeout_at(end, confirm).await {
        Err(_) => return Outcome::Failed(BusError::Late(deadline)),
        Ok(Err(error)) => return Outcome::Failed(away(&error)),
        Ok(Ok(answer)) => answer,
    };
    let (taken, requested) = (answer.is_ack(), answer != Confirmation::NotRequested);
    let returned = answer
        .take_message()
        .and_then(|message| message.properties.message_id().as_ref().and_then(|id| id.as_str().parse().ok()));
    match (taken, requested) {
        (true, _) => Outcome::Taken { returned },
        (false, true) => Outcome::Nacked { returned },
        (false, false) => Outcome::Failed(BusError::Away("the channel does not confirm".to_owned())),
    }
}
