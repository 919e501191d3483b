//! `/api/audit/invites`: who read or changed what, here.

use super::Api;
use axum::extract::State;
use shared_host::audit::{AuditQuery, AuditRow, page};
use shared_host::requests::Cause;
use shared_http::{Caller, Json, Page, Problem, Query};

/// Who read or changed invites, newest first
#[utoipa::path(get, path = "/api/audit/invites", tag = "audit", params(AuditQuery),
    security(("bearer" = ["admin"])),
    responses((status = 200, body = Page<AuditRow>, description = "A page of the clinic's rows")))]
pub async fn list(
    State(api): State<Api>,
    caller: Caller,
    cause: Cause,
    Query(query): Query<AuditQuery>,
) -> Result<Json<Page<AuditRow>>, Problem> {
    page(&api.core, &api.cursors, (&caller, &cause), query).await.map(Json)
}
