//! One row per invite: as it stands, for reading and listing.

use crate::domain::Invite;
use chrono::{DateTime, Utc};
use shared_events::AccountId;
use shared_runtime::db::{Conn, Rows, Tx};
use shared_runtime::{fetch_all, fetch_by_ids, fetch_optional};
use std::collections::HashMap;
use uuid::Uuid;

/// An invite's row.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
#[expect(missing_docs, reason = "named as in the events")]
pub struct Row {
    pub id: Uuid,
    pub account_id: String,
    pub patient_id: Uuid,
    pub version: i64,
    pub status: String,
    pub reason: Option<String>,
    pub provider_id: String,
    pub channel: String,
    pub issue_no: i64,
    pub live_from: i64,
    pub token_key_id: String,
    pub source_patient_version: i64,
    pub failed_attempts: i64,
    pub import_id: Option<Uuid>,
    pub reissue_of: Option<Uuid>,
    pub user_id: Option<Uuid>,
    pub locked_at: Option<DateTime<Utc>>,
    pub help_requested_at: Option<DateTime<Utc>>,
    pub issued_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// The columns of [`Row`].
#[macro_export]
macro_rules! invite_columns {
    () => {
        "id, account_id, patient_id, version, status, reason, provider_id, channel, issue_no, live_from,
         token_key_id, source_patient_version, failed_attempts, import_id, reissue_of, user_id, locked_at,
         help_requested_at, issued_at, expires_at, created_at, updated_at"
    };
}

impl Row {
    /// The row of an invite as its stream tells it.
    pub fn of(id: Uuid, invite: &Invite) -> Row {
        use shared_events::invite::Channel;
        Row {
            id,
            account_id: invite.account.as_str().to_owned(),
            patient_id: invite.facts.patient_id,
            version: invite.version,
            status: invite.facts.status.as_str().to_owned(),
            reason: invite.reason.map(|reason| reason.as_str().to_owned()),
            provider_id: invite.facts.provider_id.clone(),
            channel: match invite.facts.channel {
                Channel::Email => "email".to_owned(),
                Channel::Link => "link".to_owned(),
            },
            issue_no: invite.facts.issue_no.into(),
            live_from: invite.live_from.into(),
            token_key_id: invite.token_key_id.clone(),
            source_patient_version: invite.source_patient_version,
            failed_attempts: invite.failed_attempts.into(),
            import_id: invite.facts.import_id,
            reissue_of: invite.reissue_of,
            user_id: invite.user_id,
            locked_at: invite.locked_at,
            help_requested_at: invite.help_requested_at,
            issued_at: invite.facts.issued_at,
            expires_at: invite.facts.expires_at,
            created_at: invite.created_at,
            updated_at: invite.updated_at,
        }
    }
}

/// Reads an invite of the clinic.
pub async fn find(conn: Conn<'_>, account: &AccountId, id: Uuid) -> sqlx::Result<Option<Row>> {
    fetch_optional!(
        conn,
        Row,
        concat!("select ", invite_columns!(), " from invites where account_id = $1 and id = $2"),
        account.as_str(),
        id
    )
}

/// Whose invite it is: what a command that names one is ordered by. Of any clinic, since a token tells
/// none.
pub async fn patient_of(conn: Conn<'_>, id: Uuid) -> sqlx::Result<Option<(Uuid, String)>> {
    fetch_optional!(conn, (Uuid, String), "select patient_id, account_id from invites where id = $1", id)
}

/// The newest invite of each patient that ever had one.
pub async fn newest_of(conn: Conn<'_>, patients: &[Uuid]) -> sqlx::Result<HashMap<Uuid, Uuid>> {
    let rows = fetch_by_ids!(
        conn,
        (Uuid, Uuid),
        patients,
        "select patient_id, id from invites where patient_id",
        "order by created_at, id"
    )?;
    // The last of each is what stays.
    Ok(rows.into_iter().collect())
}

/// The invites of patients that nobody has ended yet.
pub async fn pending_of(conn: Conn<'_>, patients: &[Uuid]) -> sqlx::Result<Vec<(Uuid, Uuid)>> {
    fetch_by_ids!(
        conn,
        (Uuid, Uuid),
        patients,
        "select id, patient_id from invites where status = 'pending' and patient_id",
        ""
    )
}

/// All invites of patients.
pub async fn all_of(conn: Conn<'_>, patients: &[Uuid]) -> sqlx::Result<Vec<(Uuid, Uuid)>> {
    fetch_by_ids!(conn, (Uuid, Uuid), patients, "select id, patient_id from invites where patient_id", "")
}

/// Invites that lapsed and were not yet said to have, oldest first: invite, patient, clinic.
pub async fn lapsed(
    conn: Conn<'_>,
    now: DateTime<Utc>,
    most: i64,
) -> sqlx::Result<Vec<(Uuid, Uuid, String)>> {
    fetch_all!(
        conn,
        (Uuid, Uuid, String),
        "select id, patient_id, account_id from invites
          where status = 'pending' and expires_at <= $1 order by expires_at, id limit $2",
        now,
        most
    )
}

/// Writes rows: each row once, at its last state.
pub async fn put(tx: &mut Tx, rows: &[Row]) -> sqlx::Result<()> {
    let columns = Rows::of("invites")
        .from(rows, "id", |r| r.id)
        .from(rows, "account_id", |r| r.account_id.clone())
        .from(rows, "patient_id", |r| r.patient_id)
        .from(rows, "version", |r| r.version)
        .from(rows, "status", |r| r.status.clone())
        .from(rows, "reason", |r| r.reason.clone())
        .from(rows, "provider_id", |r| r.provider_id.clone())
        .from(rows, "channel", |r| r.channel.clone())
        .from(rows, "issue_no", |r| r.issue_no)
        .from(rows, "live_from", |r| r.live_from)
        .from(rows, "token_key_id", |r| r.token_key_id.clone())
        .from(rows, "source_patient_version", |r| r.source_patient_version)
        .from(rows, "failed_attempts", |r| r.failed_attempts)
        .from(rows, "import_id", |r| r.import_id)
        .from(rows, "reissue_of", |r| r.reissue_of)
        .from(rows, "user_id", |r| r.user_id)
        .from(rows, "locked_at", |r| r.locked_at)
        .from(rows, "help_requested_at", |r| r.help_requested_at)
        .from(rows, "issued_at", |r| r.issued_at)
        .from(rows, "expires_at", |r| r.expires_at)
        .from(rows, "created_at", |r| r.created_at)
        .from(rows, "updated_at", |r| r.updated_at);
    tx.insert(
        columns,
        "on conflict (id) do update set
            version = excluded.version, status = excluded.status, reason = excluded.reason,
            issue_no = excluded.issue_no, live_from = excluded.live_from,
            token_key_id = excluded.token_key_id, failed_attempts = excluded.failed_attempts,
            user_id = excluded.user_id, locked_at = excluded.locked_at,
            help_requested_at = excluded.help_requested_at, expires_at = excluded.expires_at,
            updated_at = excluded.updated_at
          where invites.version < excluded.version",
    )
    .await
    .map(drop)
}
