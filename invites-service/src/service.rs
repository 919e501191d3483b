//! All of it put together and run.

use crate::bulk::worker::Worker;
use crate::consumers::Hearer;
use crate::desk;
use crate::eraser::{self, Eraser};
use crate::http::{self, Api};
use crate::limits::{Counter, Limits};
use crate::logins::Logins;
use crate::new_links::NewLinks;
use crate::passwords::Passwords;
use crate::store::{erasures, links, working};
use crate::sweeper::Sweeper;
use crate::tokens::Tokens;
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
use shared_runtime::db::DbError;
use shared_runtime::group::Group;
use shared_runtime::keys::Keyring;
use shared_runtime::limits::Limiter;
use shared_runtime::secrets::Secrets;
use shared_runtime::supervise::supervise;
use std::sync::Arc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// The service's name, as in `source` of its events.
pub const NAME: &str = "invites";

/// What the service is made of. Everything is open and ready when it comes in.
pub struct Parts {
    /// The service's database, at the schema `migrations::INVITES`.
    pub db: Db,
    /// The database of persons' keys, at the schema `migrations::KEYS`.
    pub keys: Db,
    /// Where events come from and go to.
    pub bus: Bus,
    /// Tells the time.
    pub clock: Clock,
    /// What lives outside every database.
    pub secrets: Secrets,
    /// Makes links; this service's alone.
    pub tokens: Keyring,
    /// Checks staff's tokens.
    pub verifier: Verifier,
    /// Where links lead, such as `https://clinic.example`.
    pub public_url: String,
    /// How often what may be done, and which proxies are believed on who asks.
    pub limits: Limits,
}

/// invites-service, put together. Cheap to clone.
#[derive(Clone)]
pub struct Invites {
    api: Api,
    desk: desk::Invites,
    http_keys: Keyring,
}

impl Invites {
    /// Puts the service together and starts its writers. Nothing is listened to and nothing runs in the
    /// background until [`Invites::work`].
    ///
    /// # Errors
    /// A database that is away, or a wrapping key that is not the one persons' keys were wrapped with.
    pub async fn new(parts: Parts) -> Result<Invites, StartError> {
        let Parts { db, keys, bus, clock, secrets, tokens, verifier, public_url, limits } = parts;
        let core = Core::new(NAME, db, keys, bus, &secrets, clock).await?;
        let counter = Counter { limits, limiter: Limiter::new(&secrets.http.derived("limits")) };
        let desk =
            desk::Invites { log: core.log.clone(), clock: core.clock.clone(), counter: counter.clone() };
        let logins = Logins {
            core: core.clone(),
            passwords: Passwords::default(),
            tokens: Tokens::new(tokens, &public_url),
            counter,
        };
        let api = Api {
            group: Group::start(core.db.clone(), Arc::new(desk.clone())),
            core,
            tokens: logins.tokens.clone(),
            logins,
            bulk_waits: Arc::default(),
            verifier,
            fingerprints: FingerprintKey::new(&secrets.http.derived("idempotency")),
            cursors: CursorKey::new(&secrets.http.derived("cursors"))
                .map_err(|_| StartError::Key("http.keys"))?,
        };
        let service = Invites { api, desk, http_keys: secrets.http };
        eraser::forget_again(service.core(), &service.hearer()).await?;
        Ok(service)
    }

    /// What it is built on.
    pub fn core(&self) -> &Core {
        &self.api.core
    }

    /// The routes of the API, with all they need inside; and their description, to be served by the caller,
    /// who may have more than one service to describe.
    pub fn router(&self) -> (Router, Document) {
        http::router(self.api.clone())
    }

    /// Starts what runs in the background: the relay, the consumer, the sweeper, the worker of bulk jobs
    /// and the end of old sessions, each started again when it fails. They end after `stop`; await the handles.
    pub fn work(&self, stop: &CancellationToken) -> Vec<JoinHandle<()>> {
        let core = &self.api.core;
        vec![
            core.relay(stop),
            core.prune(stop),
            core.rewrap(stop),
            core.chain_audit(stop),
            core.consume(self.hearer(), stop),
            self.sweep(stop),
            self.invite_in_bulk(stop),
            self.prune_sessions(stop),
            self.erase(stop),
        ]
    }

