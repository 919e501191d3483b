//! The database door: PostgreSQL or SQLite, chosen by one URL. Each query stands once, see [`crate::on!`].
//!
//! | URL | side |
//! |---|---|
//! | `postgres://…` | PostgreSQL 15 or newer |
//! | `sqlite:PATH` | a file; WAL, `synchronous=FULL`, one writer |

mod bulk;
mod errors;
mod migrate;
mod purge;

pub use bulk::{Column, Rows};
pub use errors::{is_transient, is_unique_violation};
pub use migrate::Step;
pub use purge::purge_file;
/// What a driver says when a query fails. Rooms that hold no SQL name it by this.
pub use sqlx::Error as DbError;

use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions, Postgres};
use sqlx::sqlite::{
    Sqlite, SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use sqlx::{Connection as _, Transaction, pool::PoolConnection};
use std::str::FromStr;
use std::time::Duration;

/// A service's database.
#[derive(Debug, Clone)]
pub enum Db {
    /// A pool of connections to a server.
    Postgres(PgPool),
    /// A file. One connection writes, several read.
    Sqlite {
        /// The only connection that writes: SQLite has one writer, so waiting happens here, in order.
        write: SqlitePool,
        /// Connections that read the last committed state while the writer writes.
        read: SqlitePool,
    },
}

/// A transaction. Dropped without [`Tx::commit`], it leaves nothing.
#[derive(Debug)]
pub enum Tx {
    /// READ COMMITTED.
    Postgres(Transaction<'static, Postgres>),
    /// BEGIN IMMEDIATE: what is read in it cannot change before it writes.
    Sqlite(Transaction<'static, Sqlite>),
}

/// A connection for reading outside a transaction.
#[derive(Debug)]
pub enum Reader {
    /// From the pool.
    Postgres(PoolConnection<Postgres>),
    /// From the readers.
    Sqlite(PoolConnection<Sqlite>),
}

/// What a query runs on: a transaction's connection or a reader's.
#[derive(Debug)]
pub enum Conn<'c> {
    /// To a server.
    Postgres(&'c mut PgConnection),
    /// To a file.
    Sqlite(&'c mut SqliteConnection),
}

/// Runs one query text on whichever database it is.
///
/// The body is expanded once for each side, so it must compile for both: `$1` placeholders, `i64`,
/// `Uuid`, `DateTime<Utc>`, `Json<T>`, `NaiveDate` and `bool` do.
#[macro_export]
macro_rules! on {
    ($conn:expr, |$c:ident| $body:expr) => {
        match $conn {
            $crate::db::Conn::Postgres($c) => $body,
            $crate::db::Conn::Sqlite($c) => $body,
        }
    };
}

/// Executes a statement with its values bound in order; gives how many rows it touched.
#[macro_export]
macro_rules! execute {
    ($conn:expr, $sql:expr $(, $value:expr)* $(,)?) => {
        $crate::on!($conn, |c| sqlx::query($sql)$(.bind($value))*.execute(c).await.map(|done| done.rows_affected()))
    };
}

/// Fetches every row of a query, its values bound in order, as `$row`.
#[macro_export]
macro_rules! fetch_all {
    ($conn:expr, $row:ty, $sql:expr $(, $value:expr)* $(,)?) => {
        $crate::on!($conn, |c| sqlx::query_as::<_, $row>($sql)$(.bind($value))*.fetch_all(c).await)
    };
}

/// Fetches the row of a query that has one or none.
#[macro_export]
macro_rules! fetch_optional {
    ($conn:expr, $row:ty, $sql:expr $(, $value:expr)* $(,)?) => {
        $crate::on!($conn, |c| sqlx::query_as::<_, $row>($sql)$(.bind($value))*.fetch_optional(c).await)
    };
}

/// Fetches the row of a query that always has one.
#[macro_export]
macro_rules! fetch_one {
    ($conn:expr, $row:ty, $sql:expr $(, $value:expr)* $(,)?) => {
        $crate::on!($conn, |c| sqlx::query_as::<_, $row>($sql)$(.bind($value))*.fetch_one(c).await)
    };
}

/// `query_as` over a list of ids: `$head` ends with the column's name, `$tail` follows the list. The
/// list is parameter `$1`; what else is bound follows as `$2` and on.
///
/// PostgreSQL takes an array; SQLite has none and takes the ids as a JSON list of hex words.
#[macro_export]
macro_rules! fetch_by_ids {
    ($conn:expr, $row:ty, $ids:expr, $head:literal, $tail:literal $(, $value:expr)* $(,)?) => {
        match $conn {
            $crate::db::Conn::Postgres(c) => {
                sqlx::query_as::<_, $row>(concat!($head, " = any($1) ", $tail))
                    .bind($ids.to_vec())
                    $(.bind($value))*
                    .fetch_all(c)
                    .await
            }
            $crate::db::Conn::Sqlite(c) => {
                sqlx::query_as::<_, $row>(concat!(
                    $head,
                    " in (select unhex(value) from json_each($1)) ",
                    $tail
                ))
                .bind($crate::db::hex_list($ids))
                $(.bind($value))*
                .fetch_all(c)
                .await
            }
        }
    };
}

/// `query_as` over a list of texts, as [`fetch_by_ids!`] does for ids. What else is bound follows as
/// `$2` and on.
#[macro_export]
macro_rules! fetch_by_texts {
    ($conn:expr, $row:ty, $texts:expr, $head:literal, $tail:literal $(, $value:expr)* $(,)?) => {
        match $conn {
            $crate::db::Conn::Postgres(c) => {
                sqlx::query_as::<_, $row>(concat!($head, " = any($1) ", $tail))
                    .bind($texts.to_vec())
                    $(.bind($value))*
                    .fetch_all(c)
                    .await
            }
            $crate::db::Conn::Sqlite(c) => {
                sqlx::query_as::<_, $row>(concat!($head, " in (select value from json_each($1)) ", $tail))
                    .bind(sqlx::types::Json($texts.to_vec()))
                    $(.bind($value))*
                    .fetch_all(c)
                    .await
            }
        }
    };
}

/// Ids as the JSON list that SQLite's side of [`fetch_by_ids!`] reads.
pub fn hex_list(ids: &[uuid::Uuid]) -> String {
    let words: Vec<String> = ids.iter().map(|id| format!("\"{}\"", id.simple())).collect();
    format!("[{}]", words.join(","))
}

/// Why a database could not be opened, in words for the person who starts the service.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Neither `postgres://` nor `sqlite:`.
    #[error("{0:?} is no database URL: use postgres://USER@HOST/NAME or sqlite:PATH")]
    Url(String),
    /// It cannot be reached, or refuses us.
    #[error("cannot open the database at {shown}: {cause}")]
    Unreachable {
        /// The URL without its password.
        shown: String,
        /// What the driver said.
        cause: sqlx::Error,
    },
    /// Its schema cannot be brought up to date.
    #[error("cannot bring the schema of {shown} up to date: {cause}")]
    Schema {
        /// The URL without its password.
        shown: String,
        /// What the migrator said.
        cause: sqlx::migrate::MigrateError,
    },
}

/// How long a connection may take.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// How long closing may take: a connection that is stuck must not keep a service from stopping.
const CLOSE_WITHIN: Duration = Duration::from_secs(5);
/// What every connection to a server is told. Times are in milliseconds.
const SETTINGS: [(&str, &str); 4] = [
    // Statements are planned once for each connection, often while their table is empty or small, and no query here
    // wants to read a whole table.
    ("enable_seqscan", "off"),
    // Ended by the server itself, so that a copy of a service that lost its machine in the middle of a transaction does
    // not keep others waiting for its locks.
    ("statement_timeout", "60000"),
    ("lock_timeout", "20000"),
    ("idle_in_transaction_session_timeout", "30000"),
];

impl Db {
    /// Opens the database at `url` and brings its schema up to `steps`. `connections` bounds the pool.
    pub async fn open(url: &str, connections: u32, steps: &[Step]) -> Result<Db, OpenError> {
        let unreachable = |cause| OpenError::Unreachable { shown: shown(url), cause };
        let db = if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            let options = PgConnectOptions::from_str(url).map_err(unreachable)?.options(SETTINGS);
            // The pool would wait and then say only that it waited; one connection says what is wrong.
            let one = tokio::time::timeout(CONNECT_WITHIN, PgConnection::connect_with(&options)).await;
            one.unwrap_or(Err(sqlx::Error::PoolTimedOut)).map_err(unreachable)?;
            let pool = PgPoolOptions::new()
                .max_connections(connections)
                .acquire_timeout(CONNECT_WITHIN)
                .connect_with(options)
                .await
                .map_err(unreachable)?;
            Db::Postgres(pool)
        } else if url.starts_with("sqlite:") {
            open_sqlite(url, connections).await.map_err(unreachable)?
        } else {
            return Err(OpenError::Url(shown(url)));
        };
        migrate::run(&db, steps).await.map_err(|cause| OpenError::Schema { shown: shown(url), cause })?;
        Ok(db)
    }

    /// Begins a transaction that may write.
    pub async fn begin(&self) -> sqlx::Result<Tx> {
        match self {
            Db::Postgres(pool) => pool.begin().await.map(Tx::Postgres),
            Db::Sqlite { write, .. } => write.begin_with("begin immediate").await.map(Tx::Sqlite),
        }
    }

    /// A connection for reading; each statement sees the state committed before it.
    pub async fn read(&self) -> sqlx::Result<Reader> {
        match self {
            Db::Postgres(pool) => pool.acquire().await.map(Reader::Postgres),
            Db::Sqlite { read, .. } => read.acquire().await.map(Reader::Sqlite),
        }
    }

    /// How many transactions can usefully write at once.
    pub fn writers(&self) -> usize {
        match self {
            Db::Postgres(_) => 2,
            Db::Sqlite { .. } => 1,
        }
    }

    /// Asks whether it answers.
    pub async fn ping(&self) -> sqlx::Result<()> {
        let mut reader = self.read().await?;
        execute!(reader.conn(), "select 1").map(drop)
    }

    /// Closes every connection; SQLite folds its write-ahead log into the file.
    pub async fn close(&self) {
        match self {
            Db::Postgres(pool) => drop(tokio::time::timeout(CLOSE_WITHIN, pool.close()).await),
            Db::Sqlite { write, read } => {
                read.close().await;
                write.close().await;
            }
        }
    }
}

impl Tx {
    /// The connection to run queries on.
    pub fn conn(&mut self) -> Conn<'_> {
        match self {
            Tx::Postgres(tx) => Conn::Postgres(tx),
            Tx::Sqlite(tx) => Conn::Sqlite(tx),
        }
    }

    /// Makes everything done in it durable. An error leaves open whether it happened: read before
    /// doing it again.
    pub async fn commit(self) -> sqlx::Result<()> {
        match self {
            Tx::Postgres(tx) => tx.commit().await,
            Tx::Sqlite(tx) => tx.commit().await,
        }
    }

    /// Undoes everything done in it.
    pub async fn rollback(self) -> sqlx::Result<()> {
        match self {
            Tx::Postgres(tx) => tx.rollback().await,
            Tx::Sqlite(tx) => tx.rollback().await,
        }
    }
}

impl Reader {
    /// The connection to run queries on.
    pub fn conn(&mut self) -> Conn<'_> {
        match self {
            Reader::Postgres(c) => Conn::Postgres(c),
            Reader::Sqlite(c) => Conn::Sqlite(c),
        }
    }
}

