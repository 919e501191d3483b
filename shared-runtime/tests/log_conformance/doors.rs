//! Opening a database.

use shared_runtime::Db;
use shared_runtime::db::{DbError, OpenError, is_transient, is_unique_violation};
use shared_runtime::{execute, fetch_one};
use testkit::core::World;
use testkit::databases::{Door, TestDatabases};

testkit::on_both_databases!(
    opening_again_changes_nothing,
    a_schema_that_was_changed_after_it_ran_is_refused,
    a_constraint_in_the_way_is_told_from_a_database_that_is_away,
);

async fn opening_again_changes_nothing(door: Door) {
    let world = World::new(door).await;
    world.append(&[world.plain(world.id(), 1)]).await.unwrap();
    let log_id = "select cast(log_id as text) from relay";
    let first = {
        let mut reader = world.db.read().await.unwrap();
        fetch_one!(reader.conn(), (String,), log_id).map(|row| row.0).ok()
    };
    let again = world.open_again().await;
    world.log.found(&again).await.unwrap();
    let mut reader = again.read().await.unwrap();
    assert_eq!(fetch_one!(reader.conn(), (String,), log_id).map(|row| row.0).ok(), first);
    drop(reader);
    again.ping().await.unwrap();
    again.close().await;
    assert_eq!(world.count().await, 1);
}

async fn a_schema_that_was_changed_after_it_ran_is_refused(door: Door) {
    let databases = TestDatabases::new(door).await;
    let url = databases.url("service").await;
    let step = |sql| [shared_runtime::db::Step { number: 1, name: "first", sql }];
    Db::open(&url, 2, &step("create table a (b bigint)")).await.unwrap().close().await;
    let refused = Db::open(&url, 2, &step("create table a (b text)")).await;
    let Err(OpenError::Schema { .. }) = &refused else { panic!("{refused:?}") };
    // A newer copy of the service may be a step ahead: that is no reason not to start.
    let [first] = step("create table a (b bigint)");
    let second = shared_runtime::db::Step { number: 2, name: "second", sql: "create table c (d bigint)" };
    Db::open(&url, 2, &[first, second]).await.unwrap().close().await;
    Db::open(&url, 2, &[first]).await.unwrap().close().await;
}

async fn a_constraint_in_the_way_is_told_from_a_database_that_is_away(door: Door) {
    let world = World::new(door).await;
    let mut tx = world.db.begin().await.unwrap();
    let sql = "insert into register values ($1, 1, 'a')";
    let id = world.id();
    execute!(tx.conn(), sql, id).unwrap();
    let taken = execute!(tx.conn(), sql, id).expect_err("taken");
    assert!(is_unique_violation(&taken) && !is_transient(&taken), "{taken}");
    tx.rollback().await.unwrap();
    world.db.close().await;
    let away = world.db.begin().await.map(drop).expect_err("closed");
    assert!(is_transient(&away), "{away}");
    assert!(!is_transient(&DbError::RowNotFound));
}
