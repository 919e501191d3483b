//! Staff invite many patients at once.

use super::Api;
use super::bulk_body::BulkInvite;
use super::refusals::problem;
use crate::bulk::orders::{self, Order, Ordered};
use axum::extract::State;
use axum::http::{HeaderName, StatusCode, header};
use serde::Serialize;
use shared_host::requests::{Cause, lost, repeatable, staff};
use shared_http::{Body, Caller, IdempotencyKey, Json, Key, Path, Problem};
use utoipa::ToSchema;
use uuid::Uuid;

/// A job that was taken in.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct BulkTaken {
    /// Follow it at `/api/invites/bulk/{id}`.
    pub id: Uuid,
}

type Taken = (StatusCode, [(HeaderName, String); 1], Json<BulkTaken>);

/// Invite many patients
///
/// Taken in as a job that is carried out in the background, whatever happens to this process. Each patient
/// comes to an outcome of their own: who cannot be invited fails with the code that `POST /api/generate_invite`
/// would answer, and stops nobody else. A filter is looked up when the job begins: patients put on record later,
/// or not yet heard of here, are not among them.
#[utoipa::path(
    post, path = "/api/invites/bulk", tag = "bulk invites", params(IdempotencyKey),
    request_body = BulkInvite,
    responses(
        (status = 202, body = BulkTaken, description = "Taken in"),
        (status = 409, body = Problem, content_type = "application/problem+json",
         description = "`invite_system_is_legacy`"),
    )
)]
pub async fn begin(
    State(api): State<Api>,
    caller: Caller,
    cause: Cause,
    key: IdempotencyKey,
    body: Body<BulkInvite>,
) -> Result<Taken, Problem> {
    let key = key.over(&body.bytes);
    let begin = body.value.read().map_err(|refusal| problem(&refusal))?;
    api.order(&caller, &cause, Order::Begin(Box::new(begin)), key).await
}

/// Try the failed of a job again
///
/// Nobody is invited twice by one job, however often it is tried. Where nobody failed there is nothing to do.
#[utoipa::path(
    post, path = "/api/invites/bulk/{id}/retry", tag = "bulk invites",
    params(("id" = Uuid, Path, description = "The job"), IdempotencyKey),
    responses(
        (status = 202, body = BulkTaken, description = "Taken in; the failed wait again"),
        (status = 409, body = Problem, content_type = "application/problem+json",
         description = "`bulk_running`: wait until it is done"),
    )
)]
pub async fn retry(
    State(api): State<Api>,
    caller: Caller,
    cause: Cause,
    Path(id): Path<Uuid>,
    key: IdempotencyKey,
) -> Result<Taken, Problem> {
    api.order(&caller, &cause, Order::Retry(id), key.over(&[])).await
}

/// Cancel a job
///
/// Who waits is not invited any more; what is issued stays. Done twice, or too late, it changes nothing.
#[utoipa::path(
    post, path = "/api/invites/bulk/{id}/cancel", tag = "bulk invites",
    params(("id" = Uuid, Path, description = "The job"), IdempotencyKey),
    responses((status = 202, body = BulkTaken, description = "Cancelled, or over before"))
)]
pub async fn cancel(
    State(api): State<Api>,
    caller: Caller,
    cause: Cause,
    Path(id): Path<Uuid>,
    key: IdempotencyKey,
) -> Result<Taken, Problem> {
    api.order(&caller, &cause, Order::Cancel(id), key.over(&[])).await
}

impl Api {
    async fn order(
        &self,
        caller: &Caller,
        cause: &Cause,
        order: Order,
        key: Option<Key>,
    ) -> Result<Taken, Problem> {
        let ordered = Ordered {
            order,
            account: caller.account.clone(),
            meta: cause.meta(staff(caller)),
            repeatable: repeatable(caller, key),
        };
        let id = orders::carry_out(&self.core, &ordered).await.map_err(lost)?;
        let id = id.map_err(|refusal| problem(&refusal))?;
        self.bulk_waits.notify_one();
        let location = [(header::LOCATION, format!("/api/invites/bulk/{id}"))];
        Ok((StatusCode::ACCEPTED, location, Json(BulkTaken { id })))
    }
}