async fn open_sqlite(url: &str, connections: u32) -> sqlx::Result<Db> {
    let options = SqliteConnectOptions::from_str(url)?;
    make_private(options.get_filename()).map_err(sqlx::Error::Io)?;
    let options = options
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        // NORMAL may lose the last answered commands with the power; this product may not.
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        // What is deleted is written over at once, so that only copies of a page elsewhere may still hold it.
        .pragma("secure_delete", "on")
        .busy_timeout(Duration::from_secs(10));
    let write = SqlitePoolOptions::new().max_connections(1).connect_with(options.clone()).await?;
    let read = SqlitePoolOptions::new()
        .max_connections(connections)
        .connect_with(options.pragma("query_only", "on"))
        .await?;
    Ok(Db::Sqlite { write, read })
}

/// Makes the file where there is none, readable by its owner alone; SQLite's files beside it take after it.
fn make_private(path: &std::path::Path) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    match std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// A URL without its password, fit for a log. What cannot be told from a password is left out as well.
pub fn shown(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://").filter(|_| !url.starts_with("sqlite:")) else {
        return match url.split_once(':') {
            Some((scheme, _)) if scheme != "sqlite" => format!("{scheme}:…"),
            _ => url.to_owned(),
        };
    };
    // A password may hold an `@` of its own, and may stand among the parameters.
    let (user, place) = match rest.rsplit_once('@') {
        Some((credentials, place)) => (credentials.split([':', '/', '?']).next(), place),
        None => (None, rest),
    };
    let place = place.split('?').next().unwrap_or_default();
    user.map_or(format!("{scheme}://{place}"), |user| format!("{scheme}://{user}@{place}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shown_url_has_no_password() {
        assert_eq!(shown("postgres://me:secret@host/db"), "postgres://me@host/db");
        assert_eq!(shown("postgres://me:se@cret@host/db?password=s"), "postgres://me@host/db");
        assert_eq!(shown("postgres://host/db"), "postgres://host/db");
        assert_eq!(shown("sqlite:/tmp/x.db"), "sqlite:/tmp/x.db");
        assert_eq!(shown("sqlite:///tmp/a@b.db"), "sqlite:///tmp/a@b.db");
        assert_eq!(shown("patients.db"), "patients.db");
    }
}
