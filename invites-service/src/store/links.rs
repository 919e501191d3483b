//! Which links died because a newer one was mailed: a maximum per invite, told by the mailer.

use chrono::{DateTime, Utc};
use shared_runtime::Tx;
use shared_runtime::db::{Conn, Rows};
use shared_runtime::{fetch_all, fetch_by_ids, fetch_one};
use std::collections::{BTreeMap, HashMap};
use uuid::Uuid;

/// A mail with this link was queued.
#[derive(Debug, Clone, Copy)]
pub struct Mailed {
    /// The invite.
    pub invite: Uuid,
    /// Which of its links.
    pub issue_no: i32,
}

/// Up to which issue number each invite was mailed; one that is not in the answer never was.
pub async fn of(conn: Conn<'_>, invites: &[Uuid]) -> sqlx::Result<HashMap<Uuid, i32>> {
    let rows = fetch_by_ids!(
        conn,
        (Uuid, i64),
        invites,
        "select invite_id, mailed_issue from invite_links where invite_id",
        ""
    )?;
    Ok(rows.into_iter().map(|(id, issue)| (id, i32::try_from(issue).unwrap_or(i32::MAX))).collect())
}

/// Keeps the newest of what was told.
pub async fn put(tx: &mut Tx, mailed: &[Mailed]) -> sqlx::Result<()> {
    let mut newest: BTreeMap<Uuid, i32> = BTreeMap::new();
    for one in mailed {
        let kept = newest.entry(one.invite).or_insert(one.issue_no);
        *kept = (*kept).max(one.issue_no);
    }
    let newest: Vec<(Uuid, i32)> = newest.into_iter().collect();
    let rows = Rows::of("invite_links").from(&newest, "invite_id", |(id, _)| *id).from(
        &newest,
        "mailed_issue",
        |(_, issue)| i64::from(*issue),
    );
    tx.insert(
        rows,
        "on conflict (invite_id) do update set mailed_issue = excluded.mailed_issue
          where invite_links.mailed_issue < excluded.mailed_issue",
    )
    .await
    .map(drop)
}

/// Open invites whose newest link a key made, after `after` in the order of their ids: invite, patient, clinic.
pub async fn open_under(
    conn: Conn<'_>,
    key: &str,
    after: Uuid,
    now: DateTime<Utc>,
    most: i64,
) -> sqlx::Result<Vec<(Uuid, Uuid, String)>> {
    fetch_all!(
        conn,
        (Uuid, Uuid, String),
        "select id, patient_id, account_id from invites
          where status = 'pending' and expires_at > $1 and token_key_id = $2 and id > $3 order by id limit $4",
        now,
        key,
        after,
        most
    )
}

/// How many open invites a key made the newest link of.
pub async fn count_under(conn: Conn<'_>, key: &str, now: DateTime<Utc>) -> sqlx::Result<i64> {
    let sql =
        "select count(*) from invites where status = 'pending' and expires_at > $1 and token_key_id = $2";
    let (count,) = fetch_one!(conn, (i64,), sql, now, key)?;
    Ok(count)
}
