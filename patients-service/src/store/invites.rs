//! What the bus says of invites: a versioned register, one row per invite. `has_pending_invite` is read
//! from it, so the order and the number of deliveries do not matter.

use chrono::{DateTime, Utc};
use shared_runtime::Tx;
use shared_runtime::db::Rows;
use uuid::Uuid;

/// An invite as an event told it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The invite.
    pub invite: Uuid,
    /// Whose.
    pub patient: Uuid,
    /// The clinic.
    pub account: String,
    /// The event's place in the invite's stream.
    pub version: i64,
    /// Whether it is open.
    pub pending: bool,
    /// When it lapses.
    pub expires_at: DateTime<Utc>,
}

/// Keeps the newest of what was told.
pub async fn put(tx: &mut Tx, told: &[Told]) -> sqlx::Result<()> {
    // One statement may touch a row once: the newest of each invite stands for its older ones.
    let mut newest: std::collections::BTreeMap<Uuid, &Told> = std::collections::BTreeMap::new();
    for one in told {
        let kept = newest.entry(one.invite).or_insert(one);
        if kept.version < one.version {
            *kept = one;
        }
    }
    let told: Vec<&Told> = newest.into_values().collect();
    let rows = Rows::of("patient_invite")
        .from(&told, "invite_id", |t| t.invite)
        .from(&told, "patient_id", |t| t.patient)
        .from(&told, "account_id", |t| t.account.clone())
        .from(&told, "version", |t| t.version)
        .from(&told, "pending", |t| t.pending)
        .from(&told, "expires_at", |t| t.expires_at);
    tx.insert(
        rows,
        "on conflict (invite_id) do update
            set version = excluded.version, pending = excluded.pending, expires_at = excluded.expires_at
          where patient_invite.version < excluded.version",
    )
    .await
    .map(drop)
}
