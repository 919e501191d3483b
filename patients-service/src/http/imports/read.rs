//! How imports stand, once and live.

use super::found;
use super::views::ImportAnswer;
use crate::http::App;
use crate::store::imports::{self, ends};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use shared_host::requests::{Cause, lost};
use shared_http::cursor::place_of_a_page;
use shared_http::progress::ProgressEvent;
use shared_http::{Caller, CursorScope, Json, Limit, Page, Path, Problem, Query, Standing, Stopping, follow};
use utoipa::IntoParams;
use uuid::Uuid;

/// The most patients that are listed as left alone by undoing.
const LEFT: i64 = 100;

/// How an import stands.
#[utoipa::path(get, path = "/api/imports/{id}", tag = "imports", params(("id" = Uuid, Path)),
    responses((status = 200, body = ImportAnswer)))]
pub async fn one(
    State(app): State<App>,
    caller: Caller,
    cause: Cause,
    Path(id): Path<Uuid>,
) -> Result<Json<ImportAnswer>, Problem> {
    let stands = stand(&app, &caller, id).await?;
    app.saw(&caller, &cause, "import.read", vec![id]).await?;
    Ok(Json(stands))
}

async fn stand(app: &App, caller: &Caller, id: Uuid) -> Result<ImportAnswer, Problem> {
    let standing = found(app, caller, id).await?;
    let left = if standing.undo_kept > 0 {
        let mut reader = app.core.db.read().await.map_err(lost)?;
        ends::left(reader.conn(), id, None, LEFT).await.map_err(lost)?
    } else {
        Vec::new()
    };
    Ok(ImportAnswer::whole(&standing, left))
}

/// Follows an import live: server-sent events, `progress` whenever it moved and `end` when it is done.
#[utoipa::path(get, path = "/api/imports/{id}/events", tag = "imports", params(("id" = Uuid, Path)),
    responses((status = 200, content_type = "text/event-stream", body = ProgressEvent)))]
pub async fn events(
    State(app): State<App>,
    caller: Caller,
    cause: Cause,
    stopping: Stopping,
    Path(id): Path<Uuid>,
) -> Result<Response, Problem> {
    found(&app, &caller, id).await?;
    app.saw(&caller, &cause, "import.followed", vec![id]).await?;
    let look = move || {
        let (app, caller) = (app.clone(), caller.clone());
        async move {
            let told = stand(&app, &caller, id).await?;
            Ok(Standing { ended: told.ended(), told })
        }
    };
    Ok(follow(stopping, look).into_response())
}

/// Place of a page.
#[derive(Debug, Clone, Deserialize, Serialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// How many, 1 to 200; 50 where absent.
    #[serde(default, skip_serializing_if = "place_of_a_page")]
    #[param(value_type = Option<u16>, minimum = 1, maximum = 200)]
    pub limit: Limit,
    /// Where a page ended: the `next_cursor` of the page before.
    #[serde(skip_serializing_if = "place_of_a_page")]
    pub cursor: Option<String>,
}

/// The clinic's imports, newest first.
#[utoipa::path(get, path = "/api/imports", tag = "imports", params(ListQuery),
    responses((status = 200, body = Page<ImportAnswer>)))]
pub async fn list(
    State(app): State<App>,
    caller: Caller,
    cause: Cause,
    Query(query): Query<ListQuery>,
) -> Result<Json<Page<ImportAnswer>>, Problem> {
    let scope = CursorScope::new(&caller.account, "imports", &query)?;
    let last: Option<(DateTime<Utc>, Uuid)> =
        query.cursor.as_deref().map(|cursor| app.cursors.open(&scope, cursor)).transpose()?;
    let mut reader = app.core.db.read().await.map_err(lost)?;
    let rows =
        imports::list(reader.conn(), &caller.account, last, query.limit.and_one()).await.map_err(lost)?;
    drop(reader);
    let page = Page::cut(rows, query.limit, &app.cursors, &scope, |row| (row.created_at, row.id))?;
    app.saw(&caller, &cause, "import.listed", page.items.iter().map(|row| row.id).collect()).await?;
    Ok(Json(page.map(|row| ImportAnswer::brief(&row))))
}
