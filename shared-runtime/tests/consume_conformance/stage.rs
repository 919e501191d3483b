//! A queue, a register that is fed from it, and a handler that fails as told.

use shared_events::{Envelope, Event, Secret, catalogue};
use shared_runtime::bus::topology::INVITES;
use shared_runtime::bus::{Bus, BusError, Message};
use shared_runtime::consume::{Consumer, HandleError, Handler, Incoming, Parked, list_parked};
use shared_runtime::keys::Keyring;
use shared_runtime::{Db, Tx, execute, fetch_all};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use testkit::buses::{Side, TestBus};
use testkit::core::{PATIENCE, World, created, details, moved, soon, until};
use testkit::databases::Door;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub const NAME: &str = "test.register";

/// What happens to an event before it is handled.
#[derive(Clone)]
pub enum Planted {
    Dead,
    Retry(u32),
    Away(u32),
    /// Its statement is refused by the database, which on PostgreSQL spoils the transaction.
    Broken,
}

/// A versioned register: the newest version of each stream.
#[derive(Clone, Default)]
pub struct Register(Arc<Inner>);

pub struct Inner {
    pub planted: Mutex<HashMap<Uuid, Planted>>,
    pub handled: AtomicUsize,
    pub commits: AtomicUsize,
    /// While set, handlers wait at the gate after their effect.
    pub gated: AtomicBool,
    pub waiting: AtomicUsize,
    pub gate: Semaphore,
}

impl Default for Inner {
    fn default() -> Inner {
        Inner {
            planted: Mutex::default(),
            handled: AtomicUsize::new(0),
            commits: AtomicUsize::new(0),
            gated: AtomicBool::new(false),
            waiting: AtomicUsize::new(0),
            gate: Semaphore::new(0),
        }
    }
}

impl std::ops::Deref for Register {
    type Target = Inner;
    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl Register {
    pub fn plant(&self, event: Uuid, what: Planted) {
        self.planted.lock().unwrap().insert(event, what);
    }

    /// What is planted for the event, used up by one.
    fn planted(&self, event: Uuid) -> Option<Planted> {
        let mut planted = self.planted.lock().unwrap();
        match planted.get_mut(&event)? {
            Planted::Retry(0) | Planted::Away(0) => None,
            Planted::Retry(left) | Planted::Away(left) => {
                *left -= 1;
                planted.get(&event).cloned()
            }
            lasting => Some(lasting.clone()),
        }
    }
}

impl Handler for Register {
    fn name(&self) -> &'static str {
        NAME
    }

    fn queue(&self) -> &'static str {
        INVITES
    }

    fn wants(&self, event_type: &str) -> bool {
        matches!(event_type, "InviteOpened" | "PatientCreated" | "Unheard")
    }

    async fn handle(&self, tx: &mut Tx, events: &[Incoming]) -> Result<(), HandleError> {
        for incoming in events {
            self.handled.fetch_add(1, SeqCst);
            let word = match &incoming.event {
                Event::PatientCreated(e) if e.record.personal == Secret::Sealed => {
                    return Err(HandleError::Early("sealed with a key that is not here".to_owned()));
                }
                Event::PatientCreated(e) => e.record.personal.known().map_or("?", |d| d.first_name.as_str()),
                _ => "opened",
            };
            let envelope = &incoming.envelope;
            execute!(
                tx.conn(),
                "insert into register values ($1, $2, $3) on conflict (id) do update
                    set version = excluded.version, word = excluded.word
                  where register.version < excluded.version",
                envelope.subject,
                envelope.streamversion,
                word
            )?;
            match self.planted(envelope.id) {
                Some(Planted::Dead) => return Err(HandleError::Dead("planted: dead".to_owned())),
                Some(Planted::Retry(_)) => return Err(HandleError::Retry("planted: in the way".to_owned())),
                Some(Planted::Away(_)) => return Err(HandleError::Away("planted: away".to_owned())),
                Some(Planted::Broken) => {
                    execute!(tx.conn(), "insert into register values ($1, null, null)", envelope.subject)?;
                }
                None => {}
            }
        }
        if self.gated.load(SeqCst) {
            self.waiting.fetch_add(1, SeqCst);
            self.gate.acquire().await.unwrap().forget();
        }
        Ok(())
    }

    fn committed(&self) {
        self.commits.fetch_add(1, SeqCst);
    }
}

pub struct Stage {
    pub world: World,
    pub test_bus: TestBus,
    pub bus: Bus,
    pub bus_keys: Keyring,
    pub register: Register,
}

pub struct Running {
    pub stop: CancellationToken,
    pub task: JoinHandle<Result<(), BusError>>,
}

impl Running {
    pub async fn stop(self) {
        self.stop.cancel();
        soon("the consumer stops", self.task).await.unwrap().unwrap();
    }

    pub async fn kill(self) {
        self.task.abort();
        assert!(soon("the consumer is gone", self.task).await.is_err());
    }
}

