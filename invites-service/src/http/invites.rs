//! Staff list, read, revoke and send again.

use super::Api;
use super::refusals::problem;
use super::views::{InviteInFull, InviteView, InviteWithLink};
use crate::domain::{Ask, fields};
use crate::store::list::{Wanted, page};
use axum::extract::{FromRequest, Request, State};
use axum::http::header;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use shared_events::Event;
use shared_host::requests::{Cause, lost, staff};
use shared_http::openapi;
use shared_http::{
    Body, Caller, CursorScope, ETag, FieldError, IdempotencyKey, Json, Limit, Page, Path, Problem, Query,
    Role,
};
use utoipa::openapi::Schema;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// A status to filter by.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each variant is named after the status")]
pub enum StatusFilter {
    Pending,
    Accepted,
    Expired,
    Revoked,
}

impl StatusFilter {
    fn as_str(self) -> &'static str {
        match self {
            StatusFilter::Pending => "pending",
            StatusFilter::Accepted => "accepted",
            StatusFilter::Expired => "expired",
            StatusFilter::Revoked => "revoked",
        }
    }
}

/// What to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// One patient's invites.
    patient_id: Option<Uuid>,
    /// One status. What is past its expiry is `expired`.
    #[param(inline)]
    status: Option<StatusFilter>,
    /// One provider's invites.
    #[param(schema_with = provider)]
    provider_id: Option<String>,
    /// Made at this time or later.
    created_after: Option<DateTime<Utc>>,
    /// Made before this time.
    created_before: Option<DateTime<Utc>>,
    /// Rows of a page: 1 to 200, 50 where nobody says.
    #[serde(default)]
    #[param(value_type = Option<u16>, minimum = 1, maximum = 200)]
    limit: Limit,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

fn provider() -> Schema {
    openapi::plain_text(1, Some(128))
}

/// List invites
///
/// Newest first.
#[utoipa::path(
    get, path = "/api/invites", tag = "invites", params(ListQuery),
    responses((status = 200, body = Page<InviteView>, description = "A page of the clinic's invites"))
)]
pub async fn list(
    State(api): State<Api>,
    caller: Caller,
    cause: Cause,
    Query(query): Query<ListQuery>,
) -> Result<Json<Page<InviteView>>, Problem> {
    let status = query.status.map(StatusFilter::as_str);
    if query.provider_id.as_deref().is_some_and(|id| fields::provider(id).is_err()) {
        let message = "must have 1 to 128 characters, and no control characters";
        return Err(Problem::invalid_query(vec![FieldError::new("?provider_id", "invalid_value", message)]));
    }
    let filters =
        (query.patient_id, status, query.provider_id.as_deref(), query.created_after, query.created_before);
    let scope = CursorScope::new(&caller.account, "invites", &filters)?;
    let after = query.cursor.as_deref().map(|cursor| api.cursors.open(&scope, cursor)).transpose()?;
    let wanted = Wanted {
        patient_id: query.patient_id,
        status: status.map(str::to_owned),
        provider_id: query.provider_id,
        created_after: query.created_after,
        created_before: query.created_before,
        after,
        limit: query.limit.and_one(),
    };
    let at = api.core.clock.now();
    let mut reader = api.core.db.read().await.map_err(lost)?;
    let rows = page(reader.conn(), &caller.account, &wanted, at).await.map_err(lost)?;
    drop(reader);
    let page = Page::cut(rows, query.limit, &api.cursors, &scope, |row| (row.created_at, row.id))?;
    api.saw(&caller, &cause, "invite.listed", page.items.iter().map(|row| row.id).collect()).await?;
    Ok(Json(page.map(|row| InviteView::of(row, at))))
}

