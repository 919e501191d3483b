//! Wrapping keys anew, after the wrapping key was rotated: in the background, some at a time.

use super::data_keys::{DataKey, DataKeys, KeysError, Row};
use crate::{fetch_all, fetch_one};
use chrono::Utc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Keys that are wrapped anew in one transaction.
const BATCH: i64 = 500;
/// How often it is looked whether another key wraps now.
const LOOK_EVERY: Duration = Duration::from_secs(3);

impl DataKeys {
    /// Wraps anew what an older key wrapped, until `stop`.
    ///
    /// # Errors
    /// The key database is away, or a key does not open.
    pub async fn rewrap(&self, stop: &CancellationToken) -> Result<(), KeysError> {
        while !stop.is_cancelled() {
            while self.rewrap_once().await? > 0 && !stop.is_cancelled() {}
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
        Ok(())
    }

    /// Wraps some keys anew; how many. 0: the newest wraps all of them.
    ///
    /// # Errors
    /// As [`DataKeys::rewrap`].
    pub async fn rewrap_once(&self) -> Result<usize, KeysError> {
        for old in self.wrapping.describe().into_iter().filter(|key| !key.seals && !key.waits) {
            let mut reader = self.db.read().await?;
            let rows = fetch_all!(
                reader.conn(),
                Row,
                "select key_id, wrapped, wrapping_key from data_keys
                  where wrapping_key = $1 and wrapped is not null limit $2",
                &old.id,
                BATCH
            )?;
            drop(reader);
            if rows.is_empty() {
                continue;
            }
            let mut opened: Vec<DataKey> = Vec::with_capacity(rows.len());
            for row in &rows {
                opened.extend(self.unwrap(row)?);
            }
            // In one order for all, so that no two copies wait for each other.
            opened.sort_by_key(|key| key.id);
            let mut tx = self.db.begin().await?;
            // An upsert of rows that are all there, because it is the one form of update that takes many rows. One that
            // was destroyed meanwhile stays destroyed.
            let rows = self.wrapped(&opened, chrono::DateTime::<Utc>::UNIX_EPOCH);
            tx.insert(
                rows,
                "on conflict (key_id) do update set wrapped = excluded.wrapped, wrapping_key = excluded.wrapping_key
                  where data_keys.wrapped is not null",
            )
            .await?;
            tx.commit().await?;
            return Ok(opened.len());
        }
        Ok(0)
    }

    /// How many keys a wrapping key wraps.
    ///
    /// # Errors
    /// The key database is away.
    pub async fn wrapped_under(&self, id: &str) -> Result<i64, KeysError> {
        let mut reader = self.db.read().await?;
        let sql = "select count(*) from data_keys where wrapping_key = $1 and wrapped is not null";
        let (count,) = fetch_one!(reader.conn(), (i64,), sql, id)?;
        Ok(count)
    }

    /// The keys that wrap.
    pub fn wrapping(&self) -> &super::Keyring {
        &self.wrapping
    }
}
