//! One key per person. They are kept wrapped in a database of their own, so that backups of the log
//! never hold them, and destroying one makes every copy of that person's events unreadable.

use super::{ErasuresError, Keyring, keyring::random, seal};
use crate::clock::Clock;
use crate::db::{Db, Rows};
use crate::{execute, fetch_by_ids, fetch_optional};
use chrono::{DateTime, Utc};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// Keys are made this many at a time: one commit per batch instead of one per patient.
const BATCH: usize = 500;
/// How many opened keys are remembered, and for how long at most: the bound on how long another
/// copy of the service can still read an erased person's events.
const REMEMBERED: usize = 20_000;
const REMEMBERED_FOR: Duration = Duration::from_secs(30);

/// A person's key and its id.
#[derive(Clone, Copy)]
pub struct DataKey {
    /// Stands beside every event sealed with it.
    pub id: Uuid,
    pub(crate) key: [u8; 32],
}

impl DataKey {
    /// Seals a block under this key; it opens only with the same `aad`.
    pub fn seal(&self, aad: &[u8], plain: Vec<u8>) -> Vec<u8> {
        seal::seal(&self.key, aad, plain)
    }

    /// Opens what [`DataKey::seal`] sealed.
    pub fn open(&self, aad: &[u8], sealed: &[u8]) -> Result<Vec<u8>, KeysError> {
        seal::open(&self.key, aad, sealed).map_err(|_| KeysError::Unopened(self.id))
    }
}

impl std::fmt::Debug for DataKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DataKey({})", self.id)
    }
}

/// What became of a key that was looked for.
#[derive(Debug, Clone, Copy)]
pub enum Found {
    /// Here it is.
    Key(DataKey),
    /// It was destroyed.
    Erased,
}

/// The keys of one service's persons. Cheap to clone.
#[derive(Clone)]
pub struct DataKeys {
    pub(super) db: Db,
    pub(super) wrapping: Keyring,
    pub(super) clock: Clock,
    spare: Arc<tokio::sync::Mutex<Vec<DataKey>>>,
    known: Arc<Mutex<Known>>,
}

struct Known {
    keys: HashMap<Uuid, DataKey>,
    since: Instant,
}

#[derive(sqlx::FromRow)]
pub(super) struct Row {
    pub(super) key_id: Uuid,
    pub(super) wrapped: Option<Vec<u8>>,
    pub(super) wrapping_key: String,
}

/// Why keys could not be had.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The key database did not answer.
    #[error("the key database: {0}")]
    Db(#[from] sqlx::Error),
    /// A wrapped key does not open: the wrapping key is not the one it was wrapped with.
    #[error(
        "data key {0} does not open with the wrapping keys of this service: is this the right secrets directory?"
    )]
    WrongWrappingKey(Uuid),
    /// A block does not open with the key it names.
    #[error("a block does not open with data key {0}: it was changed")]
    Unopened(Uuid),
    /// An event names a key that the key database never had.
    #[error("data key {0} is not in the key database: was an older backup of it restored?")]
    Missing(Uuid),
    /// The file of erasures.
    #[error(transparent)]
    Erasures(#[from] ErasuresError),
}

impl DataKeys {
    /// Keys kept in `db`, wrapped under `wrapping`.
    pub fn new(db: Db, wrapping: Keyring, clock: Clock) -> DataKeys {
        let known = Known { keys: HashMap::new(), since: Instant::now() };
        DataKeys { db, wrapping, clock, spare: Arc::default(), known: Arc::new(Mutex::new(known)) }
    }

    /// Takes `count` keys that nobody has used. They are durable before this returns.
    pub async fn take(&self, count: usize) -> Result<Vec<DataKey>, KeysError> {
        let mut spare = self.spare.lock().await;
        if spare.len() < count {
            let made = self.make(BATCH.max(count)).await?;
            spare.extend(made);
        }
        let from = spare.len() - count;
        let taken: Vec<DataKey> = spare.drain(from..).collect();
        drop(spare);
        self.remember(&taken);
        Ok(taken)
    }

    async fn make(&self, count: usize) -> Result<Vec<DataKey>, KeysError> {
        let keys: Vec<DataKey> =
            (0..count).map(|_| DataKey { id: self.clock.new_id(), key: random() }).collect();
        let now = self.clock.now();
        let mut tx = self.db.begin().await?;
        tx.insert(self.wrapped(&keys, now), "").await?;
        tx.commit().await?;
        Ok(keys)
    }

