//! What every service is built on: its database, its log, the bus, and the tasks between them.

use crate::audit::{Audit, chain};
use crate::bus::Bus;
use crate::clock::Clock;
use crate::consume::{Consumer, GivenUp, Handler};
use crate::db::Db;
use crate::idempotency;
use crate::keys::{DataKeys, ErasureFile, Erasures, Keyring, KeysError};
use crate::limits;
use crate::log::Log;
use crate::relay::Relay;
use crate::secrets::Secrets;
use crate::supervise::supervise;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How often answers that nobody can ask for any more are dropped.
const PRUNE_EVERY: Duration = Duration::from_secs(600);
/// How often rows of the audit are chained.
const CHAIN_EVERY: Duration = Duration::from_secs(1);

/// A service's foundations. Cheap to clone.
#[derive(Clone)]
pub struct Core {
    /// The service's own database.
    pub db: Db,
    /// Its database of keys.
    pub keys_db: Db,
    /// Its event log.
    pub log: Log,
    /// Destroys keys of persons.
    pub erasures: Erasures,
    /// The bus.
    pub bus: Bus,
    /// Seals personal fields on the bus.
    pub bus_keys: Keyring,
    /// Where reads are written down.
    pub audit: Audit,
    /// The clock.
    pub clock: Clock,
}

/// Why a service cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The keys.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// A key that is of no use.
    #[error("the key in {0} of the secrets directory is of no use")]
    Key(&'static str),
    /// Patients that a restored database brought back could not be forgotten again.
    #[error("patients who were erased are back in the database and could not be forgotten again: {0}")]
    Unforgotten(#[from] crate::group::Abort),
    /// Patients that a restored database brought back could not be erased again.
    #[error("patients who were erased are back in the database and could not be erased again: {0}")]
    Unerased(crate::group::Unanswered),
    /// The database's first row.
    #[error("the database answered an error: {0}")]
    Db(#[from] sqlx::Error),
}

impl Core {
    /// Takes databases that are open, their schemas up to date; checks that the keys fit, carries out erasures that a
    /// restored database does not know of, and founds the log where it is new.
    pub async fn new(
        source: &'static str,
        db: Db,
        keys_db: Db,
        bus: Bus,
        secrets: &Secrets,
        clock: Clock,
    ) -> Result<Core, StartError> {
        let keys = DataKeys::new(keys_db.clone(), secrets.wrapping.clone(), clock.clone());
        keys.check().await?;
        let erasures = Erasures::new(source, keys.clone(), ErasureFile::at(&secrets.erasures));
        let carried_out = erasures.reconcile().await?;
        if carried_out > 0 {
            tracing::warn!(
                service = source,
                keys = carried_out,
                "the file of erasures told of keys that were still here: destroyed again"
            );
        }
        let log = Log::new(source, keys, clock.clone());
        log.found(&db).await?;
        let audit = Audit::start(db.clone(), clock.clone());
        Ok(Core { db, keys_db, log, erasures, bus, bus_keys: secrets.bus.clone(), audit, clock })
    }

    /// Relays the log to the bus until `stop`.
    pub fn relay(&self, stop: &CancellationToken) -> JoinHandle<()> {
        let relay = Relay {
            db: self.db.clone(),
            log: self.log.clone(),
            bus: self.bus.clone(),
            bus_keys: self.bus_keys.clone(),
        };
        let until = stop.clone();
        supervise("relay", stop.clone(), move || {
            let (relay, until) = (relay.clone(), until.clone());
            async move { relay.run(&until).await.map_err(|error| error.to_string()) }
        })
    }

    /// Feeds a handler from its queue until `stop`.
    pub fn consume<H: Handler>(&self, handler: H, stop: &CancellationToken) -> JoinHandle<()> {
        let consumer = Arc::new(Consumer {
            db: self.db.clone(),
            bus: self.bus.clone(),
            bus_keys: Some(self.bus_keys.clone()),
            clock: self.clock.clone(),
            handler,
            given_up: GivenUp::default(),
        });
        let until = stop.clone();
        supervise("consumer", stop.clone(), move || {
            let (consumer, until) = (consumer.clone(), until.clone());
            async move { consumer.run(&until).await.map_err(|error| error.to_string()) }
        })
    }

    /// Wraps persons' keys anew after the wrapping key was rotated, until `stop`.
    pub fn rewrap(&self, stop: &CancellationToken) -> JoinHandle<()> {
        let (keys, until) = (self.log.keys().clone(), stop.clone());
        supervise("wrapping", stop.clone(), move || {
            let (keys, until) = (keys.clone(), until.clone());
            async move { keys.rewrap(&until).await.map_err(|error| error.to_string()) }
        })
    }

    /// Chains the rows of the audit until `stop`, and once more then.
    pub fn chain_audit(&self, stop: &CancellationToken) -> JoinHandle<()> {
        let (db, until) = (self.db.clone(), stop.clone());
        supervise("audit", stop.clone(), move || {
            let (db, until) = (db.clone(), until.clone());
            async move {
                loop {
                    let stopping = until.is_cancelled();
                    chain::chain_all(&db).await.map_err(|error| error.to_string())?;
                    if stopping {
                        return Ok(());
                    }
                    tokio::select! {
                        () = until.cancelled() => {}
                        () = tokio::time::sleep(CHAIN_EVERY) => {}
                    }
                }
            }
        })
    }

    /// Drops answers to repeated commands that nobody can ask for any more, until `stop`.
    pub fn prune(&self, stop: &CancellationToken) -> JoinHandle<()> {
        let (core, until) = (self.clone(), stop.clone());
        supervise("pruning", stop.clone(), move || {
            let (core, until) = (core.clone(), until.clone());
            async move {
                while !until.is_cancelled() {
                    core.prune_once().await.map_err(|error| error.to_string())?;
                    tokio::select! {
                        () = until.cancelled() => {}
                        () = tokio::time::sleep(PRUNE_EVERY) => {}
                    }
                }
                Ok(())
            }
        })
    }

    /// Drops what is too old once, and limits that nobody is near any more; returns how many answers went.
    pub async fn prune_once(&self) -> sqlx::Result<u64> {
        let mut tx = self.db.begin().await?;
        let pruned = idempotency::prune(&mut tx, self.clock.now()).await?;
        tx.commit().await?;
        let mut tx = self.db.begin().await?;
        limits::prune(&mut tx, self.clock.now()).await?;
        tx.commit().await?;
        Ok(pruned)
    }

    /// Closes both databases; SQLite folds its write-ahead log into the file.
    pub async fn close(&self) {
        self.db.close().await;
        self.keys_db.close().await;
    }
}
