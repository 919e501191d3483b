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
    /// One invite.
    pub id: Option<Uuid>,
    /// One patient's.
    pub patient_id: Option<Uuid>,
    /// One status, expiry counted in: what is past it is `expired`, whether or not the sweeper came by.
    pub status: Option<String>,
    /// One problem, or `any`.
    pub problem: Option<String>,
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

/// An invite, and why its patient needs help.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct Listed {
    /// The invite.
    #[sqlx(flatten)]
    pub row: Row,
    /// `locked`, `bounced`, `failed`, `help_requested` or `expired_unanswered`.
    pub problem: Option<String>,
}

/// What of an invite needs a person: an open one that is locked, whose newest mail did not get through, or whose patient asks for
/// a link that could not be sent; or the last one of a patient without a login, if it lapsed or the patient asks for a link.
macro_rules! problem {
    () => {
        "case
           when status = 'pending' and expires_at > $4 then coalesce(
             case when locked_at is not null then 'locked' end,
             (select case when d.state in ('bounced', 'failed') then d.state end
                from deliveries d where d.invite_id = invites.id and d.issue_no = invites.issue_no
               order by coalesce(d.queued_at, d.updated_at) desc, d.id desc limit 1),
             case when help_requested_at is not null then 'help_requested' end)
           when status <> 'accepted'
                and not exists (select 1 from invites later where later.patient_id = invites.patient_id
                                   and (later.created_at, later.id) > (invites.created_at, invites.id))
           then (select case when help_requested_at is not null and p.status in ('pending', 'inactive')
                             then 'help_requested'
                             when invites.status in ('pending', 'expired') and p.status = 'pending'
                             then 'expired_unanswered' end
                   from known_patients p where p.id = invites.patient_id and p.user_id is null)
         end"
    };
}

const PAGE: &str = concat!(
    "select * from (select ",
    invite_columns!(),
    ", ",
    problem!(),
    " as problem from invites
      where account_id = $1
        and ($2 is null or patient_id = $2)
        and ($3 is null or (case when status = 'pending' and expires_at <= $4 then 'expired' else status end) = $3)
        and ($5 is null or provider_id = $5)
        and ($6 is null or created_at >= $6)
        and ($7 is null or created_at < $7)
        and ($8 is null or (created_at, id) < ($8, $9))
        and ($10 is null or id = $10)) as listed
      where $11 is null or problem = $11 or ($11 = 'any' and problem is not null)
      order by created_at desc, id desc limit $12"
);

/// One page.
pub async fn page(
    conn: Conn<'_>,
    account: &AccountId,
    wanted: &Wanted,
    now: DateTime<Utc>,
) -> sqlx::Result<Vec<Listed>> {
    let after = wanted.after.map(|(at, id)| (Some(at), Some(id))).unwrap_or_default();
    fetch_all!(
        conn,
        Listed,
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
        wanted.id,
        wanted.problem.as_deref(),
        wanted.limit
    )
}
