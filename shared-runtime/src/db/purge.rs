//! Making deleted bytes unfindable: a database keeps what was deleted in free pages, dead rows, statistics and its
//! write-ahead log until something else happens to be written there.

use super::Db;
use sqlx::postgres::PgConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, Connection as _, SqlitePool};
use std::path::Path;
use std::time::Duration;

/// How often a log that readers hold is tried to be emptied again, and how long is waited between.
const TRIES: u32 = 50;
const PAUSE: Duration = Duration::from_millis(100);

/// Every table of ours, as a statement that rewrites it.
const TABLES: &str = "select format('vacuum (full, analyze) %I.%I', schemaname, tablename) from pg_tables
                       where schemaname = current_schema() order by tablename";
/// What needs a right that our role may not have, and what is left where it has not.
const FAVOURS: [(&str, &str); 4] = [
    ("vacuum full pg_statistic", "frequent values of columns stay in pg_statistic until autovacuum comes by"),
    ("select pg_switch_wal()", "the present segment of the write-ahead log stays until it is full"),
    (
        "checkpoint",
        "files of rewritten tables and old segments of the write-ahead log stay until the next checkpoint",
    ),
    ("checkpoint", "recycled segments of the write-ahead log stay until they are written over"),
];

impl Db {
    /// Rewrites the database without what was deleted. Each table is locked while it is rewritten; on SQLite all writers
    /// wait. Returns what could not be done, in words: the rest was.
    ///
    /// # Errors
    /// The database is away or has no room for a second copy of its largest table.
    pub async fn purge(&self) -> sqlx::Result<Vec<String>> {
        match self {
            Db::Sqlite { write, .. } => purge_pool(write).await,
            Db::Postgres(pool) => {
                // A connection of its own, since it is told to take its time.
                let mut connection = pool.acquire().await?.detach();
                let purged = purge_postgres(&mut connection).await;
                connection.close().await?;
                purged
            }
        }
    }
}

async fn purge_pool(write: &SqlitePool) -> sqlx::Result<Vec<String>> {
    let mut connection = write.acquire().await?;
    purge_sqlite(&mut connection).await
}

/// Rewrites a SQLite file that nobody has open.
///
/// # Errors
/// As [`Db::purge`].
pub async fn purge_file(path: &Path) -> sqlx::Result<Vec<String>> {
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(false);
    let mut connection = SqliteConnection::connect_with(&options).await?;
    let purged = purge_sqlite(&mut connection).await;
    connection.close().await?;
    purged
}

async fn purge_sqlite(connection: &mut SqliteConnection) -> sqlx::Result<Vec<String>> {
    sqlx::query("vacuum").execute(&mut *connection).await?;
    for _ in 0..TRIES {
        let (busy, _, _): (i64, i64, i64) =
            sqlx::query_as("pragma wal_checkpoint(truncate)").fetch_one(&mut *connection).await?;
        if busy == 0 {
            return Ok(Vec::new());
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(vec!["readers kept the write-ahead log from being emptied: try again".to_owned()])
}

async fn purge_postgres(connection: &mut PgConnection) -> sqlx::Result<Vec<String>> {
    for setting in ["set statement_timeout = 0", "set lock_timeout = 0"] {
        sqlx::query(setting).execute(&mut *connection).await?;
    }
    let statements: Vec<String> = sqlx::query_scalar(TABLES).fetch_all(&mut *connection).await?;
    for statement in statements {
        // Made by the server from its own names.
        sqlx::query(AssertSqlSafe(statement)).execute(&mut *connection).await?;
    }
    let mut left = Vec::new();
    for (favour, otherwise) in FAVOURS {
        if let Err(error) = sqlx::query(favour).execute(&mut *connection).await {
            left.push(format!("{otherwise} ({error})"));
        }
    }
    let (recycles,): (String,) =
        sqlx::query_as("select current_setting('wal_recycle')").fetch_one(connection).await?;
    if recycles == "on" {
        left.push(
            "wal_recycle is on: old segments of the write-ahead log are kept for reuse, with what they hold"
                .to_owned(),
        );
    }
    Ok(left)
}
