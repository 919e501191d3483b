//! Databases of a case's own: files, or a database of the private server under a random name.

use super::Door;
use shared_runtime::clock::Clock;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, postgres::PgConnectOptions};
use std::path::Path;

/// Where a service's two databases are.
pub struct Urls {
    pub database: String,
    pub keys: String,
    /// What to drop at the end.
    made: Option<String>,
}

impl Urls {
    pub async fn make(door: Door, dir: &Path) -> Urls {
        match door {
            Door::Sqlite => Urls {
                database: format!("sqlite:{}", dir.join("patients.db").display()),
                keys: format!("sqlite:{}", dir.join("keys.db").display()),
                made: None,
            },
            Door::Postgres => {
                let name = format!("pf_patients_{}", Clock::System.new_id().simple());
                run(&server_url(), format!("create database {name}")).await;
                let database = url_of(&name);
                // The keys in a schema of their own: a second database would take as long as many a case.
                run(&database, "create schema keys".to_owned()).await;
                let sign = if database.contains('?') { '&' } else { '?' };
                let keys = format!("{database}{sign}options[search_path]=keys");
                Urls { database, keys, made: Some(name) }
            }
        }
    }

    pub async fn remove(&self) {
        if let Some(name) = &self.made {
            run(&server_url(), format!("drop database {name} with (force)")).await;
        }
    }
}

fn server_url() -> String {
    std::env::var("PF_TEST_POSTGRES_URL")
        .unwrap_or_else(|_| panic!("set PF_TEST_POSTGRES_URL or run `make test`"))
}

fn url_of(database: &str) -> String {
    let server = server_url();
    let (place, options) = server.split_once('?').map_or((server.as_str(), None), |(p, o)| (p, Some(o)));
    let (server, _) = place.rsplit_once('/').expect("the URL names a database");
    options.map_or_else(|| format!("{server}/{database}"), |options| format!("{server}/{database}?{options}"))
}

async fn run(url: &str, sql: String) {
    let options: PgConnectOptions = url.parse().expect("PF_TEST_POSTGRES_URL is a URL");
    let mut server = options.connect().await.expect("the server of PF_TEST_POSTGRES_URL answers");
    // Names are made here, of letters and digits.
    sqlx::query(AssertSqlSafe(sql)).execute(&mut server).await.expect("done");
    server.close().await.expect("closed");
}
