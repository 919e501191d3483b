//! Bus to handlers: effect and bookkeeping in one transaction, ack after commit.
//!
//! Deliveries come in batches and are handled in batches: one transaction and one ack for many. A batch
//! that fails is rolled back and handled one by one, so that a single bad message is found. What cannot
//! be handled is parked with its reason, and its neighbours go on. A database that is away is waited
//! for with the deliveries in hand: nothing is sent back to the bus, nothing is acked.

mod parked;

pub use parked::{
    Parked, count as count_parked, drop_about as drop_parked_about, list as list_parked,
    under as parked_under,
};

use crate::bus::{Bus, BusError, Delivery, Subscription};
use crate::db::{Db, Tx, is_transient};
use crate::group::Abort;
use crate::keys::{Keyring, KeysError};
use crate::log::{LogError, open_from_bus};
use crate::retry;
use shared_events::{Envelope, Event, personal};
use std::collections::HashSet;
use std::future::Future;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// How many deliveries are handled in one transaction.
const BATCH: usize = 200;
/// How many deliveries may be on their way to us unacked.
const PREFETCH: u16 = 400;
/// How often a message is tried before it is parked: over some two seconds, so that contention may end.
const TRIES: u32 = 8;
/// How long an event that waits for another is tried before it is parked.
const EARLY_FOR: Duration = Duration::from_secs(60);
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// One event, as a handler gets it.
#[derive(Debug, Clone)]
pub struct Incoming {
    /// The envelope, personal fields opened.
    pub envelope: Envelope,
    /// What happened.
    pub event: Event,
}

/// What a service does with the events of others.
pub trait Handler: Send + Sync + 'static {
    /// The consumer's name, for its parked messages.
    fn name(&self) -> &'static str;

    /// The queue it reads.
    fn queue(&self) -> &'static str;

    /// Whether it wants events of this name. What nobody wants is acked unread.
    fn wants(&self, event_type: &str) -> bool;

    /// Handles the events, in the order of their arrival, in `tx`. Must come to the same rows when
    /// events are repeated or arrive in another order.
    fn handle(
        &self,
        tx: &mut Tx,
        events: &[Incoming],
    ) -> impl Future<Output = Result<(), HandleError>> + Send;

    /// Something was committed.
    fn committed(&self) {}
}

/// Why a handler failed; it carries its own decision.
#[derive(Debug, thiserror::Error)]
pub enum HandleError {
    /// Try again: something was in the way.
    #[error("{0}")]
    Retry(String),
    /// What it builds on has not arrived yet: wait for it, but not for ever.
    #[error("{0}")]
    Early(String),
    /// The database or the keys are away: wait for them, however long.
    #[error("{0}")]
    Away(String),
    /// It will never work: park it.
    #[error("{0}")]
    Dead(String),
}

impl From<sqlx::Error> for HandleError {
    fn from(error: sqlx::Error) -> Self {
        LogError::Db(error).into()
    }
}

impl From<LogError> for HandleError {
    fn from(error: LogError) -> Self {
        match &error {
            LogError::Conflict => HandleError::Retry(error.to_string()),
            LogError::Db(cause) | LogError::Keys(KeysError::Db(cause)) if is_transient(cause) => {
                HandleError::Away(error.to_string())
            }
            _ => HandleError::Dead(error.to_string()),
        }
    }
}

impl From<KeysError> for HandleError {
    fn from(error: KeysError) -> Self {
        LogError::Keys(error).into()
    }
}

impl From<Abort> for HandleError {
    fn from(abort: Abort) -> Self {
        match abort {
            Abort::Conflict => HandleError::Retry(abort.to_string()),
            Abort::Log(error) => error.into(),
        }
    }
}

/// Reads a queue for a handler.
pub struct Consumer<H> {
    /// The database of the handler's effects.
    pub db: Db,
    /// Where the events come from.
    pub bus: Bus,
    /// Opens personal fields; none for a reader that must not.
    pub bus_keys: Option<Keyring>,
    /// Tells when something was parked.
    pub clock: crate::clock::Clock,
    /// What is done with them.
    pub handler: H,
    /// Bus keys that were waited for in vain.
    pub given_up: GivenUp,
}

/// Bus keys that were waited for in vain: of many messages under a lost key the first is waited for, and no other.
#[derive(Debug, Default)]
pub struct GivenUp(Mutex<HashSet<String>>);

impl<H: Handler> Consumer<H> {
    /// Consumes until `stop`; any error of the bus ends it, to be started again from a new connection.
    pub async fn run(&self, stop: &CancellationToken) -> Result<(), BusError> {
        let mut subscription = self.bus.subscribe(self.handler.queue(), PREFETCH).await?;
        loop {
            let deliveries = tokio::select! {
                () = stop.cancelled() => return Ok(()),
                deliveries = subscription.next(BATCH) => deliveries?,
            };
            self.take(&mut subscription, &deliveries, stop).await?;
        }
    }