/// Read an invite
#[utoipa::path(
    get, path = "/api/invites/{id}", tag = "invites", params(("id" = Uuid, Path, description = "The invite")),
    responses((status = 200, body = InviteInFull, description = "The invite, with staff's words"))
)]
pub async fn get(
    State(api): State<Api>,
    caller: Caller,
    cause: Cause,
    Path(id): Path<Uuid>,
) -> Result<(ETag, Json<InviteInFull>), Problem> {
    let row = api.row(&caller.account, id).await?;
    let mut reader = api.core.db.read().await.map_err(lost)?;
    let stream = api.core.log.load_one(reader.conn(), id).await.map_err(lost)?;
    drop(reader);
    api.saw(&caller, &cause, "invite.read", vec![id, row.patient_id]).await?;
    let mut full = InviteInFull {
        invite: InviteView::of(row.clone(), api.core.clock.now()),
        custom_message: None,
        note: None,
    };
    for recorded in stream {
        match &recorded.event {
            Event::InviteIssued(e) => {
                full.custom_message = e.personal.known().and_then(|words| words.custom_message.clone());
            }
            Event::InviteRevoked(e) => full.note = e.personal.known().and_then(|words| words.note.clone()),
            _ => {}
        }
    }
    Ok((ETag(row.version), Json(full)))
}

/// Why an invite is taken back.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "reason": "Sent to the wrong person" }))]
pub struct Revoke {
    /// Staff's words; kept sealed, shown to staff.
    #[schema(max_length = 2000)]
    reason: Option<String>,
}

/// Revoke an invite
///
/// Its link is dead at once. Done twice, it is answered as the first time.
#[utoipa::path(
    post, path = "/api/invites/{id}/revoke", tag = "invites",
    params(("id" = Uuid, Path, description = "The invite"), IdempotencyKey),
    request_body(content = Option<Revoke>, description = "May be left out"),
    responses(
        (status = 200, body = InviteView, description = "Revoked, now or before"),
        (status = 409, body = Problem, content_type = "application/problem+json",
         description = "`invite_not_pending`: it was accepted, or has lapsed"),
    )
)]
pub async fn revoke(
    State(api): State<Api>,
    caller: Caller,
    cause: Cause,
    Path(invite): Path<Uuid>,
    key: IdempotencyKey,
    request: Request,
) -> Result<(ETag, Json<InviteView>), Problem> {
    caller.require(Role::Staff)?;
    let (revoke, bytes) = optional::<Revoke>(request, &api).await?;
    let note = fields::words("reason", revoke.reason.as_deref()).map_err(|refusal| problem(&refusal))?;
    let meta = cause.meta(staff(&caller));
    let ask = Ask::Revoke { invite, note };
    let row = api.staff_command(&caller, invite, ask, meta, key.over(&bytes)).await?;
    Ok((ETag(row.version), Json(InviteView::of(row, api.core.clock.now()))))
}

/// Send an invite again
///
/// Makes a new link and begins the expiry again. The old link dies once a mail with the new one is queued,
/// or at once where no mail goes out.
#[utoipa::path(
    post, path = "/api/invites/{id}/resend", tag = "invites",
    params(("id" = Uuid, Path, description = "The invite"), IdempotencyKey),
    responses(
        (status = 200, body = InviteWithLink, description = "The invite, with its new link"),
        (status = 409, body = Problem, content_type = "application/problem+json",
         description = "`invite_not_pending`, `patient_already_registered`, `patient_inactive` or `invite_system_is_legacy`"),
        (status = 410, body = Problem, content_type = "application/problem+json", description = "`patient_erased`"),
    )
)]
pub async fn resend(
    State(api): State<Api>,
    caller: Caller,
    cause: Cause,
    Path(invite): Path<Uuid>,
    key: IdempotencyKey,
) -> Result<(ETag, Json<InviteWithLink>), Problem> {
    caller.require(Role::Staff)?;
    let meta = cause.meta(staff(&caller));
    let ask = Ask::Resend { invite, token_key_id: api.tokens.current_id().to_owned() };
    let row = api.staff_command(&caller, invite, ask, meta, key.over(&[])).await?;
    Ok((ETag(row.version), Json(api.with_link(&caller, &cause, row).await?)))
}

/// A body that may be left out, and its bytes.
async fn optional<T>(request: Request, api: &Api) -> Result<(T, axum::body::Bytes), Problem>
where
    T: Default + serde::de::DeserializeOwned,
{
    use axum::body::HttpBody;
    let absent = request.body().is_end_stream() && !request.headers().contains_key(header::CONTENT_TYPE);
    if absent {
        return Ok((T::default(), axum::body::Bytes::new()));
    }
    Body::<T>::from_request(request, api).await.map(|body| (body.value, body.bytes))
}
