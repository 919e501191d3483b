//! Numbering: giving committed events their place in the global order.
//!
//! On PostgreSQL the relay does it after the commit, under a lock that is a statement of its own: the
//! next statement then sees all that committed before the lock was had, so no event committed late is
//! ever skipped, and a stream's own order is never contradicted (a snapshot that sees version 6 of a
//! stream sees version 5, which has the smaller id). Merging both statements numbers twice under two
//! sequencers. On SQLite events are numbered as they are appended.

use super::Log;
use crate::db::Tx;
use sqlx::{Postgres, Transaction};

/// How many events are numbered in one transaction.
const BATCH: i64 = 1000;

impl Log {
    /// Numbers what is committed and not yet numbered, one batch. `Ok(None)` where `epoch` is no longer
    /// the relay's: another copy of the service has taken over.
    pub async fn number(&self, tx: &mut Tx, epoch: i64) -> sqlx::Result<Option<u64>> {
        match tx {
            Tx::Sqlite(_) => Ok(Some(0)),
            Tx::Postgres(tx) => number_on_postgres(tx, epoch).await,
        }
    }
}

async fn number_on_postgres(
    tx: &mut Transaction<'static, Postgres>,
    epoch: i64,
) -> sqlx::Result<Option<u64>> {
    let locked: Option<i64> = sqlx::query_scalar("select next_seq from relay where epoch = $1 for update")
        .bind(epoch)
        .fetch_optional(&mut **tx)
        .await?;
    let Some(next) = locked else { return Ok(None) };
    let numbered = sqlx::query(
        "with batch as (
             select id, row_number() over (order by id) as place
               from (select id from events where global_seq is null order by id limit $2) unnumbered
         )
         update events set global_seq = $1 + batch.place - 1
           from batch where events.id = batch.id and events.global_seq is null",
    )
    // Planned anew each time: a plan made while the table was empty reads all of it, and an import fills it faster
    // than statistics follow.
    .persistent(false)
    .bind(next)
    .bind(BATCH)
    .execute(&mut **tx)
    .await?
    .rows_affected();
    if numbered > 0 {
        sqlx::query("update relay set next_seq = next_seq + $1")
            .bind(i64::try_from(numbered).unwrap_or(i64::MAX))
            .execute(&mut **tx)
            .await?;
    }
    Ok(Some(numbered))
}
