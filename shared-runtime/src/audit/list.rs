//! Rows of one clinic, newest first.

use super::chain::Row;
use crate::db::Conn;
use chrono::{DateTime, Utc};
use sqlx::types::Json;
use uuid::Uuid;

/// Which rows.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// `staff:ID` or `patient`.
    pub actor: Option<String>,
    /// One action.
    pub action: Option<String>,
    /// Those about this thing.
    pub about: Option<Uuid>,
    /// At this time or later.
    pub from: Option<DateTime<Utc>>,
    /// Before this time.
    pub to: Option<DateTime<Utc>>,
    /// After this row, in the order of the list.
    pub after: Option<i64>,
    /// How many.
    pub limit: i64,
}

/// The columns, up to the condition about the thing: $1 clinic, $2 actor, $3 action, $4 from, $5 to, $6 after.
macro_rules! rows_where {
    ($about:literal) => {
        concat!(
            "select id, at, account_id, actor, role, action, ids, request_id, place, hash
               from audit
              where account_id = $1
                and ($2 is null or actor = $2)
                and ($3 is null or action = $3)
                and ($4 is null or at >= $4)
                and ($5 is null or at < $5)
                and ($6 is null or id < $6)",
            $about,
            " order by id desc limit $7"
        )
    };
}

/// A page of a clinic's rows.
///
/// # Errors
/// The database.
pub async fn page(conn: Conn<'_>, account: &str, wanted: &Wanted) -> sqlx::Result<Vec<Row>> {
    // Two texts: PostgreSQL has an index over the lists of ids, SQLite reads the clinic's rows.
    let sql = match (&conn, wanted.about.is_some()) {
        (_, false) => rows_where!(""),
        (Conn::Postgres(_), true) => rows_where!(" and ids @> $8"),
        (Conn::Sqlite(_), true) => {
            rows_where!(" and exists (select 1 from json_each(ids) where value = json_extract($8, '$[0]'))")
        }
    };
    crate::on!(conn, |c| {
        let query = sqlx::query_as::<_, Row>(sql)
            .bind(account)
            .bind(&wanted.actor)
            .bind(&wanted.action)
            .bind(wanted.from)
            .bind(wanted.to)
            .bind(wanted.after)
            .bind(wanted.limit);
        match wanted.about {
            None => query.fetch_all(c).await,
            Some(id) => query.bind(Json(vec![id])).fetch_all(c).await,
        }
    })
}
