//! A service's core without a service: a log on a database of the test's own, and events to put in it.

use crate::databases::{Door, TestDatabases};
use chrono::{DateTime, Utc};
use migrations::{CORE, KEYS};
use shared_events::invite::{Channel, InviteFacts, InviteMoved, InviteStatus};
use shared_events::patient::{
    Origin, PatientCreated, PatientDetails, PatientRecord, PatientStatus, PatientUpdated,
};
use shared_events::{AccountId, Event, Secret};
use shared_runtime::db::Step;
use shared_runtime::keys::{DataKeys, Keyring};
use shared_runtime::log::{Log, LogError, Meta, NewEvent};
use shared_runtime::{Clock, Db, execute, fetch_all, fetch_one};
use std::future::Future;
use std::time::Duration;
use uuid::Uuid;

/// Far beyond what anything in a test takes.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Tables for the effects of a test's handlers and desks.
const EFFECTS: &[Step] = &[Step {
    number: 9001,
    name: "tables of the tests",
    sql: "create table register (id {uuid} primary key, version bigint not null, word text not null);
          create table notes (word text not null);",
}];

/// A log and what it stands on.
pub struct World {
    /// The service's database: the core's tables, `register (id, version, word)` and `notes (word)`.
    pub db: Db,
    /// Its database of keys.
    pub keys_db: Db,
    /// The log of `patients`.
    pub log: Log,
    /// The keys that wrap the keys of persons.
    pub wrapping: Keyring,
    /// The machine's clock.
    pub clock: Clock,
    /// Last, so that they are removed last.
    pub databases: TestDatabases,
}

impl World {
    /// A new one.
    pub async fn new(door: Door) -> World {
        let databases = TestDatabases::new(door).await;
        let db = open(&databases.url("service").await).await;
        let keys_db = Db::open(&databases.url("keys").await, 4, KEYS).await.expect("the keys open");
        let (wrapping, clock) = (Keyring::generate("w1"), Clock::System);
        let keys = DataKeys::new(keys_db.clone(), wrapping.clone(), clock.clone());
        let log = Log::new("patients", keys, clock.clone());
        log.found(&db).await.expect("the log is founded");
        World { db, keys_db, log, wrapping, clock, databases }
    }

    /// The same log with nothing remembered, as another copy of the service has it.
    pub fn fresh_log(&self) -> Log {
        let keys = DataKeys::new(self.keys_db.clone(), self.wrapping.clone(), self.clock.clone());
        Log::new("patients", keys, self.clock.clone())
    }

    /// Another pool of connections to the service's database.
    pub async fn open_again(&self) -> Db {
        open(&self.databases.url("service").await).await
    }

    /// Appends in a transaction of their own.
    pub async fn append(&self, events: &[NewEvent]) -> Result<(), LogError> {
        let mut tx = self.db.begin().await?;
        match self.log.append(&mut tx, events).await {
            Ok(()) => Ok(tx.commit().await?),
            Err(error) => {
                tx.rollback().await?;
                Err(error)
            }
        }
    }

    /// How many events there are.
    pub async fn count(&self) -> i64 {
        self.number_of("select count(*) from events").await
    }

    /// How many events wait for their place in the global order.
    pub async fn unnumbered(&self) -> i64 {
        self.number_of("select count(*) from events where global_seq is null").await
    }

    /// The next place in the global order.
    pub async fn next_seq(&self) -> i64 {
        self.number_of("select next_seq from relay").await
    }

    /// Where the relay's cursor stands.
    pub async fn published(&self) -> i64 {
        self.number_of("select published from relay").await
    }

    /// The first column of the only row.
    pub async fn number_of(&self, sql: &'static str) -> i64 {
        let mut reader = self.db.read().await.expect("a reader");
        fetch_one!(reader.conn(), (i64,), sql).expect(sql).0
    }

    /// Runs one statement in a transaction of its own.
    pub async fn execute(&self, sql: &'static str) {
        let mut tx = self.db.begin().await.expect("a transaction");
        execute!(tx.conn(), sql).expect(sql);
        tx.commit().await.expect("committed");
    }

