//! Destroying keys so that no restored backup brings one back.
//!
//! First the tombstone goes into the file of erasures and onto the disk, then, in one transaction of the key
//! database, the key goes and the tombstone is noted there as well. A kill between the two leaves a file that
//! is ahead: whoever comes next carries it out. A database that was restored looks the same, so it is mended
//! the same way. A file that is behind was lost, and nobody can say what it told: then nothing is served.

use super::erasure_file::{ErasureFile, ErasuresError, Tombstone};
use super::{DataKeys, KeysError};
use crate::db::{Rows, Tx};
use crate::{execute, fetch_all, fetch_optional};
use chrono::{DateTime, Utc};
use std::collections::HashSet;
use uuid::Uuid;

/// How many keys are looked up in one statement.
const BATCH: usize = 500;

/// Destroys keys of one service. Cheap to clone.
#[derive(Clone)]
pub struct Erasures {
    service: &'static str,
    keys: DataKeys,
    file: ErasureFile,
}

#[derive(sqlx::FromRow)]
struct Recorded {
    place: i64,
    chain: Vec<u8>,
}

#[derive(sqlx::FromRow)]
struct Row {
    key_id: Uuid,
    erasure_id: Uuid,
    erased_at: DateTime<Utc>,
}

impl Erasures {
    /// Of the keys of `service`, with the file at which tombstones are kept.
    pub fn new(service: &'static str, keys: DataKeys, file: ErasureFile) -> Erasures {
        Erasures { service, keys, file }
    }

    /// Destroys keys for an erasure; those that are destroyed already stay so. What was sealed with them can never be
    /// read again.
    ///
    /// # Errors
    /// The file cannot be written or is behind the key database; the key database is away.
    pub async fn destroy(&self, erasure: Uuid, keys: &[Uuid]) -> Result<(), KeysError> {
        self.settle(true, erasure, keys).await.map(drop)
    }

    /// Carries out what the file tells beyond the key database: after a kill half way, and after a restore. Returns how
    /// many tombstones there were.
    ///
    /// # Errors
    /// As [`Erasures::destroy`].
    pub async fn reconcile(&self) -> Result<usize, KeysError> {
        self.settle(false, Uuid::nil(), &[]).await
    }

    async fn settle(&self, write: bool, erasure: Uuid, keys: &[Uuid]) -> Result<usize, KeysError> {
        let mut tx = self.keys.db.begin().await?;
        if let Tx::Postgres(_) = tx {
            // One copy of the service at a time, and a statement of its own: what is read next was committed before.
            execute!(tx.conn(), "lock table erased_keys in exclusive mode")?;
        }
        let head = fetch_optional!(
            tx.conn(),
            Recorded,
            "select place, chain from erased_keys order by place desc limit 1"
        )?;
        let mut held = self.file.hold(write)?;
        let mut told = held.tombstones(self.service)?;
        let recorded = self.agreed(&told, head.as_ref())?;
        let known: HashSet<Uuid> = told.iter().map(|tombstone| tombstone.key).collect();
        let now = self.keys.clock.now();
        let before = told.len();
        for key in keys.iter().filter(|key| !known.contains(key)) {
            told.push(Tombstone::after(told.last(), self.service, *key, erasure, now));
        }
        held.append(self.service, &told[before..])?;
        drop(held);
        let carried_out = told.len() - recorded;
        self.carry_out(&mut tx, recorded, &told[recorded..]).await?;
        tx.commit().await?;
        self.keys.forget(told[recorded..].iter().map(|tombstone| &tombstone.key).chain(keys));
        Ok(carried_out)
    }

    /// How many tombstones the key database has noted, where the file tells the same of them.
    fn agreed(&self, told: &[Tombstone], head: Option<&Recorded>) -> Result<usize, ErasuresError> {
        let Some(head) = head else { return Ok(0) };
        let recorded = usize::try_from(head.place).unwrap_or(usize::MAX);
        match recorded.checked_sub(1).and_then(|last| told.get(last)) {
            Some(tombstone) if tombstone.chain.as_slice() == head.chain => Ok(recorded),
            other => Err(ErasuresError::Behind {
                path: self.file.path().to_owned(),
                service: self.service.to_owned(),
                recorded,
                found: if other.is_some() { 0 } else { told.len() },
            }),
        }
    }

    async fn carry_out(&self, tx: &mut Tx, recorded: usize, tombstones: &[Tombstone]) -> sqlx::Result<()> {
        let places: Vec<i64> =
            (recorded + 1..).take(tombstones.len()).filter_map(|place| i64::try_from(place).ok()).collect();
        let rows = Rows::of("erased_keys")
            .with("place", places)
            .from(tombstones, "key_id", |tombstone| tombstone.key)
            .from(tombstones, "erasure_id", |tombstone| tombstone.erasure)
            .from(tombstones, "erased_at", |tombstone| tombstone.at)
            .from(tombstones, "chain", |tombstone| tombstone.chain.to_vec());
        tx.insert(rows, "").await?;
        execute!(
            tx.conn(),
            "update data_keys
                set wrapped = null,
                    erased_at = (select e.erased_at from erased_keys e where e.key_id = data_keys.key_id)
              where wrapped is not null and key_id in (select key_id from erased_keys where place > $1)",
            i64::try_from(recorded).unwrap_or(i64::MAX)
        )
        .map(drop)
    }

    /// Keys that were destroyed and the erasures for which, some at a time: after `place`, and the place of the last.
    pub async fn told_after(&self, place: i64) -> Result<(i64, Vec<(Uuid, Uuid)>), KeysError> {
        let mut reader = self.keys.db.read().await?;
        let rows = fetch_all!(
            reader.conn(),
            Row,
            "select key_id, erasure_id, erased_at from erased_keys where place > $1 order by place limit $2",
            place,
            BATCH as i64
        )?;
        let last = place + i64::try_from(rows.len()).unwrap_or(i64::MAX);
        Ok((last, rows.into_iter().map(|row| (row.key_id, row.erasure_id)).collect()))
    }

    /// Writes the file anew from the key database: for one that is lost while the database never was restored. Returns
    /// how many lines were written.
    ///
    /// # Errors
    /// The file cannot be written, or tells something else than the database.
    pub async fn rebuild(&self) -> Result<usize, KeysError> {
        let mut reader = self.keys.db.read().await?;
        let rows = fetch_all!(
            reader.conn(),
            Row,
            "select key_id, erasure_id, erased_at from erased_keys order by place"
        )?;
        drop(reader);
        let mut all: Vec<Tombstone> = Vec::with_capacity(rows.len());
        for row in rows {
            all.push(Tombstone::after(all.last(), self.service, row.key_id, row.erasure_id, row.erased_at));
        }
        let mut held = self.file.hold(true)?;
        let kept = held.tombstones(self.service)?;
        if kept.iter().zip(&all).any(|(kept, one)| kept != one) {
            return Err(ErasuresError::Changed { path: self.file.path().to_owned(), line: 1 }.into());
        }
        let missing = all.get(kept.len()..).unwrap_or_default();
        held.append(self.service, missing)?;
        Ok(missing.len())
    }
}
