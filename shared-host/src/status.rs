//! `GET /internal/status`: how far a service is, for operators. An array, since several services may share a
//! process; nothing in it names a person or a clinic.

use crate::verification::{self, Cores, Expected, Verified};
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;
use shared_runtime::consume::count_parked;
use shared_runtime::core::Core;
use shared_runtime::db::DbError;
use shared_runtime::relay::{self, RelayStatus};
use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// How long a service's database may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

type Counting = Pin<Box<dyn Future<Output = Result<i64, DbError>> + Send>>;
type Count = Arc<dyn Fn() -> Counting + Send + Sync>;

/// What is asked of each service of a process.
#[derive(Clone, Default)]
pub struct Status(Vec<Service>);

#[derive(Clone)]
struct Service {
    name: &'static str,
    core: Core,
    work: Vec<(&'static str, Count)>,
}

/// How one service stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Told {
    /// Its database answered.
    Standing(Standing),
    /// It did not: what is known is that.
    Away {
        /// The service.
        service: &'static str,
        /// What to know.
        error: &'static str,
    },
}

/// How far a service is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// The service.
    pub service: &'static str,
    /// Its log's name.
    pub log_id: Uuid,
    /// Events committed.
    pub events: i64,
    /// Events that the bus confirmed.
    pub published: i64,
    /// Events that wait to be sent.
    pub waiting: i64,
    /// The relay that has its turn; none while nobody relays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relay_owner: Option<String>,
    /// Messages that could not be handled and wait for a person.
    pub parked: i64,
    /// Jobs that are not at their end, by kind.
    #[serde(flatten)]
    pub work: BTreeMap<&'static str, Running>,
}

/// Jobs of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Running {
    /// How many are not at their end.
    pub running: i64,
}

impl Status {
    /// Nothing to ask yet.
    pub fn new() -> Status {
        Status::default()
    }

    /// Adds a service.
    pub fn of_core(mut self, name: &'static str, core: &Core) -> Status {
        self.0.push(Service { name, core: core.clone(), work: Vec::new() });
        self
    }

    /// Adds a kind of job to the service that was added last.
    pub fn work<F>(mut self, kind: &'static str, running: impl Fn() -> F + Send + Sync + 'static) -> Status
    where
        F: Future<Output = Result<i64, DbError>> + Send + 'static,
    {
        if let Some(service) = self.0.last_mut() {
            service.work.push((kind, Arc::new(move || Box::pin(running()))));
        }
        self
    }

    /// Asks every service.
    pub async fn read(&self) -> Vec<Told> {
        let mut told = Vec::new();
        for service in &self.0 {
            told.push(match tokio::time::timeout(PATIENCE, service.read()).await {
                Ok(Ok(standing)) => Told::Standing(standing),
                _ => Told::Away { service: service.name, error: "its database does not answer" },
            });
        }
        told
    }

    /// Reads the audit of every service from its first row to its last.
    ///
    /// # Errors
    /// A database that is away.
    pub async fn verify_audit(&self, expected: &[Expected]) -> Result<Vec<Verified>, DbError> {
        verification::read(&self.cores(), expected).await
    }

    fn cores(&self) -> Cores {
        self.0.iter().map(|service| (service.name, service.core.clone())).collect()
    }

    /// `/internal/status` and `/internal/audit`, to be put behind the guard of internal routes.
    pub fn router(self) -> Router {
        let audit = verification::router(self.cores());
        audit.route("/internal/status", get(async move || Json(self.read().await)))
    }
}

impl Service {
    async fn read(&self) -> Result<Standing, DbError> {
        let db = &self.core.db;
        let relay = RelayStatus::read(db).await?;
        let mut work = BTreeMap::new();
        for (kind, running) in &self.work {
            work.insert(*kind, Running { running: running().await? });
        }
        Ok(Standing {
            service: self.name,
            log_id: relay.log_id,
            events: relay.events(),
            published: relay.published,
            waiting: relay.waiting(),
            relay_owner: relay::owner(db).await?,
            parked: count_parked(db).await?,
            work,
        })
    }
}
