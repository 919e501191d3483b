//! The lease that lets one relay work. Its epoch fences: a relay paused past its lease finds another
//! epoch in the row, and can neither number nor move the cursor.
//!
//! Time is the database's own, so that machines need not agree on it.

use super::RelayError;
use crate::db::{Conn, Db};
use crate::execute;
use std::time::Duration;
use uuid::Uuid;

const LASTS_MS: i64 = 2_500;
const RENEW_EVERY: Duration = Duration::from_millis(600);

/// The database's clock in milliseconds, spliced into a statement for either side.
macro_rules! with_now {
    ($conn:expr, |$c:ident, $sql:ident| $body:expr, $head:literal, $tail:literal) => {
        match $conn {
            Conn::Postgres($c) => {
                const $sql: &str =
                    concat!($head, "(extract(epoch from clock_timestamp()) * 1000)::bigint", $tail);
                $body
            }
            Conn::Sqlite($c) => {
                const $sql: &str =
                    concat!($head, "cast(unixepoch('now', 'subsec') * 1000 as integer)", $tail);
                $body
            }
        }
    };
}

/// A lease that was had.
#[derive(Debug)]
pub(super) struct Lease {
    pub(super) epoch: i64,
}

impl Lease {
    /// Takes the lease if it is free or has run out.
    pub(super) async fn acquire(db: &Db, owner: Uuid) -> sqlx::Result<Option<Lease>> {
        let mut tx = db.begin().await?;
        let epoch: Option<i64> = with_now!(
            tx.conn(),
            |c, SQL| sqlx::query_scalar(SQL).bind(owner.to_string()).bind(LASTS_MS).fetch_optional(c).await,
            "with clock as (select ",
            " as now)
             update relay set epoch = epoch + 1, owner = $1, lease_until = (select now from clock) + $2
              where lease_until < (select now from clock)
                 or lease_until > (select now from clock) + 60000 -- the clock was set back
             returning epoch"
        )?;
        tx.commit().await?;
        Ok(epoch.map(|epoch| Lease { epoch }))
    }

    /// Renews it for ever; ends when that fails.
    pub(super) async fn keep(&self, db: &Db) -> Result<(), RelayError> {
        loop {
            tokio::time::sleep(RENEW_EVERY).await;
            let renewed = tokio::time::timeout(RENEW_EVERY * 2, self.renew(db)).await;
            match renewed {
                Ok(Ok(true)) => {}
                Ok(Ok(false)) | Err(_) => return Err(RelayError::Deposed),
                Ok(Err(error)) => return Err(error.into()),
            }
        }
    }

    async fn renew(&self, db: &Db) -> sqlx::Result<bool> {
        let mut tx = db.begin().await?;
        let renewed = with_now!(
            tx.conn(),
            |c, SQL| sqlx::query(SQL)
                .bind(self.epoch)
                .bind(LASTS_MS)
                .execute(c)
                .await
                .map(|d| d.rows_affected()),
            "update relay set lease_until = $2 + ",
            " where epoch = $1"
        )?;
        tx.commit().await?;
        Ok(renewed == 1)
    }

    /// Gives it back.
    pub(super) async fn release(self, db: &Db) -> sqlx::Result<()> {
        let mut tx = db.begin().await?;
        execute!(tx.conn(), "update relay set lease_until = 0 where epoch = $1", self.epoch)?;
        tx.commit().await
    }
}

/// Moves the cursor to `to`. [`RelayError::Deposed`] where the epoch is no longer ours.
pub(super) async fn move_cursor(db: &Db, epoch: i64, to: i64) -> Result<(), RelayError> {
    let mut tx = db.begin().await?;
    let moved = execute!(
        tx.conn(),
        "update relay set published = $2 where epoch = $1 and published < $2",
        epoch,
        to
    )?;
    tx.commit().await?;
    if moved == 1 { Ok(()) } else { Err(RelayError::Deposed) }
}

/// The relay that has the lease now, by the name it took for this turn; none between two turns.
pub async fn owner(db: &Db) -> sqlx::Result<Option<String>> {
    let mut reader = db.read().await?;
    with_now!(
        &mut reader.conn(),
        |c, SQL| sqlx::query_scalar(SQL).fetch_optional(&mut **c).await,
        "select owner from relay where lease_until >= ",
        ""
    )
}
