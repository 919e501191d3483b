//! Somebody with all rights on the database, who takes the triggers away first.

use crate::stage::{World, look, places, ten, write};
use shared_runtime::audit::chain::chain_all;
use shared_runtime::audit::verify::{Broken, Mark};
use shared_runtime::{execute, fetch_one};
use testkit::databases::Door;

testkit::on_both_databases!(
    the_database_itself_refuses_to_change_it,
    every_column_that_is_changed_is_found,
    a_deleted_row_is_found,
    rows_that_change_places_are_found,
    a_row_put_in_between_is_found,
    a_tail_that_is_cut_off_is_found,
    a_tail_that_is_cut_off_with_its_head_is_found_by_a_mark_kept_elsewhere,
    a_chain_made_anew_is_found_by_a_mark_kept_elsewhere,
    a_row_that_cannot_be_read_is_found,
);

const CHAIN_AND_ROWS: [&str; 4] =
    ["audit_keeps_its_content", "audit_keeps_its_chain", "audit_stays", "audit_stays_whole"];

/// Takes the triggers away.
async fn unguarded(door: Door) -> World {
    let world = World::new(door).await;
    for trigger in CHAIN_AND_ROWS {
        let mut tx = world.db.begin().await.unwrap();
        let sql = match (door, trigger) {
            (Door::Sqlite, "audit_stays_whole") => continue,
            (Door::Sqlite, _) => format!("drop trigger {trigger}"),
            (Door::Postgres, _) => format!("drop trigger {trigger} on audit"),
        };
        execute!(tx.conn(), sqlx::AssertSqlSafe(sql.as_str())).unwrap();
        tx.commit().await.unwrap();
    }
    world
}

async fn the_database_itself_refuses_to_change_it(door: Door) {
    let world = World::new(door).await;
    ten(&world).await;
    for sql in [
        "update audit set action = 'patient.nothing' where place = 3",
        "update audit set place = 11 where place = 3",
        "update audit set place = null, hash = null where place = 3",
        "delete from audit where place = 10",
        "delete from audit",
    ] {
        let mut tx = world.db.begin().await.unwrap();
        let refused = execute!(tx.conn(), sql).expect_err(sql);
        assert!(refused.to_string().contains("append-only"), "{sql}: {refused}");
        tx.rollback().await.unwrap();
    }
    assert_eq!(places(&world).await.len(), 10);
}

async fn every_column_that_is_changed_is_found(door: Door) {
    let changes = [
        "account_id = 'clinic-2'",
        "actor = 'staff:8'",
        "role = 'admin'",
        "role = null",
        "action = 'patient.archived'",
        "ids = '[]'",
        "ids = '[\"0190a5c2-7f3e-7c11-9a6e-3d2f1b0c4e5d\"]'",
        "request_id = 'r2'",
        "at = '2020-01-01T00:00:00+00:00'",
        "id = 99",
    ];
    for change in changes {
        let world = unguarded(door).await;
        let before = ten(&world).await;
        let mut tx = world.db.begin().await.unwrap();
        // An identity column says no to a plain update: whoever can drop triggers can copy the row.
        let sql = match (change, door) {
            ("id = 99", Door::Postgres) => "with gone as (delete from audit where place = 4 returning *)
                 insert into audit overriding system value
                 select 99, at, account_id, actor, role, action, ids, request_id, place, hash from gone"
                .to_owned(),
            _ => format!("update audit set {change} where place = 4"),
        };
        assert_eq!(execute!(tx.conn(), sqlx::AssertSqlSafe(sql.as_str())).unwrap(), 1);
        tx.commit().await.unwrap();
        let report = look(&world, None).await;
        assert_eq!((report.broken, report.head.place), (Some(Broken::Changed(4)), 3), "{change}");
        assert_eq!(look(&world, Some(before.head)).await.broken, Some(Broken::Changed(4)));
    }
}

async fn a_deleted_row_is_found(door: Door) {
    for (place, found) in [(1, Broken::Gap(1)), (5, Broken::Gap(5))] {
        let world = unguarded(door).await;
        ten(&world).await;
        let mut tx = world.db.begin().await.unwrap();
        execute!(tx.conn(), "delete from audit where place = $1", place).unwrap();
        tx.commit().await.unwrap();
        assert_eq!(look(&world, None).await.broken, Some(found));
        // Nor does it help to close the gap.
        let mut tx = world.db.begin().await.unwrap();
        for above in place + 1..=10 {
            execute!(tx.conn(), "update audit set place = $1 - 1 where place = $1", above).unwrap();
        }
        execute!(tx.conn(), "update audit_head set place = 9").unwrap();
        tx.commit().await.unwrap();
        assert_eq!(look(&world, None).await.broken, Some(Broken::Changed(place)));
    }
}

