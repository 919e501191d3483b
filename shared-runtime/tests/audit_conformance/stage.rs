//! Rows to write, and the chain to look at.

use shared_events::AccountId;
use shared_runtime::audit::chain::chain_all;
use shared_runtime::audit::verify::{Mark, Report, verify};
use shared_runtime::audit::{self, Asked, Entry};
use shared_runtime::fetch_all;
use shared_runtime::{Clock, Db, execute, fetch_one};
use testkit::databases::{Door, TestDatabases};
use uuid::Uuid;

/// A database with an audit.
pub struct World {
    pub db: Db,
    pub databases: TestDatabases,
}

impl World {
    pub async fn new(door: Door) -> World {
        let databases = TestDatabases::in_schemas(door).await;
        World { db: open(&databases).await, databases }
    }

    /// Another pool, as another copy of the service has.
    pub async fn open_again(&self) -> Db {
        open(&self.databases).await
    }

    /// Runs one statement in a transaction of its own.
    pub async fn execute(&self, sql: &'static str) {
        let mut tx = self.db.begin().await.unwrap();
        execute!(tx.conn(), sql).expect(sql);
        tx.commit().await.unwrap();
    }

    /// How far the chain has come.
    pub async fn head(&self) -> i64 {
        let mut reader = self.db.read().await.unwrap();
        fetch_one!(reader.conn(), (i64,), "select place from audit_head").unwrap().0
    }
}

async fn open(databases: &TestDatabases) -> Db {
    Db::open(&databases.url("service").await, 10, migrations::CORE).await.unwrap()
}

/// A row like any other.
pub fn entry(action: &str) -> Entry {
    Entry {
        at: Clock::System.now(),
        account: AccountId::parse("clinic-1").unwrap(),
        actor: "staff:7".to_owned(),
        asked: Asked { request_id: "r1".to_owned(), role: Some("staff".to_owned()) },
        action: action.to_owned(),
        ids: (0..2).map(|_| -> Uuid { Clock::System.new_id() }).collect(),
    }
}

pub async fn write(world: &World, count: usize) {
    let entries: Vec<Entry> = (0..count).map(|_| entry("patient.read")).collect();
    let mut tx = world.db.begin().await.unwrap();
    audit::write(&mut tx, &entries).await.unwrap();
    tx.commit().await.unwrap();
}

/// Ten rows, chained.
pub async fn ten(world: &World) -> Report {
    write(world, 10).await;
    assert_eq!(chain_all(&world.db).await.unwrap(), 10);
    let report = look(world, None).await;
    assert_eq!((report.head.place, report.waiting, &report.broken), (10, 0, &None));
    report
}

pub async fn look(world: &World, expected: Option<Mark>) -> Report {
    verify(&world.db, expected).await.unwrap()
}

/// Places and ids of the rows, in the order of the chain.
pub async fn places(world: &World) -> Vec<(i64, i64)> {
    let mut reader = world.db.read().await.unwrap();
    let sql = "select place, id from audit where place is not null order by place";
    fetch_all!(reader.conn(), (i64, i64), sql).unwrap()
}
