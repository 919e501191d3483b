//! How a clinic's headers are to be read, as the clinic said.

use crate::import::columns::Mapping;
use chrono::{DateTime, Utc};
use shared_events::AccountId;
use shared_runtime::db::{Conn, Tx};
use shared_runtime::{execute, fetch_optional};
use sqlx::types::Json;

/// Reads a clinic's mapping; empty where it has none.
pub async fn read(conn: Conn<'_>, account: &AccountId) -> sqlx::Result<Mapping> {
    let row = fetch_optional!(
        conn,
        (Json<Mapping>,),
        "select mapping from import_mappings where account_id = $1",
        account.as_str()
    )?;
    Ok(row.map(|(mapping,)| mapping.0).unwrap_or_default())
}

/// Keeps a clinic's mapping in place of the one before.
pub async fn put(tx: &mut Tx, account: &AccountId, mapping: &Mapping, at: DateTime<Utc>) -> sqlx::Result<()> {
    execute!(
        tx.conn(),
        "insert into import_mappings (account_id, mapping, updated_at) values ($1, $2, $3)
         on conflict (account_id) do update set mapping = excluded.mapping, updated_at = excluded.updated_at",
        account.as_str(),
        Json(mapping),
        at
    )
    .map(drop)
}
