//! All of it put together and run.

use crate::consumers::FromInvites;
use crate::desk::Patients;
use crate::eraser::{Eraser, restored};
use crate::http::{self, App};
use crate::import::worker::Worker;
use crate::store::working;
use axum::Router;
use shared_host::health::Names;
use shared_host::keys::KeyDesk;
use shared_host::status::Status;
use shared_http::openapi::Document;
use shared_http::{CursorKey, FingerprintKey, Health, Verifier};
use shared_runtime::Db;
use shared_runtime::bus::{Bus, topology};
use shared_runtime::clock::Clock;
use shared_runtime::core::{Core, StartError};
use shared_runtime::group::Group;
use shared_runtime::keys::Keyring;
use shared_runtime::secrets::Secrets;
use shared_runtime::supervise::supervise;
use std::sync::Arc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// The service's name, as in `source` of its events.
pub const NAME: &str = "patients";

/// What the service is made of. Everything is open and ready when it comes in.
pub struct Parts {
    /// The service's database, at the schema `migrations::PATIENTS`.
    pub db: Db,
    /// The database of persons' keys, at the schema `migrations::KEYS`.
    pub keys: Db,
    /// Where events come from and go to.
    pub bus: Bus,
    /// What lives outside every database.
    pub secrets: Secrets,
    /// Checks staff's tokens.
    pub verifier: Verifier,
    /// Tells the time.
    pub clock: Clock,
}

/// The service, ready to serve and to work.
#[derive(Clone)]
pub struct PatientsService {
    app: App,
    desk: Patients,
    http_keys: Keyring,
}

impl PatientsService {
    /// Puts the service together and starts its writers. Nothing is listened to and nothing runs in the
    /// background until [`PatientsService::work`].
    ///
    /// # Errors
    /// A database that is away, or a wrapping key that is not the one persons' keys were wrapped with.
    pub async fn new(parts: Parts) -> Result<PatientsService, StartError> {
        let core = Core::new(NAME, parts.db, parts.keys, parts.bus, &parts.secrets, parts.clock).await?;
        let desk = Patients { log: core.log.clone(), clock: core.clock.clone() };
        let app = App {
            patients: Group::start(core.db.clone(), Arc::new(desk.clone())),
            core,
            verifier: parts.verifier,
            fingerprints: FingerprintKey::new(&parts.secrets.http.derived("idempotency")),
            cursors: CursorKey::new(&parts.secrets.http.derived("cursors"))
                .map_err(|_| StartError::Key("http.keys"))?,
            import_waits: Arc::default(),
            erasure_waits: Arc::default(),
        };
        restored::erase_again(&app.core, &app.patients).await?;
        Ok(PatientsService { app, desk, http_keys: parts.secrets.http })
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
        let names = Names { database: "patients_database", keys: "patients_keys", parked: "patients_parked" };
        shared_host::health::of_core(health, &self.app.core, names)
    }

    /// Adds how far it is to the status page.
    pub fn status(&self, status: Status) -> Status {
        let db = self.app.core.db.clone();
        status
            .of_core(NAME, &self.app.core)
            .work("imports", move || {
                let db = db.clone();
                async move { working::imports(&db).await }
            })
            .work("erasures", {
                let db = self.app.core.db.clone();
                move || {
                    let db = db.clone();
                    async move { working::erasures(&db).await }
                }
            })
    }

    /// Adds its key files to what operators look after.
    pub fn keys(&self, desk: KeyDesk) -> KeyDesk {
        desk.of_core(NAME, self.core(), &self.http_keys, topology::PATIENTS)
    }

    /// The worker of imports; [`PatientsService::work`] runs one.
    pub fn import_worker(&self) -> Worker {
        Worker {
            core: self.app.core.clone(),
            patients: self.desk.clone(),
            waits: self.app.import_waits.clone(),
        }
    }

    /// What leaves nothing of erased patients; [`PatientsService::work`] runs one.
    pub fn eraser(&self) -> Eraser {
        Eraser { core: self.app.core.clone(), waits: self.app.erasure_waits.clone() }
    }

    /// What hears the events of others, for those who bring them by another way than the bus.
    pub fn hearer(&self) -> FromInvites {
        FromInvites { patients: self.desk.clone() }
    }

    /// Starts what goes on in the background until `stop`: relay, consumer, imports, erasures.
    pub fn work(&self, stop: &CancellationToken) -> Vec<JoinHandle<()>> {
        let core = &self.app.core;
        let worker = self.import_worker();
        let eraser = self.eraser();
        let (until, till) = (stop.clone(), stop.clone());
        vec![
            supervise("erasures", stop.clone(), move || {
                let (eraser, till) = (eraser.clone(), till.clone());
                async move { eraser.run(&till).await }
            }),
            core.relay(stop),
            core.prune(stop),
            core.rewrap(stop),
            core.chain_audit(stop),
            core.consume(self.hearer(), stop),
            supervise("imports", stop.clone(), move || {
                let (worker, until) = (worker.clone(), until.clone());
                async move { worker.run(&until).await }
            }),
        ]
    }
}
