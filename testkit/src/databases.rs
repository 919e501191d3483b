//! Databases of a test's own, on either side of the door, removed when the test is over.

use shared_runtime::Clock;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

/// Which database a test runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// The server in `PF_TEST_POSTGRES_URL`.
    Postgres,
    /// A file in a folder of the test's own.
    Sqlite,
}

/// The databases of one test. Dropped, they are gone, also after a panic.
#[derive(Debug)]
pub struct TestDatabases {
    door: Door,
    /// On PostgreSQL: schemas of the one database instead of databases.
    schemas: bool,
    /// In every name, so that tests can run beside each other on one server.
    mark: String,
    folder: PathBuf,
    made: Mutex<BTreeSet<String>>,
}

impl TestDatabases {
    /// A place for databases, none made yet.
    ///
    /// # Panics
    /// Without a server for [`Door::Postgres`].
    pub async fn new(door: Door) -> TestDatabases {
        TestDatabases::make(door, false)
    }

    /// The same in schemas of the server's own database: made and dropped in a moment, where a database
    /// takes the server a checkpoint. Not for tests that look at the locks of the whole database.
    ///
    /// # Panics
    /// Without a server for [`Door::Postgres`].
    pub async fn in_schemas(door: Door) -> TestDatabases {
        TestDatabases::make(door, true)
    }

    fn make(door: Door, schemas: bool) -> TestDatabases {
        let mark = Clock::System.new_id().simple().to_string();
        let folder = std::env::temp_dir().join(format!("pf-test-{mark}"));
        if door == Door::Postgres {
            server();
        }
        std::fs::create_dir_all(&folder).expect("a folder for the test");
        TestDatabases { door, schemas, mark, folder, made: Mutex::default() }
    }

    /// Which side.
    pub fn door(&self) -> Door {
        self.door
    }

    /// The test's folder: its databases on SQLite, and whatever else the test puts there.
    pub fn folder(&self) -> &std::path::Path {
        &self.folder
    }

    fn kind(&self) -> &'static str {
        if self.schemas { "schema" } else { "database" }
    }

    /// The URL of the database of that name, which is made when it is first asked for.
    pub async fn url(&self, name: &str) -> String {
        match self.door {
            Door::Sqlite => format!("sqlite:{}", self.folder.join(format!("{name}.db")).display()),
            Door::Postgres => {
                let name = format!("t_{}_{name}", self.mark);
                let new = self.made.lock().unwrap_or_else(PoisonError::into_inner).insert(name.clone());
                if new {
                    let sql = format!("create {} {name}", self.kind());
                    on_server(&sql).await.expect("a database for the test");
                }
                if self.schemas { within(&server(), &name) } else { beside(&server(), &name) }
            }
        }
    }
}

impl Drop for TestDatabases {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
        let kind = self.kind();
        let how = if self.schemas { "cascade" } else { "with (force)" };
        let made = std::mem::take(self.made.get_mut().unwrap_or_else(PoisonError::into_inner));
        if made.is_empty() {
            return;
        }
        // The test's own runtime cannot be waited for from within a drop.
        let removing = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let Ok(runtime) = runtime else { return };
            for name in made {
                let sql = format!("drop {kind} if exists {name} {how}");
                let _ = runtime.block_on(on_server(&sql));
            }
        });
        let _ = removing.join();
    }
}

/// The server's URL: a superuser of a private cluster.
fn server() -> String {
    std::env::var("PF_TEST_POSTGRES_URL")
        .unwrap_or_else(|_| panic!("set PF_TEST_POSTGRES_URL or run `make test`"))
}

async fn on_server(sql: &str) -> sqlx::Result<()> {
    let mut connection = PgConnection::connect(&server()).await?;
    sqlx::query(AssertSqlSafe(sql)).execute(&mut connection).await?;
    connection.close().await
}

/// The same server, another database.
fn beside(url: &str, name: &str) -> String {
    let (base, query) = url.split_once('?').map_or((url, None), |(base, query)| (base, Some(query)));
    let base = base.rsplit_once('/').map_or(base, |(server, _)| server);
    query.map_or(format!("{base}/{name}"), |query| format!("{base}/{name}?{query}"))
}

/// The same database, another schema.
fn within(url: &str, schema: &str) -> String {
    let more = if url.contains('?') { '&' } else { '?' };
    format!("{url}{more}options[search_path]={schema}")
}

/// Runs each case on both databases: `postgres::CASE` and `sqlite::CASE`. A case is an async function
/// of this module that takes a [`Door`].
#[macro_export]
macro_rules! on_both_databases {
    ($($case:ident),+ $(,)?) => {
        mod postgres {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    super::$case($crate::databases::Door::Postgres).await;
                }
            )+
        }
        mod sqlite {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    super::$case($crate::databases::Door::Sqlite).await;
                }
            )+
        }
    };
}
