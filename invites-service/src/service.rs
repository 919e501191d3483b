//! All of it put together and run.

use crate::consumers::Hearer;
use crate::desk;
use crate::http::{self, Api};
use crate::passwords::Passwords;
use crate::sweeper::Sweeper;
use crate::tokens::Tokens;
use aws_lc_rs::hmac;
use axum::Router;
use shared_http::openapi::{Document, describe};
use shared_http::{CursorKey, FingerprintKey, Health, Verifier};
use shared_runtime::bus::Bus;
use shared_runtime::clock::Clock;
use shared_runtime::consume::Consumer;
use shared_runtime::group::Group;
use shared_runtime::keys::{DataKeys, Keyring, KeysError};
use shared_runtime::log::Log;
use shared_runtime::relay::Relay;
use shared_runtime::supervise::supervise;
use shared_runtime::{Db, fetch_one};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

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
    /// Checks staff's tokens.
    pub verifier: Verifier,
    /// Where links lead, such as `https://clinic.example`.
    pub public_url: String,
}

/// What lives outside every database.
pub struct Secrets {
    /// Wraps persons' keys.
    pub wrapping: Keyring,
    /// Seals personal fields on the bus; patients-service has the same.
    pub bus: Keyring,
    /// Makes links.
    pub tokens: Keyring,
    /// For idempotency fingerprints and cursors; alike on all copies of the service.
    pub http: [u8; 32],
}

/// invites-service, put together. Cheap to clone.
#[derive(Clone)]
pub struct Invites {
    api: Api,
    desk: desk::Invites,
    bus: Bus,
    keys: Db,
    bus_keys: Keyring,
}

/// Why the service could not be put together.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database did not answer.
    #[error("the database: {0}")]
    Db(#[from] sqlx::Error),
    /// The keys of persons cannot be opened.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The key for cursors cannot be used.
    #[error("the key in http.keys cannot be used")]
    HttpKey,
}

impl Invites {
    /// Puts the service together and starts its writers. Nothing is listened to and nothing runs in the
    /// background until [`Invites::work`].
    ///
    /// # Errors
    /// A database that is away, or a wrapping key that is not the one persons' keys were wrapped with.
    pub async fn new(parts: Parts) -> Result<Invites, StartError> {
        let Parts { db, keys, bus, clock, secrets, verifier, public_url } = parts;
        let data_keys = DataKeys::new(keys.clone(), secrets.wrapping, clock.clone());
        data_keys.check().await?;
        let log = Log::new("invites", data_keys, clock.clone());
        log.found(&db).await?;
        let desk = desk::Invites { log: log.clone(), clock: clock.clone() };
        let api = Api {
            group: Group::start(db.clone(), std::sync::Arc::new(desk.clone())),
            db,
            log,
            clock,
            tokens: Tokens::new(secrets.tokens, &public_url),
            passwords: Passwords::default(),
            verifier,
            fingerprints: FingerprintKey::new(&derived(&secrets.http, "idempotency")),
            cursors: CursorKey::new(&derived(&secrets.http, "cursors")).map_err(|_| StartError::HttpKey)?,
        };
        Ok(Invites { api, desk, bus, keys, bus_keys: secrets.bus })
    }

    /// The routes of the API, with all they need inside; and their description, to be served by the caller,
    /// who may have more than one service to describe.
    pub fn router(&self) -> (Router, Document) {
        let (router, openapi) = http::routes().split_for_parts();
        let openapi = describe(
            openapi,
            "Invites",
            env!("CARGO_PKG_VERSION"),
            "Invites a clinic makes to its patients, and the logins of those who took them up.",
        );
        let document = Document { name: "invites", path: "/openapi/invites.json", openapi };
        (router.with_state(self.api.clone()), document)
    }

    /// Starts what runs in the background: the relay, the consumer and the sweeper, each started again
    /// when it fails. They end after `stop`; await the handles.
    pub fn work(&self, stop: &CancellationToken) -> Vec<JoinHandle<()>> {
        vec![self.relay(stop), self.consumer(stop), self.sweep(stop)]
    }

    fn relay(&self, stop: &CancellationToken) -> JoinHandle<()> {
        let relay = Relay {
            db: self.api.db.clone(),
            log: self.api.log.clone(),
            bus: self.bus.clone(),
            bus_keys: self.bus_keys.clone(),
        };
        let until = stop.clone();
        supervise("invites relay", stop.clone(), move || {
            let (relay, until) = (relay.clone(), until.clone());
            async move { relay.run(&until).await.map_err(|error| error.to_string()) }
        })
    }

    fn consumer(&self, stop: &CancellationToken) -> JoinHandle<()> {
        let (service, until) = (self.clone(), stop.clone());
        supervise("invites consumer", stop.clone(), move || {
            let (service, until) = (service.clone(), until.clone());
            async move { service.hearing().run(&until).await.map_err(|error| error.to_string()) }
        })
    }

    fn hearing(&self) -> Consumer<Hearer> {
        Consumer {
            db: self.api.db.clone(),
            bus: self.bus.clone(),
            bus_keys: Some(self.bus_keys.clone()),
            clock: self.api.clock.clone(),
            handler: self.hearer(),
        }
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
        Sweeper { db: self.api.db.clone(), group: self.api.group.clone(), clock: self.api.clock.clone() }
    }

    /// The checks of the readiness page. Requests fail without the databases; without the bus they do not,
    /// since what is to be said waits in the log.
    pub fn health(&self) -> Health {
        let (db, keys, bus) = (self.api.db.clone(), self.keys.clone(), self.bus.clone());
        let answers = || "answers".to_owned();
        Health::new()
            .check("invites_database", true, move || {
                let db = db.clone();
                async move { reachable(&db).await.map(|()| answers()) }
            })
            .check("invites_keys", true, move || {
                let keys = keys.clone();
                async move { reachable(&keys).await.map(|()| answers()) }
            })
            .check("bus", false, move || {
                let bus = bus.clone();
                async move { bus.ping().await.map(|()| answers()).map_err(|_| "does not answer".to_owned()) }
            })
    }
}

async fn reachable(db: &Db) -> Result<(), String> {
    let asked = async {
        let mut reader = db.read().await?;
        fetch_one!(reader.conn(), (i64,), "select cast(1 as bigint)").map(drop)
    };
    asked.await.map_err(|_: sqlx::Error| "does not answer".to_owned())
}

/// A key for one purpose out of the one that is kept.
fn derived(key: &[u8; 32], purpose: &str) -> [u8; 32] {
    let mut derived = [0; 32];
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), purpose.as_bytes());
    derived.copy_from_slice(tag.as_ref());
    derived
}
