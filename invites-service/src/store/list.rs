//! Lists of invites: filtered, newest first, by keyset, so that a page costs the same however far it is.

use super::invites::Row;
use crate::invite_columns;
use chrono::{DateTime, Utc};
use shared_events::AccountId;
use shared_runtime::db::Conn;
use shared_runtime::fetch_all;
use uuid::Uuid;

/// What to list.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// One patient's.
    pub patient_id: Option<Uuid>,
    /// One status, expiry counted in: what is past it is `expired`, whether or not the sweeper came by.
    pub status: Option<String>,
    /// One provider's.
    pub provider_id: Option<String>,
    /// Made at or after.
    pub created_after: Option<DateTime<Utc>>,
    /// Made before.
    pub created_before: Option<DateTime<Utc>>,
    /// The last row of the page before.
    pub after: Option<(DateTime<Utc>, Uuid)>,
    /// How many.
    pub limit: i64,
}

const PAGE: &str = concat!(
    "select ",
    invite_columns!(),
    " from invites
      where account_id = $1
        and ($2 is null or patient_id = $2)
        and ($3 is null or (case when status = 'pending' and expires_at <= $4 then 'expired' else status end) = $3)
        and ($5 is null or provider_id = $5)
        and ($6 is null or created_at >= $6)
        and ($7 is null or created_at < $7)
        and ($8 is null or (created_at, id) < ($8, $9))
      order by created_at desc, id desc limit $10"
);

/// One page.
pub async fn page(
    conn: Conn<'_>,
    account: &AccountId,
    wanted: &Wanted,
    now: DateTime<Utc>,
) -> sqlx::Result<Vec<Row>> {
    let after = wanted.after.map(|(at, id)| (Some(at), Some(id))).unwrap_or_default();
    fetch_all!(
        conn,
        Row,
        PAGE,
        account.as_str(),
        wanted.patient_id,
        wanted.status.as_deref(),
        now,
        wanted.provider_id.as_deref(),
        wanted.created_after,
        wanted.created_before,
        after.0,
        after.1,
        wanted.limit
    )
}
