//! Killed with SIGKILL at any moment, a service on SQLite has every event it had said was committed.

use shared_runtime::keys::{DataKeys, Keyring};
use shared_runtime::log::Log;
use shared_runtime::{Clock, Db, fetch_all};
use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use testkit::core::World;
use testkit::databases::Door;
use uuid::Uuid;

const FOLDER: &str = "PF_TEST_CHILD_LOG_FOLDER";
const ROUNDS: usize = 5;

async fn open(folder: &Path) -> (Db, Log) {
    let url = |name: &str| format!("sqlite:{}", folder.join(name).display());
    let db = Db::open(&url("service.db"), 4, migrations::CORE).await.unwrap();
    let keys = Db::open(&url("keys.db"), 2, migrations::KEYS).await.unwrap();
    let keys = DataKeys::new(keys, Keyring::generate("w1"), Clock::System);
    (db, Log::new("patients", keys, Clock::System))
}

mod sqlite {
    use super::*;

    #[tokio::test]
    async fn what_was_answered_survives_kill_9() {
        let world = World::new(Door::Sqlite).await;
        world.db.close().await;
        world.keys_db.close().await;
        let folder = world.databases.folder();
        let mut printed: Vec<Uuid> = Vec::new();
        for round in 0..ROUNDS {
            let mut child = Command::new(std::env::current_exe().unwrap())
                .args(["killed::sqlite::appends_until_killed", "--exact", "--ignored", "--nocapture"])
                .env(FOLDER, folder)
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
            let said = |line: String| {
                line.strip_prefix("committed ").map(|ids| ids.split(' ').map(parsed).collect::<Vec<_>>())
            };
            // A different number each round; then at once, wherever the child is.
            let mut wanted = 7 + 13 * round;
            while wanted > 0 {
                let line = lines.next().expect("the child works until it is killed").unwrap();
                if let Some(ids) = said(line) {
                    printed.extend(ids);
                    wanted -= 1;
                }
            }
            child.kill().unwrap();
            printed.extend(lines.map_while(Result::ok).filter_map(said).flatten());
            child.wait().unwrap();
            check(folder, &printed).await;
        }
        assert!(printed.len() > 100);
    }

    #[tokio::test]
    #[ignore = "a child, started by another test"]
    async fn appends_until_killed() {
        let Ok(folder) = std::env::var(FOLDER) else { return };
        let (db, log) = open(Path::new(&folder)).await;
        log.found(&db).await.unwrap();
        println!();
        let stream = Clock::System.new_id();
        let world = Appender { stream };
        for first in (1..).step_by(3) {
            let events = world.events(first);
            let mut tx = db.begin().await.unwrap();
            log.append(&mut tx, &events).await.unwrap();
            tx.commit().await.unwrap();
            let ids: Vec<String> = events.iter().map(|event| event.id.to_string()).collect();
            let mut out = std::io::stdout().lock();
            writeln!(out, "committed {}", ids.join(" ")).unwrap();
            out.flush().unwrap();
        }
    }
}

/// A line may be cut short by the kill; what is left of it was not said.
fn parsed(id: &str) -> Uuid {
    id.parse().unwrap_or_default()
}

struct Appender {
    stream: Uuid,
}

impl Appender {
    fn events(&self, first: i64) -> Vec<shared_runtime::log::NewEvent> {
        let clock = Clock::System;
        (first..first + 3)
            .map(|version| shared_runtime::log::NewEvent {
                id: clock.new_id(),
                stream: self.stream,
                version,
                account: shared_events::AccountId::parse("clinic-1").unwrap(),
                key: None,
                occurred_at: clock.now(),
                meta: shared_runtime::log::Meta::default(),
                event: testkit::core::moved(self.stream, clock.now()),
            })
            .collect()
    }
}

async fn check(folder: &Path, printed: &[Uuid]) {
    let (db, _) = open(folder).await;
    let mut reader = db.read().await.unwrap();
    let sql = "select event_id, stream_id, version, global_seq from events order by global_seq";
    let rows = fetch_all!(reader.conn(), (Uuid, Uuid, i64, i64), sql).unwrap();
    let mut last: HashMap<Uuid, i64> = HashMap::new();
    for (place, (_, stream, version, sequence)) in rows.iter().enumerate() {
        assert_eq!(*sequence, place as i64 + 1, "the numbering is dense");
        let last = last.entry(*stream).or_default();
        assert_eq!(*version, *last + 1, "versions are contiguous");
        *last = *version;
    }
    assert!(last.values().all(|version| version % 3 == 0), "a transaction is there whole or not at all");
    let there: std::collections::HashSet<Uuid> = rows.iter().map(|row| row.0).collect();
    let lost: Vec<_> = printed.iter().filter(|id| !id.is_nil() && !there.contains(id)).collect();
    assert!(lost.is_empty(), "answered and lost: {lost:?}");
    drop(reader);
    db.close().await;
}
