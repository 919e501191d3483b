//! Whether anything in a database changed.

use shared_runtime::{Db, Tx, fetch_all, fetch_one};
use sqlx::AssertSqlSafe;
use std::collections::BTreeMap;

/// What a database holds: for each table, how many rows and what they add up to.
pub type State = BTreeMap<String, (i64, String)>;

/// The state of every table, `but` these.
///
/// # Panics
/// When the database cannot be read.
pub async fn state(db: &Db, but: &[&str]) -> State {
    // In a transaction that may write: on SQLite that is the one connection that does, and it counts what it did.
    let mut tx = db.begin().await.expect("a transaction");
    let names = names(&mut tx).await;
    let mut state = State::new();
    for name in names.into_iter().filter(|name| !but.contains(&name.as_str())) {
        let rows = rows(&mut tx, &name).await;
        state.insert(name, rows);
    }
    tx.rollback().await.expect("rolled back");
    state
}

async fn names(tx: &mut Tx) -> Vec<String> {
    let sql = match tx {
        Tx::Postgres(_) => {
            "select table_name::text from information_schema.tables where table_schema = current_schema()"
        }
        Tx::Sqlite(_) => "select name from sqlite_schema where type = 'table' and name not like 'sqlite_%'",
    };
    let names: Vec<(String,)> = fetch_all!(tx.conn(), (String,), sql).expect("tables");
    names.into_iter().map(|(name,)| name).collect()
}

async fn rows(tx: &mut Tx, table: &str) -> (i64, String) {
    let columns = match tx {
        Tx::Postgres(_) => "md5(coalesce(string_agg(t::text, '|' order by t::text), ''))".to_owned(),
        Tx::Sqlite(_) => {
            let sql = "select group_concat('quote(' || name || ')', ' || ') from pragma_table_info($1)";
            let (all,): (String,) = fetch_one!(tx.conn(), (String,), sql, table).expect("columns");
            format!("coalesce(group_concat({all}, '|' order by {all}), '')")
        }
    };
    let sql = format!("select count(*), {columns} from {table} t");
    fetch_one!(tx.conn(), (i64, String), AssertSqlSafe(sql.as_str())).expect("rows")
}
