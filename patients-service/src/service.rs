//! All of it put together and run.

use crate::consumers::FromInvites;
use crate::desk::Patients;
use crate::http::{self, App};
use crate::import::worker::Worker;
use axum::Router;
use shared_http::openapi::Document;
use shared_http::{CursorKey, FingerprintKey, Health, Verifier};
use shared_runtime::bus::Bus;
use shared_runtime::clock::Clock;
use shared_runtime::core::{Core, Databases, StartError};
use shared_runtime::group::Group;
use shared_runtime::secrets::Secrets;
use shared_runtime::supervise::supervise;
use std::sync::Arc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// The service's name, as in `source` of its events.
pub const NAME: &str = "patients";

/// What the service is made from.
pub struct Parts<'a> {
    /// Its database.
    pub database_url: &'a str,
    /// Its database of keys.
    pub keys_url: &'a str,
    /// The bus.
    pub bus: Bus,
    /// Its keys.
    pub secrets: Secrets,
    /// Checks tokens.
    pub verifier: Verifier,
    /// The clock.
    pub clock: Clock,
}

/// The service, ready to serve and to work.
#[derive(Clone)]
pub struct PatientsService {
    app: App,
    desk: Patients,
}

impl PatientsService {
    /// Opens the databases and checks that the keys fit.
    pub async fn open(parts: Parts<'_>) -> Result<PatientsService, StartError> {
        let databases = Databases {
            url: parts.database_url,
            steps: migrations::PATIENTS,
            keys_url: parts.keys_url,
            keys_steps: migrations::KEYS,
        };
        let core = Core::open(NAME, databases, parts.bus, &parts.secrets, parts.clock).await?;
        let desk = Patients { log: core.log.clone(), clock: core.clock.clone() };
        let http_key = parts.secrets.http.current();
        let app = App {
            patients: Group::start(core.db.clone(), Arc::new(desk.clone())),
            core,
            verifier: parts.verifier,
            fingerprints: FingerprintKey::new(http_key),
            cursors: CursorKey::new(http_key).map_err(|_| StartError::Key("http.keys"))?,
            import_waits: Arc::default(),
        };
        Ok(PatientsService { app, desk })
    }

    /// What it is built on.
    pub fn core(&self) -> &Core {
        &self.app.core
    }

    /// Every route, and the document that describes them.
    pub fn router(&self) -> (Router, Document) {
        http::router(self.app.clone())
    }

    /// Adds what it leans on to the readiness page.
    pub fn health(&self, health: Health) -> Health {
        let (db, bus) = (self.app.core.db.clone(), self.app.core.bus.clone());
        health
            .check("patients_database", true, move || {
                let db = db.clone();
                async move {
                    db.ping().await.map(|()| "answers".to_owned()).map_err(|_| "does not answer".to_owned())
                }
            })
            // A broker that is away must not fail the write path: events wait in the log.
            .check("bus", false, move || {
                let bus = bus.clone();
                async move {
                    bus.ping()
                        .await
                        .map(|()| "answers".to_owned())
                        .map_err(|_| "does not answer; events wait in the log".to_owned())
                }
            })
    }

    /// The worker of imports; [`PatientsService::work`] runs one.
    pub fn import_worker(&self) -> Worker {
        Worker {
            core: self.app.core.clone(),
            patients: self.desk.clone(),
            waits: self.app.import_waits.clone(),
        }
    }

    /// Starts what goes on in the background until `stop`: relay, consumer, imports.
    pub fn work(&self, stop: &CancellationToken) -> Vec<JoinHandle<()>> {
        let core = &self.app.core;
        let worker = self.import_worker();
        let until = stop.clone();
        vec![
            core.relay(stop),
            core.consume(FromInvites { patients: self.desk.clone() }, stop),
            supervise("imports", stop.clone(), move || {
                let (worker, until) = (worker.clone(), until.clone());
                async move { worker.run(&until).await }
            }),
        ]
    }
}
