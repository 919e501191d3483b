//! `/internal/keys`: the key files of a service, for operators: listed, rotated, retired, links made anew. Nothing here
//! ever tells a key.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use shared_http::{Json, Problem};
use shared_runtime::bus::Bus;
use shared_runtime::consume::parked_under;
use shared_runtime::core::Core;
use shared_runtime::keys::{Keyring, KeyringError};
use std::pin::Pin;
use std::sync::Arc;
use uuid::Uuid;

/// What went wrong, in words for an operator.
type Words = String;
type Later<T> = Pin<Box<dyn Future<Output = Result<T, Words>> + Send>>;
type Uses = Arc<dyn Fn(String) -> Later<i64> + Send + Sync>;
type Reissuing = Arc<dyn Fn(String, Uuid) -> Later<Reissued> + Send + Sync>;

/// The key files of the services of a process. Cheap to clone.
#[derive(Clone, Default)]
pub struct KeyDesk {
    files: Vec<KeyFile>,
    reissue: Option<Reissuing>,
}

#[derive(Clone)]
struct KeyFile {
    which: &'static str,
    /// None: several services read it.
    service: Option<&'static str>,
    ring: Keyring,
    uses: Vec<(&'static str, Uses)>,
}

/// A key, as an operator sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyTold {
    /// `wrapping`, `bus`, `tokens` or `http`.
    pub which: String,
    /// Whose file it is; none where several services read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// The key's id.
    pub id: String,
    /// From when it seals; none for a file's first key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active: Option<DateTime<Utc>>,
    /// Whether it seals now.
    pub seals: bool,
    /// Whether it will seal, but not yet.
    pub waits: bool,
    /// How many things still need it.
    pub needed: i64,
    /// What these are.
    pub needed_by: String,
}

/// Which file is to be changed, and how.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// `wrapping`, `bus`, `tokens` or `http`.
    pub which: String,
    /// Whose; absent: everybody's of this process.
    #[serde(default)]
    pub service: Option<String>,
    /// The key to retire.
    #[serde(default)]
    pub id: Option<String>,
    /// Retire it though something still needs it, which is lost then.
    #[serde(default)]
    pub force: bool,
    /// After how many seconds a new key seals.
    #[serde(default)]
    pub after_seconds: Option<u32>,
}

/// Which links are to be made anew.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReissueOrder {
    /// The key they were made with.
    pub key: String,
    /// Where the batch before ended.
    #[serde(default)]
    pub after: Uuid,
}

/// What became of a batch of links.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reissued {
    /// Invites that got a new link.
    pub reissued: u64,
    /// Invites whose rules allow none, such as locked ones.
    pub refused: u64,
    /// Where to go on; none: that was all.
    pub next: Option<Uuid>,
}

impl KeyDesk {
    /// No file yet.
    pub fn new() -> KeyDesk {
        KeyDesk::default()
    }

    /// Adds the files that every service has: `wrapping`, `bus` and `http`.
    #[must_use]
    pub fn of_core(self, service: &'static str, core: &Core, http: &Keyring, queue: &'static str) -> KeyDesk {
        let keys = core.log.keys().clone();
        let wrapped = move |id: String| {
            let keys = keys.clone();
            async move { keys.wrapped_under(&id).await.map_err(|error| error.to_string()) }
        };
        let (db, bus) = (core.db.clone(), core.bus.clone());
        let on_the_way = move |id: String| {
            let (db, bus) = (db.clone(), bus.clone());
            async move {
                let parked = parked_under(&db, &id).await.map_err(|error| error.to_string())?;
                Ok(parked + waiting(&bus, queue).await?)
            }
        };
        self.file("wrapping", Some(service), core.log.keys().wrapping(), "data keys", wrapped)
            .file("bus", None, &core.bus_keys, "messages queued or parked", on_the_way)
            .file("http", None, http, "nothing", |_| async { Ok(0) })
    }

