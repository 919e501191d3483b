//! Lists of patients: filtered, sorted, by keyset, so that a page costs the same however far it is.

use super::patients::Row;
use crate::patient_columns;
use chrono::{DateTime, Utc};
use shared_events::AccountId;
use shared_runtime::db::Conn;
use shared_runtime::fetch_all;
use uuid::Uuid;

/// What to list.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Part of a name, an address or an external id.
    pub search: Option<String>,
    /// One status; archived patients are left out unless asked for.
    pub status: Option<String>,
    /// With or without an open invite.
    pub has_pending_invite: Option<bool>,
    /// One clinician's.
    pub clinician_id: Option<String>,
    /// Those that staff must complete.
    pub incomplete: Option<bool>,
    /// The order.
    pub sort: Sort,
    /// The last row of the page before.
    pub after: Option<Key>,
    /// How many.
    pub limit: i64,
}

/// An order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[expect(missing_docs, reason = "each variant is named after what it sorts by")]
pub enum Sort {
    #[default]
    Name,
    NameDown,
    Created,
    CreatedDown,
}

/// Where a page ended.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub enum Key {
    /// By name.
    Name(String, Uuid),
    /// By time of creation.
    Created(DateTime<Utc>, Uuid),
}

impl Sort {
    /// Where the page after this row begins.
    pub fn key(self, row: &Row) -> Key {
        match self {
            Sort::Name | Sort::NameDown => Key::Name(row.sort_name.clone(), row.id),
            Sort::Created | Sort::CreatedDown => Key::Created(row.created_at, row.id),
        }
    }
}

macro_rules! page {
    ($column:literal, $beyond:literal, $direction:literal) => {
        concat!(
            "select * from (select ",
            patient_columns!(),
            " from patients p
               where p.account_id = $1
                 and ($3 is null or p.search like $3 escape '\\')
                 and (case when $4 is null then p.status <> 'inactive' else p.status = $4 end)
                 and ($5 is null or p.clinician_id = $5)
                 and ($6 is null or p.incomplete = $6)
                 and ($8 is null or (p.",
            $column,
            ", p.id) ",
            $beyond,
            " ($8, $9))) q
              where ($7 is null or q.has_pending_invite = $7)
              order by q.",
            $column,
            " ",
            $direction,
            ", q.id ",
            $direction,
            " limit $10"
        )
    };
}

/// One page.
pub async fn page(
    conn: Conn<'_>,
    account: &AccountId,
    wanted: &Wanted,
    now: DateTime<Utc>,
) -> sqlx::Result<Vec<Row>> {
    let pattern = wanted.search.as_deref().map(contains);
    macro_rules! run {
        ($sql:expr, $key:expr, $id:expr) => {
            fetch_all!(
                conn,
                Row,
                $sql,
                account.as_str(),
                now,
                pattern.as_deref(),
                wanted.status.as_deref(),
                wanted.clinician_id.as_deref(),
                wanted.incomplete,
                wanted.has_pending_invite,
                $key,
                $id,
                wanted.limit
            )
        };
    }
    let by_name = match &wanted.after {
        Some(Key::Name(name, id)) => (Some(name.as_str()), Some(*id)),
        _ => (None, None),
    };
    let by_age = match &wanted.after {
        Some(Key::Created(at, id)) => (Some(*at), Some(*id)),
        _ => (None, None),
    };
    match wanted.sort {
        Sort::Name => run!(page!("sort_name", ">", "asc"), by_name.0, by_name.1),
        Sort::NameDown => run!(page!("sort_name", "<", "desc"), by_name.0, by_name.1),
        Sort::Created => run!(page!("created_at", ">", "asc"), by_age.0, by_age.1),
        Sort::CreatedDown => run!(page!("created_at", "<", "desc"), by_age.0, by_age.1),
    }
}

/// A pattern for LIKE that finds `text` anywhere, its own wildcards made plain.
fn contains(text: &str) -> String {
    let text = shared_events::values::normalise(text);
    let plain = text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    format!("%{plain}%")
}