    /// The places given out, ascending.
    pub async fn sequence(&self) -> Vec<i64> {
        let mut reader = self.db.read().await.expect("a reader");
        let sql = "select global_seq from events where global_seq is not null order by global_seq";
        let rows = fetch_all!(reader.conn(), (i64,), sql).expect(sql);
        rows.into_iter().map(|(place,)| place).collect()
    }

    /// Numbers one batch under this epoch; `None` where the epoch has passed.
    pub async fn number_once(&self, epoch: i64) -> Option<u64> {
        let mut tx = self.db.begin().await.expect("a transaction");
        let numbered = self.log.number(&mut tx, epoch).await.expect("numbered");
        tx.commit().await.expect("committed");
        numbered
    }

    /// Numbers all there is.
    pub async fn number_all(&self, epoch: i64) {
        while self.number_once(epoch).await.is_some_and(|numbered| numbered > 0) {}
    }

    /// A plain event with nothing personal in it.
    pub fn plain(&self, stream: Uuid, version: i64) -> NewEvent {
        self.event(stream, version, None, moved(stream, self.clock.now()))
    }

    /// A patient's first event, sealed with a key of its own.
    pub async fn patient(&self, stream: Uuid, details: PatientDetails) -> NewEvent {
        let key = self.log.keys().take(1).await.expect("a key")[0].id;
        self.event(stream, 1, Some(key), created(details))
    }

    /// Any event.
    pub fn event(&self, stream: Uuid, version: i64, key: Option<Uuid>, event: Event) -> NewEvent {
        NewEvent {
            id: self.clock.new_id(),
            stream,
            version,
            account: AccountId::parse("clinic-1").expect("an id"),
            key,
            occurred_at: self.clock.now(),
            meta: Meta { actor: "staff:1".to_owned(), ..Meta::default() },
            event,
        }
    }

    /// A new identity.
    pub fn id(&self) -> Uuid {
        self.clock.new_id()
    }
}

async fn open(url: &str) -> Db {
    Db::open(url, 12, &[CORE, EFFECTS].concat()).await.expect("the database opens")
}

/// An event about an invite, nothing personal in it.
pub fn moved(patient: Uuid, at: DateTime<Utc>) -> Event {
    Event::InviteOpened(InviteMoved {
        invite: InviteFacts {
            patient_id: patient,
            provider_id: "dr-1".to_owned(),
            status: InviteStatus::Pending,
            issue_no: 1,
            issued_at: at,
            expires_at: at,
            channel: Channel::Email,
            import_id: None,
        },
    })
}

/// A patient was put on record.
pub fn created(details: PatientDetails) -> Event {
    Event::PatientCreated(PatientCreated { record: record(details), origin: Origin::Staff, import_id: None })
}

/// A patient was changed; `changed` may be as large as wanted.
pub fn updated(details: PatientDetails, changed: Vec<String>) -> Event {
    Event::PatientUpdated(PatientUpdated {
        record: record(details),
        changed,
        reissue_invites: false,
        reissue_from: 0,
        import_id: None,
    })
}

fn record(details: PatientDetails) -> PatientRecord {
    PatientRecord {
        status: PatientStatus::Pending,
        clinician_id: None,
        preferred_language: None,
        incomplete: false,
        user_id: None,
        invites_void_before: 0,
        personal: Secret::Known(details),
    }
}

/// Details in which every personal field holds a word that can be searched for.
pub fn details() -> PatientDetails {
    PatientDetails {
        email: "findme-email@example.org".to_owned(),
        first_name: "findme-first".to_owned(),
        last_name: "findme-last".to_owned(),
        phone: Some("findme-phone".to_owned()),
        date_of_birth: chrono::NaiveDate::from_ymd_opt(1987, 6, 5),
        notes: Some("findme-notes".to_owned()),
        external_id: Some("findme-external".to_owned()),
        clinician_name: Some("findme-clinician".to_owned()),
    }
}

/// Waits until `look` says true; `what` is said when it never does.
///
/// # Panics
/// After [`PATIENCE`].
pub async fn until<F: Future<Output = bool>>(what: &str, mut look: impl FnMut() -> F) {
    let looking = async {
        while !look().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, looking).await.is_ok(), "never happened: {what}");
}

/// Waits for `work`, within [`PATIENCE`].
///
/// # Panics
/// When it takes longer.
pub async fn soon<T>(what: &str, work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work).await.unwrap_or_else(|_| panic!("took too long: {what}"))
}
