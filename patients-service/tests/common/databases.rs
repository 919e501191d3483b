//! Databases of a case's own: files, or databases of the private server under random names.

use super::Door;
use shared_runtime::clock::Clock;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, postgres::PgConnectOptions};
use std::path::Path;

/// Where a service's two databases are.
pub struct Urls {
    pub database: String,
    pub keys: String,
    /// Databases to drop at the end.
    made: Vec<String>,
}

impl Urls {
    pub async fn make(door: Door, dir: &Path) -> Urls {
        match door {
            Door::Sqlite => Urls {
                database: format!("sqlite:{}", dir.join("patients.db").display()),
                keys: format!("sqlite:{}", dir.join("keys.db").display()),
                made: Vec::new(),
            },
            Door::Postgres => {
                let name = format!("pf_patients_{}", Clock::System.new_id().simple());
                let made = vec![name.clone(), format!("{name}_keys")];
                let create = |name| on_server(format!("create database {name}"));
                tokio::join!(create(&made[0]), create(&made[1]));
                Urls { database: url_of(&made[0]), keys: url_of(&made[1]), made }
            }
        }
    }

    pub async fn remove(&self) {
        if let [one, other] = self.made.as_slice() {
            let remove = |name| on_server(format!("drop database {name} with (force)"));
            tokio::join!(remove(one), remove(other));
        }
    }
}

fn server_url() -> String {
    std::env::var("PF_TEST_POSTGRES_URL")
        .unwrap_or_else(|_| panic!("set PF_TEST_POSTGRES_URL or run `make test`"))
}

fn url_of(database: &str) -> String {
    let server = server_url();
    let (server, _) = server.rsplit_once('/').expect("the URL names a database");
    format!("{server}/{database}")
}

async fn on_server(sql: String) {
    let options: PgConnectOptions = server_url().parse().expect("PF_TEST_POSTGRES_URL is a URL");
    let mut server = options.connect().await.expect("the server of PF_TEST_POSTGRES_URL answers");
    // Names are made here, of letters and digits.
    sqlx::query(AssertSqlSafe(sql)).execute(&mut server).await.expect("done");
    server.close().await.expect("closed");
}