    async fn take(
        &self,
        subscription: &mut Subscription,
        deliveries: &[Delivery],
        stop: &CancellationToken,
    ) -> Result<(), BusError> {
        let messages: Vec<Message<'_>> =
            deliveries.iter().filter_map(|delivery| self.read(delivery)).collect();
        let whole = messages.iter().map(|message| message.incoming.as_ref().ok().cloned()).collect();
        let whole: Option<Vec<Incoming>> = whole;
        let handled = match whole {
            Some(events) if events.is_empty() => true,
            Some(events) => self.attempt(&events).await.is_ok(),
            None => false,
        };
        if !handled {
            for message in &messages {
                if !self.one(message, stop).await {
                    return Ok(()); // stopping: unacked, so it comes again
                }
            }
        }
        subscription.ack(deliveries).await
    }

    /// Handles one message to an end: done or parked. `false` where `stop` came first.
    async fn one(&self, message: &Message<'_>, stop: &CancellationToken) -> bool {
        let mut pause = retry::between(FIRST_PAUSE, LONGEST_PAUSE);
        let (mut tries, mut waited) = (0, false);
        let begun = Instant::now();
        loop {
            // Opened anew each time: a bus key that was added a moment ago may not have been here before.
            let reopened =
                (tries > 0 || waited).then(|| message.envelope.as_ref().map(|envelope| self.open(envelope)));
            let failure = match reopened.flatten().as_ref().unwrap_or(&message.incoming) {
                Ok(incoming) => match self.attempt(std::slice::from_ref(incoming)).await {
                    Ok(()) => return true,
                    Err(failure) => failure,
                },
                Err(reason) => HandleError::Dead(reason.clone()),
            };
            waited = matches!(failure, HandleError::Early(_));
            let park = match failure {
                HandleError::Dead(_) => true,
                HandleError::Away(_) => false,
                HandleError::Early(_) => begun.elapsed() > EARLY_FOR || self.has_given_up(message),
                HandleError::Retry(_) => {
                    tries += 1;
                    tries >= TRIES
                }
            };
            if park && self.park(message, &failure).await {
                if waited {
                    self.given_up().extend(self.missing_key(message));
                }
                return true;
            }
            tokio::select! {
                () = stop.cancelled() => return false,
                () = tokio::time::sleep(pause.next_delay()) => {}
            }
        }
    }

    async fn attempt(&self, events: &[Incoming]) -> Result<(), HandleError> {
        let mut tx = self.db.begin().await?;
        match self.handler.handle(&mut tx, events).await {
            Ok(()) => {
                tx.commit().await?;
                self.handler.committed();
                Ok(())
            }
            Err(failure) => {
                let _ = tx.rollback().await;
                Err(failure)
            }
        }
    }

    /// The bus key that the message is sealed with and that is not here.
    fn missing_key(&self, message: &Message<'_>) -> Option<String> {
        let data = &message.envelope.as_ref()?.data;
        let key = data.get(personal::MEMBER)?.get("key")?.as_str()?;
        self.bus_keys.as_ref()?.get(key).is_none().then(|| key.to_owned())
    }

    fn has_given_up(&self, message: &Message<'_>) -> bool {
        self.missing_key(message).is_some_and(|key| self.given_up().contains(&key))
    }

    fn given_up(&self) -> std::sync::MutexGuard<'_, HashSet<String>> {
        self.given_up.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn park(&self, message: &Message<'_>, failure: &HandleError) -> bool {
        let reason = failure.to_string();
        let parked = parked::Parking {
            consumer: self.handler.name(),
            id: message.id,
            envelope: message.envelope.as_ref(),
            body: message.body,
            reason: &reason,
            now: self.clock.now(),
        };
        match parked.keep(&self.db).await {
            Ok(()) => {
                tracing::error!(consumer = self.handler.name(), event = %message.id, reason, "message parked");
                true
            }
            Err(error) => {
                tracing::warn!(consumer = self.handler.name(), %error, "cannot park a message; trying again");
                false
            }
        }
    }

    fn open(&self, envelope: &Envelope) -> Result<Incoming, String> {
        let mut opened = envelope.clone();
        open_from_bus(&mut opened, self.bus_keys.as_ref());
        match opened.event(opened.data.clone()) {
            Ok(event) => Ok(Incoming { envelope: opened, event }),
            Err(reason) => Err(reason.to_string()),
        }
    }

    /// Reads a delivery; `None` where the handler does not want it.
    fn read<'d>(&self, delivery: &'d Delivery) -> Option<Message<'d>> {
        let parsed: Result<Envelope, _> = serde_json::from_slice(&delivery.body);
        match parsed {
            Err(_) => Some(Message {
                id: delivery.id.filter(|id| !id.is_nil()).unwrap_or_else(|| named_by_content(&delivery.body)),
                envelope: None,
                body: &delivery.body,
                incoming: Err("the message is no CloudEvents envelope".to_owned()),
            }),
            Ok(envelope) if !self.handler.wants(&envelope.event_type) => None,
            Ok(envelope) => {
                let incoming = self.open(&envelope);
                Some(Message { id: envelope.id, envelope: Some(envelope), body: &delivery.body, incoming })
            }
        }
    }
}

/// An id for bytes that bear none: parked messages are told apart by it.
fn named_by_content(body: &[u8]) -> Uuid {
    Uuid::new_v5(&Uuid::nil(), body)
}

struct Message<'d> {
    id: Uuid,
    envelope: Option<Envelope>,
    body: &'d [u8],
    incoming: Result<Incoming, String>,
}
