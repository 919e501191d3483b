//! Whoever writes, rolls back, commits late or chains: every committed row has one place, and no place is empty.

use crate::stage::{World, entry, look, places, write};
use shared_runtime::audit;
use shared_runtime::audit::chain::{chain_all, chain_once};
use shared_runtime::{execute, fetch_all};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use testkit::core::{soon, until};
use testkit::databases::Door;

testkit::on_both_databases!(
    writers_that_roll_back_and_commit_late_leave_one_dense_chain,
    a_step_that_is_broken_off_leaves_the_chain_as_it_was,
    a_row_that_another_was_caused_by_comes_first,
    more_than_a_batch_is_chained_in_steps,
);

const WRITERS: u64 = 6;
const ROUNDS: u64 = 25;

struct Scene {
    world: World,
    rows: AtomicU64,
    /// Nobody writes any more but those that hold transactions open; nobody writes any more.
    alone: AtomicBool,
    written: AtomicBool,
}

impl Scene {
    /// Writes a writer's share: every fifth transaction is rolled back, and some stay open until ten others
    /// rows are chained, so that theirs have smaller ids than those.
    async fn write(self: Arc<Self>, number: u64) {
        for round in 0..ROUNDS {
            let count = 1 + (number + round) % 3;
            let entries: Vec<_> = (0..count).map(|_| entry("patient.read")).collect();
            let mut tx = self.world.db.begin().await.unwrap();
            audit::write(&mut tx, &entries).await.unwrap();
            let holds =
                number < 2 && round.is_multiple_of(4) && self.world.databases.door() == Door::Postgres;
            if holds {
                let enough = self.world.head().await + 10;
                let others = || async { self.world.head().await >= enough || self.alone.load(SeqCst) };
                until("ten other rows are chained", others).await;
            }
            if (number + round).is_multiple_of(5) {
                tx.rollback().await.unwrap();
            } else {
                tx.commit().await.unwrap();
                self.rows.fetch_add(count, SeqCst);
            }
        }
    }

    /// Chains as a copy of the service of its own, until all is written and chained.
    async fn chain(self: Arc<Self>) {
        let db = self.world.open_again().await;
        loop {
            let done = self.written.load(SeqCst);
            if chain_once(&db).await.unwrap() == 0 && done {
                return db.close().await;
            }
        }
    }
}

async fn writers_that_roll_back_and_commit_late_leave_one_dense_chain(door: Door) {
    let world = World::new(door).await;
    let (alone, written) = (AtomicBool::new(false), AtomicBool::new(false));
    let scene = Arc::new(Scene { world, rows: AtomicU64::new(0), alone, written });
    let chainers: Vec<_> = (0..2).map(|_| tokio::spawn(scene.clone().chain())).collect();
    let mut writers: Vec<_> = (0..WRITERS).map(|number| tokio::spawn(scene.clone().write(number))).collect();
    for writer in writers.split_off(2) {
        soon("the writers", writer).await.unwrap();
    }
    scene.alone.store(true, SeqCst);
    for writer in writers {
        soon("those that held on", writer).await.unwrap();
    }
    scene.written.store(true, SeqCst);
    for chainer in chainers {
        soon("the chainers", chainer).await.unwrap();
    }
    let rows = i64::try_from(scene.rows.load(SeqCst)).unwrap();
    assert!(rows > 150, "{rows}");
    let chained = places(&scene.world).await;
    assert_eq!(chained.iter().map(|(place, _)| *place).collect::<Vec<_>>(), (1..=rows).collect::<Vec<_>>());
    if door == Door::Postgres {
        let late = chained.windows(2).any(|pair| pair[0].1 > pair[1].1);
        assert!(late, "no row was committed late: the test shows less than it should");
    }
    let report = look(&scene.world, None).await;
    assert_eq!((report.head.place, report.waiting, report.broken), (rows, 0, None));
}

async fn a_step_that_is_broken_off_leaves_the_chain_as_it_was(door: Door) {
    let world = World::new(door).await;
    write(&world, 3).await;
    chain_all(&world.db).await.unwrap();
    write(&world, 3).await;
    // What a kill in the middle leaves: the rows were linked, the head was not moved, nothing was committed.
    let broken_off = match door {
        Door::Postgres => {
            "create function fail() returns trigger language plpgsql as $$ begin raise exception 'killed'; end $$"
        }
        Door::Sqlite => {
            "create trigger killed before update on audit_head begin select raise(abort, 'killed'); end"
        }
    };
    world.execute(broken_off).await;
    if door == Door::Postgres {
        world
            .execute("create trigger killed before update on audit_head for each row execute function fail()")
            .await;
    }
    chain_once(&world.db).await.unwrap_err();
    let report = look(&world, None).await;
    assert_eq!((report.head.place, report.waiting, report.broken), (3, 3, None));
    let drop = match door {
        Door::Postgres => "drop trigger killed on audit_head",
        Door::Sqlite => "drop trigger killed",
    };
    world.execute(drop).await;
    assert_eq!(chain_all(&world.db).await.unwrap(), 3);
    let report = look(&world, None).await;
    assert_eq!((report.head.place, report.waiting, report.broken), (6, 0, None));
}

async fn a_row_that_another_was_caused_by_comes_first(door: Door) {
    let world = World::new(door).await;
    for action in ["patient.created", "patient.read", "patient.archived"] {
        let mut tx = world.db.begin().await.unwrap();
        audit::write(&mut tx, &[entry(action)]).await.unwrap();
        tx.commit().await.unwrap();
    }
    chain_all(&world.db).await.unwrap();
    let mut reader = world.db.read().await.unwrap();
    let actions = fetch_all!(reader.conn(), (String,), "select action from audit order by place").unwrap();
    let actions: Vec<&str> = actions.iter().map(|(action,)| action.as_str()).collect();
    assert_eq!(actions, ["patient.created", "patient.read", "patient.archived"]);
}

async fn more_than_a_batch_is_chained_in_steps(door: Door) {
    let world = World::new(door).await;
    write(&world, 1001).await;
    assert_eq!(chain_once(&world.db).await.unwrap(), 1000);
    assert_eq!(chain_once(&world.db).await.unwrap(), 1);
    assert_eq!(chain_once(&world.db).await.unwrap(), 0);
    assert_eq!(look(&world, None).await.head.place, 1001);
    let mut tx = world.db.begin().await.unwrap();
    let changed = execute!(tx.conn(), "update audit set actor = 'staff:8'");
    assert!(changed.unwrap_err().to_string().contains("append-only"));
}
