//! The register of open invites: whatever order an invite's history arrives in, however often, and
//! however it is cut into batches, it comes to the same rows.

use chrono::{DateTime, Utc};
use patients_service::store::invites::{Told, put};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use shared_runtime::{Db, execute, fetch_all};
use testkit::databases::{Door, TestDatabases};
use uuid::Uuid;

type Row = (Uuid, Uuid, i64, bool, DateTime<Utc>);

/// Histories of up to four invites of two patients: per invite, whether it is open after each event.
fn histories() -> impl Strategy<Value = Vec<Told>> {
    prop::collection::vec(prop::collection::vec(any::<bool>(), 1..6), 1..5).prop_map(|invites| {
        let told = |(invite, pending): (usize, Vec<bool>)| {
            pending.into_iter().enumerate().map(move |(place, pending)| Told {
                invite: Uuid::from_u128(invite as u128 + 1),
                patient: Uuid::from_u128(invite as u128 % 2 + 100),
                account: "clinic-1".to_owned(),
                version: place as i64 + 1,
                pending,
                expires_at: DateTime::UNIX_EPOCH + chrono::TimeDelta::hours(place as i64),
            })
        };
        invites.into_iter().enumerate().flat_map(told).collect()
    })
}

/// A history, the same with repetitions in another order, and where to cut that.
fn deliveries() -> impl Strategy<Value = (Vec<Told>, Vec<Told>, Vec<usize>)> {
    histories().prop_flat_map(|history| {
        let again = prop::collection::vec(prop::sample::select(history.clone()), 0..12);
        let shuffled = again.prop_flat_map({
            let history = history.clone();
            move |again| Just([history.clone(), again].concat()).prop_shuffle()
        });
        (Just(history), shuffled, prop::collection::vec(1..7usize, 40))
    })
}

async fn rows(db: &Db) -> Vec<Row> {
    let mut reader = db.read().await.expect("a reader");
    let sql = "select invite_id, patient_id, version, pending, expires_at from patient_invite order by 1";
    fetch_all!(reader.conn(), Row, sql).expect(sql)
}

async fn arrive(db: &Db, told: &[Told], cuts: &[usize]) {
    let mut tx = db.begin().await.expect("a transaction");
    execute!(tx.conn(), "delete from patient_invite").expect("emptied");
    let (mut rest, mut cuts) = (told, cuts.iter().cycle());
    while !rest.is_empty() {
        let (batch, later) = rest.split_at(rest.len().min(*cuts.next().unwrap_or(&1)));
        put(&mut tx, batch).await.expect("put");
        rest = later;
    }
    tx.commit().await.expect("committed");
}

fn any_arrival_comes_to_the_same_rows(door: Door, cases: u32) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let (databases, db) = runtime.block_on(async {
        let databases = TestDatabases::new(door).await;
        let db = Db::open(&databases.url("patients").await, 4, migrations::PATIENTS).await.expect("opens");
        (databases, db)
    });
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(&deliveries(), |(history, arrival, cuts)| {
        let (plain, other) = runtime.block_on(async {
            arrive(&db, &history, &[1]).await;
            let plain = rows(&db).await;
            arrive(&db, &arrival, &cuts).await;
            (plain, rows(&db).await)
        });
        // The last word on each invite, read off the history itself.
        for (invite, _, version, pending, _) in &plain {
            let last = history.iter().filter(|told| told.invite == *invite).max_by_key(|told| told.version);
            prop_assert_eq!(last.map(|told| (told.version, told.pending)), Some((*version, *pending)));
        }
        prop_assert_eq!(plain, other);
        Ok(())
    });
    runtime.block_on(db.close());
    drop(databases);
    if let Err(failed) = outcome {
        panic!("{failed}");
    }
}

mod postgres {
    #[test]
    fn any_order_with_repetitions_comes_to_the_same_rows() {
        super::any_arrival_comes_to_the_same_rows(super::Door::Postgres, 100);
    }
}

mod sqlite {
    #[test]
    fn any_order_with_repetitions_comes_to_the_same_rows() {
        super::any_arrival_comes_to_the_same_rows(super::Door::Sqlite, 100);
    }
}
