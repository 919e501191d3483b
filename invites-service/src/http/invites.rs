//! Staff list, read and revoke.

use super::Api;
use super::refusals::problem;
use super::views::{DeliveryView, InviteInFull, InviteListed, InviteView};
use crate::domain::{Ask, Refusal, fields};
use crate::store::deliveries;
use crate::store::list::{Listed, Wanted, page};
use axum::extract::{FromRequest, Request, State};
use axum::http::header;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use shared_events::Event;
use shared_host::requests::{Cause, lost, staff};
use shared_http::openapi;
use shared_http::{
    Body, Caller, CursorScope, ETag, FieldError, IdempotencyKey, Json, Limit, Page, Path, Problem, Query,
};
use std::collections::HashMap;
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

/// Why a patient needs help.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProblemFilter {
    /// Any of the others.
    Any,
    /// Too many wrong facts.
    Locked,
    /// Its newest mail came back.
    Bounced,
    /// Its newest mail could not be handed over.
    Failed,
    /// The patient asked for a link that could not be sent.
    HelpRequested,
    /// The patient's last invite lapsed, and they have no login.
    ExpiredUnanswered,
}

impl ProblemFilter {
    fn as_str(self) -> &'static str {
        match self {
            ProblemFilter::Any => "any",
            ProblemFilter::Locked => "locked",
            ProblemFilter::Bounced => "bounced",
            ProblemFilter::Failed => "failed",
            ProblemFilter::HelpRequested => "help_requested",
            ProblemFilter::ExpiredUnanswered => "expired_unanswered",
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
    /// Those that need a person: one kind, or `any`.
    #[param(inline)]
    problem: Option<ProblemFilter>,
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
    responses((status = 200, body = Page<InviteListed>, description = "A page of the clinic's invites"))
)]
pub async fn list(
    State(api): State<Api>,
    caller: Caller,
    cause: Cause,
    Query(query): Query<ListQuery>,
) -> Result<Json<Page<InviteListed>>, Problem> {
    let status = query.status.map(StatusFilter::as_str);
    if query.provider_id.as_deref().is_some_and(|id| fields::provider(id).is_err()) {
        let message = "must have 1 to 128 characters, and no control characters";
        return Err(Problem::invalid_query(vec![FieldError::new("?provider_id", "invalid_value", message)]));
    }
    let problem = query.problem.map(ProblemFilter::as_str);
    let made = (query.created_after, query.created_before);
    let filters = (query.patient_id, status, problem, query.provider_id.as_deref(), made);
    let scope = CursorScope::new(&caller.account, "invites", &filters)?;
    let after = query.cursor.as_deref().map(|cursor| api.cursors.open(&scope, cursor)).transpose()?;
    let wanted = Wanted {
        id: None,
        problem: problem.map(str::to_owned),
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
    let page = Page::cut(rows, query.limit, &api.cursors, &scope, |l| (l.row.created_at, l.row.id))?;
    let ids: Vec<Uuid> = page.items.iter().map(|listed| listed.row.id).collect();
    let mails = deliveries::of(reader.conn(), &caller.account, &ids).await.map_err(lost)?;
    drop(reader);
    let seen = page.items.iter().map(|listed| listed.row.id).collect();
    api.saw(&caller, &cause, "invite.listed", seen).await?;
    // Oldest first, so what is left of each invite is its newest.
    let newest: HashMap<Uuid, deliveries::Row> =
        mails.into_iter().map(|mail| (mail.invite_id, mail)).collect();
    Ok(Json(page.map(|listed| {
        let delivery = newest.get(&listed.row.id).cloned().map(DeliveryView::of);
        InviteListed { problem: listed.problem, delivery, invite: InviteView::of(listed.row, at) }
    })))
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
    let at = api.core.clock.now();
    let wanted = Wanted { id: Some(id), limit: 1, ..Wanted::default() };
    let mut reader = api.core.db.read().await.map_err(lost)?;
    let mut found = page(reader.conn(), &caller.account, &wanted, at).await.map_err(lost)?;
    let Listed { row, problem: help } = found.pop().ok_or_else(|| problem(&Refusal::NotFound))?;
    let stream = api.core.log.load_one(reader.conn(), id).await.map_err(lost)?;
    let mails = deliveries::of(reader.conn(), &caller.account, &[id]).await.map_err(lost)?;
    drop(reader);
    api.saw(&caller, &cause, "invite.read", vec![id, row.patient_id]).await?;
    let version = row.version;
    let mut full = InviteInFull {
        invite: InviteView::of(row, at),
        problem: help,
        deliveries: mails.into_iter().map(DeliveryView::of).collect(),
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
    Ok((ETag(version), Json(full)))
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
    let (revoke, bytes) = optional::<Revoke>(request, &api).await?;
    let note = fields::words("reason", revoke.reason.as_deref()).map_err(|refusal| problem(&refusal))?;
    let meta = cause.meta(staff(&caller));
    let ask = Ask::Revoke { invite, note };
    let row = api.staff_command(&caller, invite, ask, meta, key.over(&bytes)).await?;
    Ok((ETag(row.version), Json(InviteView::of(row, api.core.clock.now()))))
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