    /// Adds a file; of one that several services read, what another service needs it for.
    #[must_use]
    pub fn file<F>(
        mut self,
        which: &'static str,
        service: Option<&'static str>,
        ring: &Keyring,
        needed_by: &'static str,
        uses: impl Fn(String) -> F + Send + Sync + 'static,
    ) -> KeyDesk
    where
        F: Future<Output = Result<i64, Words>> + Send + 'static,
    {
        let uses: (&'static str, Uses) = (needed_by, Arc::new(move |id| Box::pin(uses(id))));
        match self.files.iter_mut().find(|file| file.which == which && file.service == service) {
            Some(file) => file.uses.push(uses),
            None => self.files.push(KeyFile { which, service, ring: ring.clone(), uses: vec![uses] }),
        }
        self
    }

    /// Adds what makes links anew.
    #[must_use]
    pub fn reissue<F>(mut self, reissue: impl Fn(String, Uuid) -> F + Send + Sync + 'static) -> KeyDesk
    where
        F: Future<Output = Result<Reissued, Words>> + Send + 'static,
    {
        self.reissue = Some(Arc::new(move |key, after| Box::pin(reissue(key, after))));
        self
    }

    /// Every key.
    ///
    /// # Errors
    /// A database that is away.
    pub async fn list(&self) -> Result<Vec<KeyTold>, Unchanged> {
        let mut told = Vec::new();
        for file in &self.files {
            for key in file.ring.describe() {
                told.push(KeyTold {
                    which: file.which.to_owned(),
                    service: file.service.map(str::to_owned),
                    needed: file.needed(&key.id).await?,
                    needed_by: file.uses.first().map(|(by, _)| (*by).to_owned()).unwrap_or_default(),
                    id: key.id,
                    active: key.active,
                    seals: key.seals,
                    waits: key.waits,
                });
            }
        }
        Ok(told)
    }

    /// Adds a key to each file that is meant; all keys afterwards.
    ///
    /// # Errors
    /// There is no such file, or it cannot be changed.
    pub async fn rotate(&self, order: &Order) -> Result<Vec<KeyTold>, Unchanged> {
        let wait = TimeDelta::seconds(i64::from(order.after_seconds.unwrap_or(60)));
        for file in self.meant(order)? {
            let id = file.ring.rotate(wait).map_err(|error| refused(&error))?;
            tracing::info!(file = file.which, key = id, "a key was added");
        }
        self.list().await
    }

    /// Removes a key that nothing needs any more; all keys afterwards.
    ///
    /// # Errors
    /// There is no such key, something needs it, or the file cannot be changed.
    pub async fn retire(&self, order: &Order) -> Result<Vec<KeyTold>, Unchanged> {
        let Some(id) = &order.id else { return Err(Unchanged("say which key: its id".to_owned())) };
        for file in self.meant(order)? {
            let needed = file.needed(id).await?;
            if needed > 0 && !order.force {
                let by = file.uses.first().map_or("things", |(by, _)| *by);
                return Err(Unchanged(format!(
                    "{needed} {by} still need the key {id}: see `patient-first keys list`"
                )));
            }
            file.ring.retire(id).map_err(|error| refused(&error))?;
            tracing::info!(file = file.which, key = id, "a key was retired");
        }
        self.list().await
    }

    /// Makes a batch of links anew.
    ///
    /// # Errors
    /// The key still makes links, or a database is away.
    pub async fn reissue_batch(&self, order: &ReissueOrder) -> Result<Reissued, Unchanged> {
        let Some(reissue) = &self.reissue else {
            return Err(Unchanged("this service makes no links: ask invites-service".to_owned()));
        };
        reissue(order.key.clone(), order.after).await.map_err(Unchanged)
    }

    fn meant(&self, order: &Order) -> Result<Vec<&KeyFile>, Unchanged> {
        let is_meant = |file: &&KeyFile| {
            file.which == order.which
                && (order.service.is_none()
                    || file.service.is_none()
                    || order.service.as_deref() == file.service)
        };
        let meant: Vec<&KeyFile> = self.files.iter().filter(is_meant).collect();
        if meant.is_empty() {
            Err(Unchanged(format!("there are no {} keys here", order.which)))
        } else {
            Ok(meant)
        }
    }

    /// The routes, to be put behind the guard of internal routes.
    pub fn router(self) -> Router {
        Router::new()
            .route(
                "/internal/keys",
                get(async |State(desk): State<KeyDesk>| Ok::<_, Problem>(Json(desk.list().await?))),
            )
            .route(
                "/internal/keys/rotate",
                post(async |State(desk): State<KeyDesk>, Json(order): Json<Order>| {
                    Ok::<_, Problem>(Json(desk.rotate(&order).await?))
                }),
            )
            .route(
                "/internal/keys/retire",
                post(async |State(desk): State<KeyDesk>, Json(order): Json<Order>| {
                    Ok::<_, Problem>(Json(desk.retire(&order).await?))
                }),
            )
            .route(
                "/internal/keys/reissue",
                post(async |State(desk): State<KeyDesk>, Json(order): Json<ReissueOrder>| {
                    Ok::<_, Problem>(Json(desk.reissue_batch(&order).await?))
                }),
            )
            .with_state(self)
    }
}

impl KeyFile {
    async fn needed(&self, id: &str) -> Result<i64, Unchanged> {
        let mut needed = 0;
        for (_, uses) in &self.uses {
            needed += uses(id.to_owned()).await.map_err(Unchanged)?;
        }
        Ok(needed)
    }
}

/// Messages in a queue: nobody looks into them, so each may need any key.
async fn waiting(bus: &Bus, queue: &str) -> Result<i64, Words> {
    let depth = bus.depth(queue).await.map_err(|error| error.to_string())?;
    Ok(i64::try_from(depth).unwrap_or(i64::MAX))
}

fn refused(error: &KeyringError) -> Unchanged {
    Unchanged(error.to_string())
}

/// Why nothing was changed, in words for an operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unchanged(Words);

impl std::fmt::Display for Unchanged {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unchanged {}

impl From<Unchanged> for Problem {
    fn from(why: Unchanged) -> Problem {
        Problem::new(StatusCode::CONFLICT, "keys_unchanged", "Nothing was changed").detail(why.0)
    }
}