    fn erase(&self, stop: &CancellationToken) -> JoinHandle<()> {
        let (eraser, until) = (self.eraser(), stop.clone());
        supervise("invites erasures", stop.clone(), move || {
            let (eraser, until) = (eraser.clone(), until.clone());
            async move { eraser.run(&until).await }
        })
    }

    /// What makes links anew, of a key that leaked.
    pub fn new_links(&self) -> NewLinks {
        NewLinks {
            db: self.core().db.clone(),
            group: self.api.group.clone(),
            tokens: self.api.tokens.clone(),
            clock: self.core().clock.clone(),
        }
    }

    /// Adds its key files to what operators look after.
    pub fn keys(&self, desk: KeyDesk) -> KeyDesk {
        let (db, clock) = (self.core().db.clone(), self.core().clock.clone());
        let under = move |key: String| {
            let (db, clock) = (db.clone(), clock.clone());
            async move { links_under(&db, &key, &clock).await.map_err(|error| error.to_string()) }
        };
        let new_links = self.new_links();
        desk.of_core(NAME, self.core(), &self.http_keys, topology::INVITES)
            .file("tokens", Some(NAME), self.api.tokens.keys(), "open invites", under)
            .reissue(move |key, after| {
                let new_links = new_links.clone();
                async move { new_links.batch(&key, after).await.map_err(|error| error.to_string()) }
            })
    }

    /// What forgets erased patients, for those who would not wait for it.
    pub fn eraser(&self) -> Eraser {
        Eraser { core: self.core().clone() }
    }

    fn invite_in_bulk(&self, stop: &CancellationToken) -> JoinHandle<()> {
        let (worker, until) = (self.bulk_worker(), stop.clone());
        supervise("bulk invites", stop.clone(), move || {
            let (worker, until) = (worker.clone(), until.clone());
            async move { worker.run(&until).await }
        })
    }

    fn prune_sessions(&self, stop: &CancellationToken) -> JoinHandle<()> {
        let (logins, until) = (self.api.logins.clone(), stop.clone());
        supervise("old sessions", stop.clone(), move || {
            let (logins, until) = (logins.clone(), until.clone());
            async move { logins.prune(&until).await.map_err(|error| error.to_string()) }
        })
    }

    /// Persons' logins, for those who would not go through HTTP.
    pub fn logins(&self) -> &Logins {
        &self.api.logins
    }

    fn sweep(&self, stop: &CancellationToken) -> JoinHandle<()> {
        let (sweeper, until) = (self.sweeper(), stop.clone());
        supervise("invites sweeper", stop.clone(), move || {
            let (sweeper, until) = (sweeper.clone(), until.clone());
            async move { sweeper.run(&until).await }
        })
    }

    /// What hears the events of others, for those who bring them by another way than the bus.
    pub fn hearer(&self) -> Hearer {
        Hearer { desk: self.desk.clone(), tokens: self.api.tokens.clone() }
    }

    /// What ends lapsed invites, for those who would not wait for it.
    pub fn sweeper(&self) -> Sweeper {
        let core = &self.api.core;
        Sweeper { db: core.db.clone(), group: self.api.group.clone(), clock: core.clock.clone() }
    }

    /// Adds how far it is to the status page.
    pub fn status(&self, status: Status) -> Status {
        let db = self.api.core.db.clone();
        status
            .of_core(NAME, &self.api.core)
            .work("bulk_invites", move || {
                let db = db.clone();
                async move { working::bulk_invites(&db).await }
            })
            .work("erasures", {
                let db = self.api.core.db.clone();
                move || {
                    let db = db.clone();
                    async move { erasures::at_work(&db).await }
                }
            })
    }

    /// What carries bulk jobs out, for those who would not wait for it.
    pub fn bulk_worker(&self) -> Worker {
        Worker {
            core: self.api.core.clone(),
            desk: self.desk.clone(),
            tokens: self.api.tokens.clone(),
            waits: self.api.bulk_waits.clone(),
        }
    }

    /// Adds what it leans on to the readiness page.
    pub fn health(&self, health: Health) -> Health {
        let names = Names { database: "invites_database", keys: "invites_keys", parked: "invites_parked" };
        shared_host::health::of_core(health, &self.api.core, names)
    }
}

/// How many open invites have their newest link of a key.
async fn links_under(db: &Db, key: &str, clock: &Clock) -> Result<i64, DbError> {
    let mut reader = db.read().await?;
    links::count_under(reader.conn(), key, clock.now()).await
}
