//! `/api/import-mappings`: how the clinic's headers are to be read, so that nobody need say it again.

use super::views::Mappings;
use crate::http::App;
use crate::store::imports::mappings;
use axum::extract::State;
use shared_host::requests::{Cause, lost, staff};
use shared_http::{Caller, FieldError, Json, Problem};
use shared_runtime::audit::{self, Entry};

/// The most headers that are remembered.
const MOST: usize = 500;
/// The most characters of a header.
const LONGEST: usize = 200;

/// How the clinic's headers are to be read.
#[utoipa::path(get, path = "/api/import-mappings", tag = "imports", responses((status = 200, body = Mappings)))]
pub async fn read(State(app): State<App>, caller: Caller, cause: Cause) -> Result<Json<Mappings>, Problem> {
    let mut reader = app.core.db.read().await.map_err(lost)?;
    let mapping = mappings::read(reader.conn(), &caller.account).await.map_err(lost)?;
    drop(reader);
    app.saw(&caller, &cause, "import_mappings.read", Vec::new()).await?;
    Ok(Json(Mappings { mapping }))
}

/// Says how the clinic's headers are to be read from now on, in place of what was said before. A mapping that comes with a
/// file goes before it.
#[utoipa::path(put, path = "/api/import-mappings", tag = "imports", request_body = Mappings,
    responses((status = 200, body = Mappings)))]
pub async fn replace(
    State(app): State<App>,
    caller: Caller,
    cause: Cause,
    Json(body): Json<Mappings>,
) -> Result<Json<Mappings>, Problem> {
    check(&body)?;
    let mut tx = app.core.db.begin().await.map_err(lost)?;
    mappings::put(&mut tx, &caller.account, &body.mapping, app.core.clock.now()).await.map_err(lost)?;
    let (meta, now) = (cause.meta(staff(&caller)), app.core.clock.now());
    let entry = Entry::of(&meta, &caller.account, now, "import_mappings.replaced", Vec::new());
    audit::write(&mut tx, entry.as_slice()).await.map_err(lost)?;
    tx.commit().await.map_err(lost)?;
    Ok(Json(body))
}

fn check(body: &Mappings) -> Result<(), Problem> {
    let usable = |header: &String| {
        !header.trim().is_empty() && header.chars().count() <= LONGEST && !header.contains(char::is_control)
    };
    let words = if body.mapping.len() > MOST {
        "must name at most 500 headers"
    } else if !body.mapping.keys().all(usable) {
        "must name headers of 1 to 200 characters, none of them a control character"
    } else {
        return Ok(());
    };
    Err(Problem::invalid_body(vec![FieldError::new("/mapping", "invalid_value", words)]))
}
