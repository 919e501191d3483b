//! What is being worked on, over all clinics: counts for operators, nothing of anybody's.

use shared_runtime::db::Db;
use shared_runtime::fetch_one;

/// How many imports are not at their end.
pub async fn imports(db: &Db) -> sqlx::Result<i64> {
    let mut reader = db.read().await?;
    let running = "select count(*) from imports where state not in ('done', 'failed', 'undone')";
    let (count,) = fetch_one!(reader.conn(), (i64,), running)?;
    Ok(count)
}

/// How many erasures have something left to be done here.
pub async fn erasures(db: &Db) -> sqlx::Result<i64> {
    let mut reader = db.read().await?;
    super::erasures::at_work(reader.conn()).await
}
