//! `/api/audit/patients`: who read or changed what, here.

use super::App;
use axum::extract::State;
use shared_host::audit::{AuditQuery, AuditRow, page};
use shared_host::requests::Cause;
use shared_http::{Caller, Json, Page, Problem, Query};

/// Who read or changed patients, imports and settings, newest first
#[utoipa::path(get, path = "/api/audit/patients", tag = "audit", params(AuditQuery),
    security(("bearer" = ["admin"])),
    responses((status = 200, body = Page<AuditRow>, description = "A page of the clinic's rows")))]
pub async fn list(
    State(app): State<App>,
    caller: Caller,
    cause: Cause,
    Query(query): Query<AuditQuery>,
) -> Result<Json<Page<AuditRow>>, Problem> {
    page(&app.core, &app.cursors, (&caller, &cause), query).await.map(Json)
}
