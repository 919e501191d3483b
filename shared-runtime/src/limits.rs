//! How often something may be done, kept in the database: over restarts and over copies of a service there is
//! one count.
//!
//! A limit is a leaky bucket, and a bucket is one number: the time at which it will be empty again (the generic
//! cell rate algorithm, ITU-T I.371). Everything done adds its share to that time; what would put it further
//! ahead than the bucket is deep is refused and adds nothing. So a row needs no clean-up to be right: once its
//! time has passed it says nothing.
//!
//! Buckets are named by a keyed hash of limit and subject. No address and no client stands in the database.

use crate::db::{Rows, Tx};
use crate::{execute, fetch_by_ids, fetch_optional};
use aws_lc_rs::hmac;
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;
use uuid::Uuid;

/// How many empty buckets go in one transaction.
const PRUNED_AT_ONCE: i64 = 10_000;

/// So many at once, and so many again in every such time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// What it limits, such as `invite.patient`. Part of every bucket's name.
    pub name: &'static str,
    /// How many may be done at once. At least 1.
    pub burst: u32,
    /// How long it takes until as many may be done again; they come back one by one.
    pub per: TimeDelta,
}

impl Limit {
    /// `burst` in `seconds`.
    pub const fn new(name: &'static str, burst: u32, seconds: i64) -> Limit {
        Limit { name, burst, per: TimeDelta::seconds(seconds) }
    }

    /// What one of them adds, in microseconds.
    fn step(&self) -> i64 {
        let per = self.per.num_microseconds().unwrap_or(i64::MAX / 4);
        (per / i64::from(self.burst.max(1))).max(1)
    }
}

/// Names buckets. Cheap to clone.
#[derive(Clone)]
pub struct Limiter(hmac::Key);

impl Limiter {
    /// Under a key that is not in the database.
    pub fn new(key: &[u8; 32]) -> Limiter {
        Limiter(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    /// The bucket of a limit for a subject: a patient, an address, a clinic, a client.
    pub fn bucket(&self, limit: &Limit, subject: impl AsRef<[u8]>) -> Bucket {
        let mut context = hmac::Context::with_key(&self.0);
        // No name holds a zero byte, so no two pairs run together.
        for part in [limit.name.as_bytes(), &[0], subject.as_ref()] {
            context.update(part);
        }
        let mut id = [0; 16];
        id.copy_from_slice(&context.sign().as_ref()[..16]);
        let step = limit.step();
        Bucket { key: Uuid::from_bytes(id), step, depth: step.saturating_mul(limit.burst.max(1).into()) }
    }
}

impl fmt::Debug for Limiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<key>")
    }
}

/// A limit for one subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bucket {
    key: Uuid,
    step: i64,
    depth: i64,
}

impl Bucket {
    /// Where the bucket stands after one more at `now`; else how long to wait.
    fn after(&self, until: i64, now: i64) -> Result<i64, Duration> {
        let next = until.max(now) + self.step;
        let over = next - now - self.depth;
        if over > 0 { Err(Duration::from_micros(over.unsigned_abs())) } else { Ok(next) }
    }

    /// The bucket may be no further ahead than this for one more to go in.
    fn latest(&self, now: i64) -> i64 {
        now + self.depth - self.step
    }
}

/// Takes one at `now`, in one statement that refuses by itself; else says how long to wait.
pub async fn take(tx: &mut Tx, bucket: &Bucket, now: DateTime<Utc>) -> sqlx::Result<Result<(), Duration>> {
    let now = now.timestamp_micros();
    let taken = execute!(
        tx.conn(),
        "insert into limits (key, until) values ($1, $2 + $3)
         on conflict (key) do update
            set until = (case when limits.until > $2 then limits.until else $2 end) + $3
          where limits.until <= $4",
        bucket.key,
        now,
        bucket.step,
        bucket.latest(now)
    )?;
    if taken == 1 {
        return Ok(Ok(()));
    }
    let sql = "select until from limits where key = $1";
    let row = fetch_optional!(tx.conn(), (i64,), sql, bucket.key)?;
    let wait = bucket.after(row.map_or(now, |(until,)| until), now).err();
    // Emptied between the two statements: the next attempt will be right.
    Ok(Err(wait.unwrap_or(Duration::from_secs(1))))
}

/// Buckets of a group of commands: read and locked together, looked at and filled in memory, written together.
/// What is rolled back has taken nothing.
#[derive(Debug, Default)]
pub struct Levels {
    until: BTreeMap<Uuid, i64>,
    taken: BTreeSet<Uuid>,
}

impl Levels {
    /// Locks and reads buckets, in the order of their keys, so that no two transactions wait for each other in
    /// a circle.
    pub async fn load(tx: &mut Tx, buckets: impl IntoIterator<Item = Bucket>) -> sqlx::Result<Levels> {
        let keys: BTreeSet<Uuid> = buckets.into_iter().map(|bucket| bucket.key).collect();
        let keys: Vec<Uuid> = keys.into_iter().collect();
        if keys.is_empty() {
            return Ok(Levels::default());
        }
        if matches!(tx, Tx::Postgres(_)) {
            // A row that is not there cannot be locked; SQLite's one writer needs neither row nor lock.
            let rows = Rows::of("limits").with("key", keys.clone()).with("until", vec![0_i64; keys.len()]);
            tx.insert(rows, "order by key on conflict (key) do update set until = limits.until").await?;
        }
        let rows =
            fetch_by_ids!(tx.conn(), (Uuid, i64), &keys, "select key, until from limits where key", "")?;
        Ok(Levels { until: rows.into_iter().collect(), taken: BTreeSet::new() })
    }

    /// Whether one more may go in at `now`; else how long to wait.
    pub fn room(&self, bucket: &Bucket, now: DateTime<Utc>) -> Result<(), Duration> {
        bucket.after(self.level(bucket), now.timestamp_micros()).map(drop)
    }

    /// Puts one more in, if there is room.
    pub fn take(&mut self, bucket: &Bucket, now: DateTime<Utc>) {
        if let Ok(until) = bucket.after(self.level(bucket), now.timestamp_micros()) {
            self.until.insert(bucket.key, until);
            self.taken.insert(bucket.key);
        }
    }

    fn level(&self, bucket: &Bucket) -> i64 {
        self.until.get(&bucket.key).copied().unwrap_or(0)
    }

    /// Writes what was taken.
    pub async fn put(self, tx: &mut Tx) -> sqlx::Result<()> {
        let taken: Vec<(Uuid, i64)> =
            self.taken.iter().filter_map(|key| Some((*key, *self.until.get(key)?))).collect();
        let rows =
            Rows::of("limits")
                .from(&taken, "key", |(key, _)| *key)
                .from(&taken, "until", |(_, until)| *until);
        tx.insert(rows, "on conflict (key) do update set until = excluded.until").await.map(drop)
    }
}

/// Drops buckets that are empty at `now`; returns how many.
pub async fn prune(tx: &mut Tx, now: DateTime<Utc>) -> sqlx::Result<u64> {
    // What is being filled at this moment is left alone: waiting for it could end in a circle.
    const POSTGRES: &str = "delete from limits where key in
        (select key from limits where until <= $1 order by key limit $2 for update skip locked)";
    const SQLITE: &str =
        "delete from limits where key in (select key from limits where until <= $1 order by key limit $2)";
    let sql = if matches!(tx, Tx::Postgres(_)) { POSTGRES } else { SQLITE };
    execute!(tx.conn(), sql, now.timestamp_micros(), PRUNED_AT_ONCE)
}
