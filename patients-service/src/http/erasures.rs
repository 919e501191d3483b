//! Leaving nothing of a person: asked for by an admin, carried out in the background by every service.

use super::{App, Asked, refusals};
use crate::domain::{Ask, erasure};
use crate::store::erasures::{self, Standing};
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use serde::Serialize;
use shared_host::requests::{Cause, lost};
use shared_http::{Caller, IdempotencyKey, Json, Path, Problem};
use utoipa::ToSchema;
use uuid::Uuid;

/// Services that keep copies and must have said that theirs are gone.
const SERVICES: [&str; 2] = ["patients", "invites"];

/// How an erasure stands.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Erasure)]
pub struct ErasureAnswer {
    /// The erasure's id; one patient has one.
    pub erasure_id: Uuid,
    /// Who is forgotten.
    pub patient_id: Uuid,
    /// `running` until every service has forgotten the person, then `done`.
    #[schema(example = "running")]
    pub state: String,
    /// When it was asked for. From then on the patient is answered with 410 `patient_erased`.
    pub requested_at: DateTime<Utc>,
    /// Every service that keeps copies.
    pub services: Vec<ServiceErasure>,
}

/// How far a service is with an erasure.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ServiceErasure {
    /// Which.
    #[schema(example = "invites")]
    pub service: String,
    /// When it had destroyed its key and removed its copies; null before.
    #[schema(required)]
    pub completed_at: Option<DateTime<Utc>>,
}

impl From<Standing> for ErasureAnswer {
    fn from(erasure: Standing) -> ErasureAnswer {
        let services = SERVICES.map(|service| ServiceErasure {
            service: service.to_owned(),
            completed_at: erasure.completed.get(service).copied(),
        });
        let done = services.iter().all(|service| service.completed_at.is_some());
        ErasureAnswer {
            erasure_id: erasure.id,
            patient_id: erasure.patient,
            state: if done { "done" } else { "running" }.to_owned(),
            requested_at: erasure.requested_at,
            services: services.into(),
        }
    }
}

/// Erases a patient for good: nothing personal is left, here and in every other service. Open invites end.
#[utoipa::path(post, path = "/api/patients/{id}/erase", tag = "patients", security(("bearer" = ["admin"])),
    params(("id" = Uuid, Path), IdempotencyKey),
    responses((status = 202, description = "Begun; where to look is in Location", body = ErasureAnswer)))]
pub async fn erase(
    State(app): State<App>,
    caller: Caller,
    cause: Cause,
    Path(id): Path<Uuid>,
    key: IdempotencyKey,
) -> Result<Response, Problem> {
    let asked = Asked { caller: &caller, cause: &cause, key: key.over(b"") };
    let ask = Ask::Erase { at: app.core.clock.now(), erasure_id: erasure::id_of(id) };
    app.carry_out(asked, id, ask, None).await?.map_err(refusals::about(id))?;
    app.erasure_waits.notify_one();
    let erasure = found(&app, &caller, erasure::id_of(id)).await?;
    let location = [(header::LOCATION, format!("/api/erasures/{}", erasure.erasure_id))];
    Ok((StatusCode::ACCEPTED, location, Json(erasure)).into_response())
}

/// How an erasure stands.
#[utoipa::path(get, path = "/api/erasures/{id}", tag = "patients", security(("bearer" = ["admin"])), params(("id" = Uuid, Path)),
    responses((status = 200, body = ErasureAnswer)))]
pub async fn read(
    State(app): State<App>,
    caller: Caller,
    cause: Cause,
    Path(id): Path<Uuid>,
) -> Result<Json<ErasureAnswer>, Problem> {
    let erasure = found(&app, &caller, id).await?;
    app.saw(&caller, &cause, "erasure.read", vec![id, erasure.patient_id]).await?;
    Ok(Json(erasure))
}

async fn found(app: &App, caller: &Caller, id: Uuid) -> Result<ErasureAnswer, Problem> {
    let mut reader = app.core.db.read().await.map_err(lost)?;
    let erasure = erasures::find(&mut reader, &caller.account, id).await.map_err(lost)?;
    erasure.map(ErasureAnswer::from).ok_or_else(Problem::not_found)
}
