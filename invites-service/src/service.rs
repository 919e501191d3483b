//! All of it put together and run.

use crate::consumers::Hearer;
use crate::desk::Invites;
use crate::http::{self, Api};
use crate::passwords::Passwords;
use crate::sweeper::Sweeper;
use crate::tokens::Tokens;
use aws_lc_rs::hmac;
use axum::Router;
use shared_http::openapi::Document;
use shared_http::{CursorKey, FingerprintKey, Health, Verifier};
use shared_runtime::Db;
use shared_runtime::bus::Bus;
use shared_runtime::clock::Clock;
use shared_runtime::core::{Core, Databases, StartError};
use shared_runtime::group::Group;
use shared_runtime::keys::Keyring;
use shared_runtime::secrets::Secrets;
use shared_runtime::supervise::supervise;
use std::sync::Arc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// The service's name, as in `source` of its events.
pub const NAME: &str = "invites";

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
    /// What makes links: `tokens.keys` of the secrets directory, read by this service alone.
    pub tokens: Keyring,
    /// Checks staff's tokens.
    pub verifier: Verifier,
    /// The clock.
    pub clock: Clock,
    /// Where links lead, such as `https://clinic.example`.
    pub public_url: &'a str,
}

/// The service, ready to serve and to work. Cheap to clone.
#[derive(Clone)]
pub struct InvitesService {
    api: Api,
    desk: Invites,
}

impl InvitesService {
    /// Opens the databases and checks that the keys fit. Nothing is listened to and nothing runs in the
    /// background until [`InvitesService::work`].
    ///
    /// # Errors
    /// A database that is away, or a key that is not the one its data was sealed with.
    pub async fn open(parts: Parts<'_>) -> Result<InvitesService, StartError> {
        let databases = Databases {
            url: parts.database_url,
            steps: migrations::INVITES,
            keys_url: parts.keys_url,
            keys_steps: migrations::KEYS,
        };
        let core = Core::open(NAME, databases, parts.bus, &parts.secrets, parts.clock).await?;
        let desk = Invites { log: core.log.clone(), clock: core.clock.clone() };
        let http_key = parts.secrets.http.current();
        let api = Api {
            group: Group::start(core.db.clone(), Arc::new(desk.clone())),
            core,
            tokens: Tokens::new(parts.tokens, parts.public_url),
            passwords: Passwords::default(),
            verifier: parts.verifier,
            fingerprints: FingerprintKey::new(&derived(http_key, "invites fingerprints")),
            cursors: CursorKey::new(&derived(http_key, "invites cursors"))
                .map_err(|_| StartError::Key("http.keys"))?,
        };
        Ok(InvitesService { api, desk })
    }

    /// What it is built on.
    pub fn core(&self) -> &Core {
        &self.api.core
    }

    /// Every route, and the document that describes them.
    pub fn router(&self) -> (Router, Document) {
        http::router(self.api.clone())
    }

    /// Adds what it leans on to the readiness page. Requests fail without the databases; without the bus
    /// they do not, since what is to be said waits in the log.
    pub fn health(&self, health: Health) -> Health {
        let core = &self.api.core;
        let (db, keys, bus) = (core.db.clone(), core.keys_db.clone(), core.bus.clone());
        health
            .check("invites_database", true, move || answers(db.clone()))
            .check("invites_keys", true, move || answers(keys.clone()))
            .check("bus", false, move || {
                let bus = bus.clone();
                async move {
                    let pinged = bus.ping().await.map(|()| "answers".to_owned());
                    pinged.map_err(|_| "does not answer; events wait in the log".to_owned())
                }
            })
    }

    /// Starts what goes on in the background until `stop`: relay, consumer, sweeper.
    pub fn work(&self, stop: &CancellationToken) -> Vec<JoinHandle<()>> {
        let core = &self.api.core;
        let (sweeper, until) = (self.sweeper(), stop.clone());
        vec![
            core.relay(stop),
            core.consume(self.hearer(), stop),
            supervise("sweeper", stop.clone(), move || {
                let (sweeper, until) = (sweeper.clone(), until.clone());
                async move { sweeper.run(&until).await }
            }),
        ]
    }

    /// What hears the events of others; [`InvitesService::work`] feeds one from the bus.
    pub fn hearer(&self) -> Hearer {
        Hearer { desk: self.desk.clone(), tokens: self.api.tokens.clone() }
    }

    /// What ends lapsed invites; [`InvitesService::work`] runs one.
    pub fn sweeper(&self) -> Sweeper {
        let core = &self.api.core;
        Sweeper { db: core.db.clone(), group: self.api.group.clone(), clock: core.clock.clone() }
    }
}

async fn answers(db: Db) -> Result<String, String> {
    db.ping().await.map(|()| "answers".to_owned()).map_err(|_| "does not answer".to_owned())
}

/// A key for one purpose out of the one that is kept: no key does two kinds of work.
fn derived(key: &[u8; 32], purpose: &str) -> [u8; 32] {
    let mut derived = [0; 32];
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), purpose.as_bytes());
    derived.copy_from_slice(tag.as_ref());
    derived
}