impl Stage {
    pub async fn new(side: Side, door: Door) -> Stage {
        let world = World::new(door).await;
        let test_bus = TestBus::new(side, &world);
        let bus = test_bus.open().await;
        drop(bus.publisher().await.unwrap()); // the queues are there
        Stage { world, test_bus, bus, bus_keys: Keyring::generate("b1"), register: Register::default() }
    }

    pub fn consumer(&self) -> Running {
        self.consumer_on(self.world.db.clone())
    }

    pub fn consumer_on(&self, db: Db) -> Running {
        let consumer = Consumer {
            db,
            bus: self.bus.clone(),
            bus_keys: Some(self.bus_keys.clone()),
            clock: self.world.clock.clone(),
            handler: self.register.clone(),
            given_up: Default::default(),
        };
        let stop = CancellationToken::new();
        let until = stop.clone();
        Running { stop, task: tokio::spawn(async move { consumer.run(&until).await }) }
    }

    /// An event of a stream, as it stands on the bus.
    pub fn said(&self, stream: Uuid, version: i64) -> Envelope {
        self.envelope(stream, version, &moved(stream, self.world.clock.now()))
    }

    pub fn said_of_a_patient(&self, stream: Uuid) -> Envelope {
        let mut envelope = self.envelope(stream, 1, &created(details()));
        let fields = shared_events::personal::split(&mut envelope.data).unwrap();
        let aad = [envelope.id.as_bytes().as_slice(), b"personal"].concat();
        let (key, sealed) = self.bus_keys.seal(&aad, fields.to_string().into_bytes());
        use base64::Engine as _;
        let sealed = base64::engine::general_purpose::STANDARD.encode(sealed);
        let block = serde_json::json!({ "key": key, "sealed": sealed });
        shared_events::personal::join(&mut envelope.data, block);
        envelope
    }

    fn envelope(&self, stream: Uuid, version: i64, event: &Event) -> Envelope {
        let now = self.world.clock.now();
        let kind = event.kind();
        Envelope {
            specversion: "1.0".to_owned(),
            id: self.world.id(),
            source: "/patients".to_owned(),
            event_type: kind.name.to_owned(),
            subject: stream,
            time: now,
            datacontenttype: "application/json".to_owned(),
            dataschema: kind.schema_urn(),
            sequence: 1,
            logid: Uuid::nil(),
            streamversion: version,
            recordedtime: now,
            accountid: "clinic-1".to_owned(),
            traceparent: None,
            correlationid: None,
            causationid: None,
            actor: "staff:1".to_owned(),
            data: event.to_data(),
        }
    }

    pub async fn publish(&self, envelopes: &[Envelope]) {
        let key = catalogue::routing_key("patients", "invite", "InviteOpened", 1);
        let message = |envelope: &Envelope| Message {
            id: envelope.id,
            routing_key: key.clone(),
            body: serde_json::to_vec(envelope).unwrap(),
            traceparent: None,
        };
        self.publish_raw(&envelopes.iter().map(message).collect::<Vec<_>>()).await;
    }

    pub async fn publish_raw(&self, messages: &[Message]) {
        let published = self.bus.publisher().await.unwrap().publish(messages, PATIENCE).await;
        assert!(published.failure.is_none(), "{:?}", published.failure);
    }

    pub async fn rows(&self) -> Vec<(Uuid, i64, String)> {
        let mut reader = self.world.db.read().await.unwrap();
        let sql = "select id, version, word from register order by id";
        fetch_all!(reader.conn(), (Uuid, i64, String), sql).unwrap()
    }

    pub async fn parked(&self) -> Vec<Parked> {
        list_parked(&self.world.db, NAME).await.unwrap()
    }

    pub async fn parked_becomes(&self, expected: usize) {
        until("messages are parked", || async { self.parked().await.len() == expected }).await;
    }

    /// Everything that was published is handled and acked: a marker, published last, was handled, and
    /// after the consumer's end nothing comes again.
    pub async fn drained(&self, consumers: Vec<Running>) {
        until("the queue is empty", || async { self.bus.depth(INVITES).await.unwrap() == 0 }).await;
        for consumer in consumers {
            consumer.stop().await;
        }
        // What was in hand and not acked is back in the queue: one more consumer handles it.
        let marker = self.said(self.world.id(), 1);
        self.publish(std::slice::from_ref(&marker)).await;
        let last = self.consumer();
        until("the marker", || async { self.rows().await.iter().any(|row| row.0 == marker.subject) }).await;
        last.stop().await;
        let mut tx = self.world.db.begin().await.unwrap();
        execute!(tx.conn(), "delete from register where id = $1", marker.subject).unwrap();
        tx.commit().await.unwrap();
    }

    pub async fn end(self) {
        let Stage { test_bus, bus, .. } = self;
        test_bus.end(bus).await;
    }
}
