//! What is being worked on, over all clinics: counts for operators, nothing of anybody's.

use shared_runtime::db::Db;
use shared_runtime::fetch_one;

/// How many bulk jobs are not at their end.
pub async fn bulk_invites(db: &Db) -> sqlx::Result<i64> {
    let mut reader = db.read().await?;
    let running = "select count(*) from bulk_invites where state not in ('done', 'cancelled')";
    let (count,) = fetch_one!(reader.conn(), (i64,), running)?;
    Ok(count)
}