    /// Keys as they are kept.
    pub(super) fn wrapped(&self, keys: &[DataKey], now: DateTime<Utc>) -> Rows {
        // The id of the key that did it, in case another one's time comes meanwhile.
        let wrapped: Vec<(String, Vec<u8>)> =
            keys.iter().map(|key| self.wrapping.seal(key.id.as_bytes(), key.key.to_vec())).collect();
        Rows::of("data_keys")
            .from(keys, "key_id", |key| key.id)
            .from(&wrapped, "wrapped", |(_, wrapped)| Some(wrapped.clone()))
            .from(&wrapped, "wrapping_key", |(id, _)| id.clone())
            .from(keys, "made_at", |_| now)
    }

    /// Looks keys up by their ids. One query, or none where all are remembered.
    pub async fn find(&self, ids: &[Uuid]) -> Result<HashMap<Uuid, Found>, KeysError> {
        let mut found = HashMap::with_capacity(ids.len());
        let mut wanted = Vec::new();
        {
            let known = self.known();
            for id in ids {
                match known.keys.get(id) {
                    Some(key) => drop(found.insert(*id, Found::Key(*key))),
                    None => wanted.push(*id),
                }
            }
        }
        wanted.sort_unstable();
        wanted.dedup();
        if wanted.is_empty() {
            return Ok(found);
        }
        let mut reader = self.db.read().await?;
        let rows = fetch_by_ids!(
            reader.conn(),
            Row,
            &wanted,
            "select key_id, wrapped, wrapping_key from data_keys where key_id",
            ""
        )?;
        drop(reader);
        let mut opened = Vec::with_capacity(rows.len());
        for row in rows {
            match self.unwrap(&row)? {
                Some(key) => {
                    opened.push(key);
                    found.insert(key.id, Found::Key(key));
                }
                None => drop(found.insert(row.key_id, Found::Erased)),
            }
        }
        if let Some(missing) = wanted.iter().find(|id| !found.contains_key(id)) {
            return Err(KeysError::Missing(*missing));
        }
        self.remember(&opened);
        Ok(found)
    }

    pub(super) fn unwrap(&self, row: &Row) -> Result<Option<DataKey>, KeysError> {
        let Some(wrapped) = &row.wrapped else { return Ok(None) };
        let wrong = || KeysError::WrongWrappingKey(row.key_id);
        let key = self
            .wrapping
            .open(&row.wrapping_key, row.key_id.as_bytes(), wrapped)
            .map_err(|_| wrong())?
            .try_into()
            .map_err(|_| wrong())?;
        Ok(Some(DataKey { id: row.key_id, key }))
    }

    /// Destroys a key that stands for no person, such as an import's. What was sealed with it can never be read again,
    /// unless a backup brings it back: see [`super::Erasures`].
    pub async fn erase(&self, id: Uuid) -> Result<(), KeysError> {
        let mut tx = self.db.begin().await?;
        let now = self.clock.now();
        execute!(
            tx.conn(),
            "update data_keys set wrapped = null, erased_at = $2 where key_id = $1 and wrapped is not null",
            id,
            now
        )?;
        tx.commit().await?;
        self.forget([&id]);
        Ok(())
    }

    /// Remembers keys no longer.
    pub(super) fn forget<'a>(&self, ids: impl IntoIterator<Item = &'a Uuid>) {
        let mut known = self.known();
        for id in ids {
            known.keys.remove(id);
        }
    }

    /// Opens one stored key, so that a wrong wrapping key is found at the start and not at the first
    /// request.
    pub async fn check(&self) -> Result<(), KeysError> {
        let mut reader = self.db.read().await?;
        let row = fetch_optional!(
            reader.conn(),
            Row,
            "select key_id, wrapped, wrapping_key from data_keys where wrapped is not null
              order by key_id desc limit 1"
        )?;
        row.map_or(Ok(()), |row| self.unwrap(&row).map(drop))
    }

    fn remember(&self, keys: &[DataKey]) {
        let mut known = self.known();
        if known.keys.len() + keys.len() > REMEMBERED {
            known.keys.clear();
        }
        known.keys.extend(keys.iter().map(|key| (key.id, *key)));
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.since.elapsed() > REMEMBERED_FOR {
            known.keys.clear();
            known.since = Instant::now();
        }
        known
    }
}
