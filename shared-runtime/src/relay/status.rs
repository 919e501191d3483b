//! How far the relay is, for operators and tests.

use crate::db::Db;
use crate::fetch_one;
use uuid::Uuid;

/// How far the relay is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::FromRow)]
pub struct RelayStatus {
    /// The log's name: another one after a database was set up anew.
    pub log_id: Uuid,
    /// The last number given out.
    pub head: i64,
    /// The last event confirmed by the bus.
    pub published: i64,
    /// Committed, not numbered yet.
    pub unnumbered: i64,
}

impl RelayStatus {
    /// Reads it.
    pub async fn read(db: &Db) -> sqlx::Result<RelayStatus> {
        let mut reader = db.read().await?;
        fetch_one!(
            reader.conn(),
            RelayStatus,
            "select log_id, next_seq - 1 as head, published,
                    (select count(*) from events where global_seq is null) as unnumbered
               from relay"
        )
    }

    /// Events that were committed, ever.
    pub fn events(&self) -> i64 {
        self.head + self.unnumbered
    }

    /// Events that wait to be sent.
    pub fn waiting(&self) -> i64 {
        self.head - self.published + self.unnumbered
    }
}
