//! What staff do to an invite that is still open: send it again, give it more time, unlock it, show its link.

use super::Api;
use super::refusals::problem;
use super::views::{InviteView, InviteWithLink};
use crate::domain::{Ask, fields};
use axum::extract::State;
use serde::Deserialize;
use shared_host::requests::{Cause, staff};
use shared_http::{Body, Caller, ETag, IdempotencyKey, Json, Path, Problem};
use utoipa::ToSchema;
use uuid::Uuid;

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
         description = "`invite_not_pending`, `invite_locked`, `patient_already_registered`, `patient_inactive` or `invite_system_is_legacy`"),
        (status = 410, body = Problem, content_type = "application/problem+json", description = "`patient_erased`"),
        (status = 429, body = Problem, content_type = "application/problem+json",
         description = "`too_many_requests`: sent again a moment ago, or too many links for the patient, the address or the clinic; `limit` says for which, Retry-After when there is room"),
    )
)]
pub async fn resend(
    State(api): State<Api>,
    caller: Caller,
    cause: Cause,
    Path(invite): Path<Uuid>,
    key: IdempotencyKey,
) -> Result<(ETag, Json<InviteWithLink>), Problem> {
    let meta = cause.meta(staff(&caller));
    let ask = Ask::Resend { invite, token_key_id: api.tokens.current_id() };
    let row = api.staff_command(&caller, invite, ask, meta, key.over(&[])).await?;
    Ok((ETag(row.version), Json(api.with_link(&caller, &cause, row).await?)))
}

/// More time.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "days": 7 }))]
pub struct Extend {
    /// How many days later it lapses. In all, a link works for at most 90 days from when it was made.
    #[schema(required, nullable = false, minimum = 1, maximum = 90)]
    days: Option<i64>,
}

/// Give an invite more time
///
/// Its link stays the same.
#[utoipa::path(
    post, path = "/api/invites/{id}/extend", tag = "invites",
    params(("id" = Uuid, Path, description = "The invite"), IdempotencyKey),
    request_body = Extend,
    responses(
        (status = 200, body = InviteView, description = "The invite, with its new expiry"),
        (status = 409, body = Problem, content_type = "application/problem+json",
         description = "`invite_not_pending`: it was accepted or revoked, or has lapsed"),
        (status = 422, body = Problem, content_type = "application/problem+json",
         description = "`expiry_too_far`: beyond 90 days in all; `latest` says how far it may go"),
    )
)]
pub async fn extend(
    State(api): State<Api>,
    caller: Caller,
    cause: Cause,
    Path(invite): Path<Uuid>,
    key: IdempotencyKey,
    body: Body<Extend>,
) -> Result<(ETag, Json<InviteView>), Problem> {
    let key = key.over(&body.bytes);
    let days = fields::days(body.value.days).map_err(|refusal| problem(&refusal))?;
    let meta = cause.meta(staff(&caller));
    let row = api.staff_command(&caller, invite, Ask::Extend { invite, days }, meta, key).await?;
    Ok((ETag(row.version), Json(InviteView::of(row, api.core.clock.now()))))
}

/// Unlock an invite
///
/// After five wrong facts nothing that is typed with its link is looked at any more. This lets five more be tried, with the
/// same link; where somebody else may have it, send the invite again or make a new one. Not locked: answered as if it had been.
#[utoipa::path(
    post, path = "/api/invites/{id}/unlock", tag = "invites",
    params(("id" = Uuid, Path, description = "The invite"), IdempotencyKey),
    responses(
        (status = 200, body = InviteView, description = "The invite, not locked"),
        (status = 409, body = Problem, content_type = "application/problem+json",
         description = "`invite_not_pending`: it was accepted or revoked, or has lapsed"),
    )
)]
pub async fn unlock(
    State(api): State<Api>,
    caller: Caller,
    cause: Cause,
    Path(invite): Path<Uuid>,
    key: IdempotencyKey,
) -> Result<(ETag, Json<InviteView>), Problem> {
    let meta = cause.meta(staff(&caller));
    let row = api.staff_command(&caller, invite, Ask::Unlock { invite }, meta, key.over(&[])).await?;
    Ok((ETag(row.version), Json(InviteView::of(row, api.core.clock.now()))))
}

/// Show an invite's link
///
/// For staff who hand it over themselves. Nothing changes, but who was shown a link is kept in the audit.
#[utoipa::path(
    post, path = "/api/invites/{id}/link", tag = "invites",
    params(("id" = Uuid, Path, description = "The invite"), IdempotencyKey),
    responses(
        (status = 200, body = InviteWithLink, description = "The invite, with its newest link"),
        (status = 409, body = Problem, content_type = "application/problem+json",
         description = "`invite_not_pending` or `invite_locked`: a link that does not work is not shown"),
    )
)]
pub async fn link(
    State(api): State<Api>,
    caller: Caller,
    cause: Cause,
    Path(invite): Path<Uuid>,
    key: IdempotencyKey,
) -> Result<(ETag, Json<InviteWithLink>), Problem> {
    let meta = cause.meta(staff(&caller));
    let row = api.staff_command(&caller, invite, Ask::ShowLink { invite }, meta, key.over(&[])).await?;
    Ok((ETag(row.version), Json(api.with_link(&caller, &cause, row).await?)))
}