async fn rows_that_change_places_are_found(door: Door) {
    let world = unguarded(door).await;
    ten(&world).await;
    for sql in [
        "update audit set place = 0 where place = 4",
        "update audit set place = 4 where place = 7",
        "update audit set place = 7 where place = 0",
    ] {
        world.execute(sql).await;
    }
    assert_eq!(look(&world, None).await.broken, Some(Broken::Changed(4)));
    // Their contents change places, too, each under the hash of the other.
    let world = unguarded(door).await;
    ten(&world).await;
    world.execute("update audit set actor = 'staff:9' where place in (4, 7)").await;
    assert_eq!(look(&world, None).await.broken, Some(Broken::Changed(4)));
}

async fn a_row_put_in_between_is_found(door: Door) {
    for place in [0, -3, 11, 1000] {
        let world = unguarded(door).await;
        ten(&world).await;
        write(&world, 1).await;
        let mut tx = world.db.begin().await.unwrap();
        let sql = "update audit set place = $1, hash = (select hash from audit_head) where place is null";
        execute!(tx.conn(), sql, place).unwrap();
        tx.commit().await.unwrap();
        assert_eq!(look(&world, None).await.broken, Some(Broken::Outside), "{place}");
    }
}

async fn a_tail_that_is_cut_off_is_found(door: Door) {
    let world = unguarded(door).await;
    ten(&world).await;
    world.execute("delete from audit where place > 7").await;
    assert_eq!(look(&world, None).await.broken, Some(Broken::Gap(8)));
    // The head's place alone is not enough to hide it.
    world.execute("update audit_head set place = 7").await;
    assert_eq!(look(&world, None).await.broken, Some(Broken::Head(7)));
}

async fn a_tail_that_is_cut_off_with_its_head_is_found_by_a_mark_kept_elsewhere(door: Door) {
    let world = unguarded(door).await;
    let kept = ten(&world).await.head;
    world.execute("delete from audit where place > 7").await;
    world.execute("update audit_head set place = 7, hash = (select hash from audit where place = 7)").await;
    assert_eq!(look(&world, None).await.broken, None, "within the database nothing tells it");
    assert_eq!(look(&world, Some(kept)).await.broken, Some(Broken::Unexpected(10)));
    // Nor once the chain has grown past the mark again.
    write(&world, 5).await;
    chain_all(&world.db).await.unwrap();
    assert_eq!(look(&world, None).await.broken, None);
    assert_eq!(look(&world, Some(kept)).await.broken, Some(Broken::Unexpected(10)));
}

async fn a_chain_made_anew_is_found_by_a_mark_kept_elsewhere(door: Door) {
    let world = unguarded(door).await;
    let kept = ten(&world).await.head;
    write(&world, 3).await;
    chain_all(&world.db).await.unwrap();
    assert_eq!(look(&world, Some(kept)).await.broken, None, "a mark holds while the chain grows");
    world.execute("update audit set actor = 'staff:8' where place = 4").await;
    world.execute("update audit set place = null, hash = null").await;
    let zeros = match door {
        Door::Postgres => "update audit_head set place = 0, hash = decode(repeat('00', 32), 'hex')",
        Door::Sqlite => "update audit_head set place = 0, hash = zeroblob(32)",
    };
    world.execute(zeros).await;
    chain_all(&world.db).await.unwrap();
    let (rows,): (i64,) = {
        let mut reader = world.db.read().await.unwrap();
        fetch_one!(reader.conn(), (i64,), "select count(*) from audit where place is not null").unwrap()
    };
    assert_eq!((rows, look(&world, None).await.broken), (13, None));
    assert_eq!(look(&world, Some(kept)).await.broken, Some(Broken::Unexpected(10)));
    let later = Mark { place: 14, hash: kept.hash };
    assert_eq!(look(&world, Some(later)).await.broken, Some(Broken::Unexpected(14)));
}

async fn a_row_that_cannot_be_read_is_found(door: Door) {
    let world = unguarded(door).await;
    ten(&world).await;
    let sql = match door {
        Door::Postgres => "update audit set ids = '{\"no\": \"list\"}' where place = 4",
        Door::Sqlite => "update audit set ids = 'no list', at = 'never' where place = 4",
    };
    world.execute(sql).await;
    assert_eq!(look(&world, None).await.broken, Some(Broken::Unreadable(0)));
}
