//! One global order: dense, never against a stream's own, whoever commits late and whoever numbers.

use shared_runtime::log::{LogError, NewEvent};
use shared_runtime::{Db, execute, fetch_all, fetch_one};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use testkit::core::{World, soon, until};
use testkit::databases::Door;
use tokio::task::JoinSet;
use uuid::Uuid;

testkit::on_both_databases!(
    writers_that_roll_back_and_commit_late_leave_one_dense_order,
    a_reader_with_a_plain_cursor_misses_nothing,
);

const WRITERS: u64 = 6;
const ROUNDS: u64 = 25;
/// Streams that all writers write to.
const SHARED: usize = 3;

struct Scene {
    world: World,
    shared: Vec<Uuid>,
    /// Transactions committed so far, and events in them.
    commits: AtomicU64,
    events: AtomicU64,
    /// Nobody writes any more but those that hold transactions open; nobody writes any more.
    alone: AtomicBool,
    written: AtomicBool,
}

/// Numbers that look random and are the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

impl Scene {
    async fn new(door: Door) -> Arc<Scene> {
        let world = World::new(door).await;
        let shared = (0..SHARED).map(|_| world.id()).collect();
        let (commits, events) = (AtomicU64::new(0), AtomicU64::new(0));
        let (alone, written) = (AtomicBool::new(false), AtomicBool::new(false));
        Arc::new(Scene { world, shared, commits, events, alone, written })
    }

    /// Writes a writer's share. Some transactions are rolled back; some are held open until ten others
    /// have committed, so that their events, numbered by nobody yet, have the smaller ids.
    async fn write(self: Arc<Self>, number: u64) {
        let mut dice = Dice(0x9e37_79b9_7f4a_7c15 ^ (number + 1));
        let own = self.world.id();
        for _ in 0..ROUNDS {
            // Those that hold a stream everybody wants would wait for those that wait for them.
            let holds = number < 2 && dice.below(4) == 0 && self.world.databases.door() == Door::Postgres;
            let stream = match holds || dice.below(2) == 0 {
                true => own,
                false => self.shared[dice.below(SHARED as u64) as usize],
            };
            let mut tx = self.world.db.begin().await.unwrap();
            let sql = "select coalesce(max(version), 0) from events where stream_id = $1";
            let (last,): (i64,) = fetch_one!(tx.conn(), (i64,), sql, stream).unwrap();
            let count = 1 + dice.below(3) as i64;
            let events: Vec<NewEvent> =
                (1..=count).map(|next| self.world.plain(stream, last + next)).collect();
            match self.world.log.append(&mut tx, &events).await {
                Ok(()) => {}
                Err(LogError::Conflict) => {
                    tx.rollback().await.unwrap();
                    continue;
                }
                Err(error) => panic!("{error}"),
            }
            if holds {
                let enough = self.commits.load(SeqCst) + 10;
                let others = || async { self.commits.load(SeqCst) >= enough || self.alone.load(SeqCst) };
                until("ten other commits", others).await;
            }
            if dice.below(5) == 0 {
                tx.rollback().await.unwrap();
            } else {
                tx.commit().await.unwrap();
                self.commits.fetch_add(1, SeqCst);
                self.events.fetch_add(count as u64, SeqCst);
            }
        }
    }

    /// Numbers again and again until all is written and numbered.
    async fn number(self: Arc<Self>) {
        loop {
            let done = self.written.load(SeqCst);
            if self.world.number_once(0).await == Some(0) && done {
                return;
            }
        }
    }

    async fn writers(self: &Arc<Self>) {
        let mut holders = JoinSet::new();
        let mut others = JoinSet::new();
        for number in 0..WRITERS {
            match number < 2 {
                true => holders.spawn(self.clone().write(number)),
                false => others.spawn(self.clone().write(number)),
            };
        }
        others.join_all().await;
        // Nobody is left to wait for.
        self.alone.store(true, SeqCst);
        holders.join_all().await;
        self.written.store(true, SeqCst);
    }

    /// Numbers from here on until nothing is left.
    async fn finish(self: &Arc<Self>) {
        while self.world.number_once(0).await != Some(0) {}
    }
}

async fn writers_that_roll_back_and_commit_late_leave_one_dense_order(door: Door) {
    let scene = Scene::new(door).await;
    // A write that stays open in another database of the server holds nobody up.
    let elsewhere =
        Db::open(&scene.world.databases.url("elsewhere").await, 2, migrations::CORE).await.unwrap();
    let mut held = elsewhere.begin().await.unwrap();
    let sql = "insert into idempotency values ('a', 'p', 'k', $1, 1, $2, 1, $3)";
    execute!(held.conn(), sql, vec![1u8], scene.world.id(), scene.world.clock.now()).unwrap();
    let sequencers: Vec<_> = (0..2).map(|_| tokio::spawn(scene.clone().number())).collect();
    soon("the writers", scene.writers()).await;
    for sequencer in sequencers {
        soon("the sequencers", sequencer).await.unwrap();
    }
    scene.finish().await;
    held.rollback().await.unwrap();

    let committed = scene.events.load(SeqCst) as i64;
    assert!(committed > 100, "{committed}");
    assert_eq!(scene.world.sequence().await, (1..=committed).collect::<Vec<_>>());
    assert_eq!(scene.world.next_seq().await, committed + 1);
    let mut reader = scene.world.db.read().await.unwrap();
    let sql = "select stream_id, version from events order by global_seq";
    in_order_of_streams(&fetch_all!(reader.conn(), (Uuid, i64), sql).unwrap());
}

fn in_order_of_streams(rows: &[(Uuid, i64)]) {
    let mut last: HashMap<Uuid, i64> = HashMap::new();
    for (place, (stream, version)) in rows.iter().enumerate() {
        let last = last.entry(*stream).or_default();
        assert_eq!(*version, *last + 1, "stream {stream} at place {}", place + 1);
        *last = *version;
    }
}

async fn a_reader_with_a_plain_cursor_misses_nothing(door: Door) {
    let scene = Scene::new(door).await;
    let reading = tokio::spawn({
        let scene = scene.clone();
        async move {
            let mut seen: Vec<(i64, Uuid, i64)> = Vec::new();
            loop {
                let done = scene.written.load(SeqCst) && scene.world.unnumbered().await == 0;
                let after = seen.last().map_or(0, |(sequence, _, _)| *sequence);
                let mut reader = scene.world.db.read().await.unwrap();
                let sql = "select global_seq, stream_id, version from events
                            where global_seq > $1 order by global_seq limit 17";
                let rows = fetch_all!(reader.conn(), (i64, Uuid, i64), sql, after).unwrap();
                if rows.is_empty() && done {
                    return seen;
                }
                seen.extend(rows);
            }
        }
    });
    let sequencers: Vec<_> = (0..2).map(|_| tokio::spawn(scene.clone().number())).collect();
    soon("the writers", scene.writers()).await;
    for sequencer in sequencers {
        soon("the sequencers", sequencer).await.unwrap();
    }
    scene.finish().await;
    let seen = soon("the reader", reading).await.unwrap();
    let places: Vec<i64> = seen.iter().map(|(sequence, _, _)| *sequence).collect();
    assert_eq!(places, (1..=scene.events.load(SeqCst) as i64).collect::<Vec<_>>());
    in_order_of_streams(&seen.iter().map(|(_, stream, version)| (*stream, *version)).collect::<Vec<_>>());
}
