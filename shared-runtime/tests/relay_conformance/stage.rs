//! A log, a bus, and relays between them that can be stopped at the worst moment.

use shared_events::Envelope;
use shared_runtime::bus::{Bus, Delivery};
use shared_runtime::keys::Keyring;
use shared_runtime::relay::{Relay, RelayError};
use shared_runtime::{Tx, execute};
use testkit::buses::{Side, TestBus};
use testkit::core::{World, soon, until};
use testkit::databases::Door;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub struct Stage {
    pub world: World,
    pub test_bus: TestBus,
    pub bus: Bus,
    pub bus_keys: Keyring,
}

pub struct Running {
    pub stop: CancellationToken,
    pub task: JoinHandle<Result<(), RelayError>>,
}

impl Running {
    pub async fn stop(self) {
        self.stop.cancel();
        soon("the relay stops", self.task).await.unwrap().unwrap();
    }

    /// Ends it as a kill would: nothing is released.
    pub async fn kill(self) {
        self.task.abort();
        assert!(soon("the relay is gone", self.task).await.is_err());
    }

    /// How it ended by itself.
    pub async fn ended(self) -> RelayError {
        soon("the relay ends", self.task).await.unwrap().expect_err("it ends with an error")
    }
}

impl Stage {
    pub async fn new(side: Side, door: Door) -> Stage {
        let world = World::new(door).await;
        let test_bus = TestBus::new(side, &world);
        let bus = test_bus.open().await;
        Stage { world, test_bus, bus, bus_keys: Keyring::generate("b1") }
    }

    pub fn relay(&self) -> Running {
        let relay = Relay {
            db: self.world.db.clone(),
            log: self.world.fresh_log(),
            bus: self.bus.clone(),
            bus_keys: self.bus_keys.clone(),
        };
        let stop = CancellationToken::new();
        let until = stop.clone();
        Running { stop, task: tokio::spawn(async move { relay.run(&until).await }) }
    }

    /// Appends so many events, each in a stream of its own.
    pub async fn append(&self, count: usize) {
        let events: Vec<_> = (0..count).map(|_| self.world.plain(self.world.id(), 1)).collect();
        self.world.append(&events).await.unwrap();
    }

    pub async fn published_becomes(&self, expected: i64) {
        let what = format!("the cursor stands at {expected}");
        until(&what, || async { self.world.published().await == expected }).await;
    }

    pub async fn epoch(&self) -> i64 {
        self.world.number_of("select epoch from relay").await
    }

    pub async fn epoch_becomes(&self, expected: i64) {
        until("another relay works", || async { self.epoch().await == expected }).await;
    }

    /// Appends, and holds a relay up between its publishing and the move of its cursor.
    pub async fn append_and_hold(&self, count: usize) -> Held<'_> {
        if self.world.databases.door() == Door::Postgres {
            for sql in [
                "create or replace function hold() returns trigger language plpgsql as
                 $$ begin perform pg_advisory_xact_lock(9); return null; end $$",
                "create or replace trigger hold before update of published on relay
                 for each statement execute function hold()",
            ] {
                self.world.execute(sql).await;
            }
            let mut tx = self.world.db.begin().await.unwrap();
            execute!(tx.conn(), "select pg_advisory_xact_lock(9)").unwrap();
            self.append(count).await;
            return Held { stage: self, tx, last: count as i64 };
        }
        // SQLite's only writer: had at once after the append, it is had before the relay has published.
        // Should the relay have been faster, once more.
        loop {
            self.append(count).await;
            let tx = self.world.db.begin().await.unwrap();
            let last = self.world.next_seq().await - 1;
            if self.world.published().await <= last - count as i64 {
                return Held { stage: self, tx, last };
            }
            tx.rollback().await.unwrap();
        }
    }

    pub async fn end(self) {
        let Stage { test_bus, bus, .. } = self;
        test_bus.end(bus).await;
    }
}

/// A relay that cannot move its cursor.
pub struct Held<'s> {
    stage: &'s Stage,
    tx: Tx,
    /// The number of the last event.
    pub last: i64,
}

const DEPOSE: &str = "update relay set epoch = epoch + 1, owner = 'another', lease_until = 9000000000000";

impl Held<'_> {
    /// Gives the lease to another, then lets the relay go on.
    pub async fn depose_and_release(mut self) {
        match self.stage.world.databases.door() {
            Door::Sqlite => {
                execute!(self.tx.conn(), DEPOSE).unwrap();
                self.tx.commit().await.unwrap();
            }
            Door::Postgres => {
                let waiters = "select count(*) from pg_locks where locktype = 'advisory' and not granted
                              and database = (select oid from pg_database where datname = current_database())";
                let waits = || async { self.stage.world.number_of(waiters).await == 1 };
                until("the relay wants to move its cursor", waits).await;
                self.stage.world.execute(DEPOSE).await;
                self.tx.commit().await.unwrap();
            }
        }
    }

    pub async fn release(self) {
        self.tx.rollback().await.unwrap();
    }
}

pub fn envelopes(deliveries: &[Delivery]) -> Vec<Envelope> {
    deliveries.iter().map(|delivery| serde_json::from_slice(&delivery.body).unwrap()).collect()
}

pub fn sequences(deliveries: &[Delivery]) -> Vec<i64> {
    envelopes(deliveries).iter().map(|envelope| envelope.sequence).collect()
}
