//! How bulk jobs stand, and what became of each patient.

use super::Api;
use super::refusals::{problem, words_of};
use crate::domain::Refusal;
use crate::domain::bulk::{Outcome, invite_of};
use crate::store::bulk::{self as jobs, Job};
use crate::store::bulk_patients::{self as patients_of, Row};
use axum::extract::State;
use axum::response::IntoResponse;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use shared_events::AccountId;
use shared_host::requests::{Cause, lost};
use shared_http::progress::ProgressEvent;
use shared_http::{Caller, CursorScope, Json, Limit, Page, Path, Problem, Query, Standing, Stopping, follow};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// How many failed patients stand in the job itself.
const FAILURES: i64 = 100;

/// A bulk job. `total` = `waiting` + `issued` + `failed` + `cancelled`, always.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = BulkInviteJob)]
pub struct JobView {
    /// The job.
    pub id: Uuid,
    /// `gathering` (looks for the patients that fit), `running`, `done` or `cancelled`.
    #[schema(examples("running"))]
    pub state: &'static str,
    /// Patients of the job; while it gathers, so far.
    pub total: i64,
    /// Patients without an outcome.
    pub waiting: i64,
    /// Patients invited.
    pub issued: i64,
    /// Patients who could not be invited; they may be tried again.
    pub failed: i64,
    /// Patients who waited when the job was cancelled.
    pub cancelled: i64,
    /// The first hundred patients who failed. Not in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failures: Option<Vec<Failure>>,
    /// Whom the patients are invited to.
    #[schema(examples("dr-grey"))]
    pub provider_id: String,
    /// When it was taken in.
    pub created_at: DateTime<Utc>,
    /// When it was done or cancelled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<DateTime<Utc>>,
}

/// A patient who could not be invited.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = BulkInviteFailure)]
pub struct Failure {
    /// Who.
    pub patient_id: Uuid,
    /// Why, for programs: as `POST /api/generate_invite` would answer; `internal` for a fault of ours.
    #[schema(examples("open_invite_exists"))]
    pub code: String,
    /// Why and what to do, for people.
    pub message: String,
}

/// A patient of a job.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = BulkInvitePatient)]
pub struct PatientView {
    /// Who.
    pub patient_id: Uuid,
    /// `waiting`, `issued`, `failed` or `cancelled`.
    #[schema(examples("issued"))]
    pub outcome: &'static str,
    /// The invite that was issued.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invite_id: Option<Uuid>,
    /// Why it failed, for programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Why it failed and what to do, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

impl JobView {
    fn of(job: Job, failures: Option<Vec<Row>>) -> JobView {
        JobView {
            id: job.id,
            state: job.state().as_str(),
            total: job.total,
            waiting: job.waiting(),
            issued: job.issued,
            failed: job.failed,
            cancelled: job.cancelled,
            failures: failures.map(|rows| rows.into_iter().map(Failure::of).collect()),
            provider_id: job.provider_id,
            created_at: job.created_at,
            finished_at: job.finished_at,
        }
    }
}

impl Failure {
    fn of(row: Row) -> Failure {
        let code = row.code.unwrap_or_default();
        Failure { patient_id: row.patient_id, message: words_of(&code), code }
    }
}

impl PatientView {
    fn of(job: &Job, row: Row) -> PatientView {
        let outcome = row.stands(job);
        let code = row.code.filter(|_| outcome == Outcome::Failed);
        PatientView {
            patient_id: row.patient_id,
            outcome: outcome.as_str(),
            invite_id: (outcome == Outcome::Issued).then(|| invite_of(job.id, row.patient_id)),
            message: code.as_deref().map(words_of),
            code,
        }
    }
}

/// Which page of jobs.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct JobsQuery {
    /// Rows of a page: 1 to 200, 50 where nobody says.
    #[serde(default)]
    #[param(value_type = Option<u16>, minimum = 1, maximum = 200)]
    limit: Limit,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

/// List bulk jobs
///
/// Newest first.
#[utoipa::path(
    get, path = "/api/invites/bulk", tag = "bulk invites", params(JobsQuery),
    responses((status = 200, body = Page<JobView>, description = "A page of the clinic's jobs"))
)]
pub async fn list(
    State(api): State<Api>,
    caller: Caller,
    cause: Cause,
    Query(query): Query<JobsQuery>,
) -> Result<Json<Page<JobView>>, Problem> {
    let scope = CursorScope::new(&caller.account, "bulk invites", &())?;
    let after = query.cursor.as_deref().map(|cursor| api.cursors.open(&scope, cursor)).transpose()?;
    let mut reader = api.core.db.read().await.map_err(lost)?;
    let rows =
        jobs::page(reader.conn(), &caller.account, after, query.limit.and_one()).await.map_err(lost)?;
    drop(reader);
    let page = Page::cut(rows, query.limit, &api.cursors, &scope, |job| (job.created_at, job.id))?;
    api.saw(&caller, &cause, "bulk_invite.listed", page.items.iter().map(|job| job.id).collect()).await?;
    Ok(Json(page.map(|job| JobView::of(job, None))))
}

/// Read a bulk job
#[utoipa::path(
    get, path = "/api/invites/bulk/{id}", tag = "bulk invites",
    params(("id" = Uuid, Path, description = "The job")),
    responses((status = 200, body = JobView, description = "How it stands"))
)]
pub async fn get(
    State(api): State<Api>,
    caller: Caller,
    cause: Cause,
    Path(id): Path<Uuid>,
) -> Result<Json<JobView>, Problem> {
    let standing = api.job(&caller.account, id).await?;
    api.saw(&caller, &cause, "bulk_invite.read", vec![id]).await?;
    Ok(Json(standing.told))
}

/// Follow a bulk job
///
/// Server-sent events: `progress`, each the job as `GET /api/invites/bulk/{id}` shows it, whenever it changed;
/// `end` once it is done or cancelled.
#[utoipa::path(
    get, path = "/api/invites/bulk/{id}/events", tag = "bulk invites",
    params(("id" = Uuid, Path, description = "The job")),
    responses((status = 200, body = ProgressEvent, content_type = "text/event-stream", description = "How it goes"))
)]
pub async fn events(
    State(api): State<Api>,
    caller: Caller,
    cause: Cause,
    stopping: Stopping,
    Path(id): Path<Uuid>,
) -> Result<impl IntoResponse, Problem> {
    api.job(&caller.account, id).await?;
    api.saw(&caller, &cause, "bulk_invite.followed", vec![id]).await?;
    Ok(follow(stopping, move || {
        let (api, account) = (api.clone(), caller.account.clone());
        async move { api.job(&account, id).await }
    }))
}

/// An outcome to filter by.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each variant is named after the outcome")]
pub enum OutcomeFilter {
    Waiting,
    Issued,
    Failed,
    Cancelled,
}

impl OutcomeFilter {
    fn outcome(self) -> Outcome {
        match self {
            OutcomeFilter::Waiting => Outcome::Waiting,
            OutcomeFilter::Issued => Outcome::Issued,
            OutcomeFilter::Failed => Outcome::Failed,
            OutcomeFilter::Cancelled => Outcome::Cancelled,
        }
    }
}

/// Which page of a job's patients.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PatientsQuery {
    /// One outcome.
    #[param(inline)]
    outcome: Option<OutcomeFilter>,
    /// Rows of a page: 1 to 200, 50 where nobody says.
    #[serde(default)]
    #[param(value_type = Option<u16>, minimum = 1, maximum = 200)]
    limit: Limit,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

/// List a bulk job's patients
///
/// With what became of each, in the order of their ids.
#[utoipa::path(
    get, path = "/api/invites/bulk/{id}/patients", tag = "bulk invites",
    params(("id" = Uuid, Path, description = "The job"), PatientsQuery),
    responses((status = 200, body = Page<PatientView>, description = "A page of the job's patients"))
)]
pub async fn patients(
    State(api): State<Api>,
    caller: Caller,
    cause: Cause,
    Path(id): Path<Uuid>,
    Query(query): Query<PatientsQuery>,
) -> Result<Json<Page<PatientView>>, Problem> {
    let scope = CursorScope::new(&caller.account, "bulk patients", &(id, query.outcome))?;
    let after = query.cursor.as_deref().map(|cursor| api.cursors.open(&scope, cursor)).transpose()?;
    let mut reader = api.core.db.read().await.map_err(lost)?;
    let job = jobs::find(reader.conn(), &caller.account, id).await.map_err(lost)?;
    let job = job.ok_or_else(|| problem(&Refusal::NotFound))?;
    let (outcome, after) = (query.outcome.map(OutcomeFilter::outcome), after.unwrap_or(Uuid::nil()));
    let rows = patients_of::page(reader.conn(), &job, outcome, after, query.limit.and_one());
    let rows = rows.await.map_err(lost)?;
    drop(reader);
    let page = Page::cut(rows, query.limit, &api.cursors, &scope, |row| row.patient_id)?;
    let seen = std::iter::once(id).chain(page.items.iter().map(|row| row.patient_id)).collect();
    api.saw(&caller, &cause, "bulk_invite.patients_read", seen).await?;
    Ok(Json(page.map(|row| PatientView::of(&job, row))))
}

impl Api {
    /// A job of the clinic, with its first failures.
    async fn job(&self, account: &AccountId, id: Uuid) -> Result<Standing<JobView>, Problem> {
        let mut reader = self.core.db.read().await.map_err(lost)?;
        let job = jobs::find(reader.conn(), account, id).await.map_err(lost)?;
        let job = job.ok_or_else(|| problem(&Refusal::NotFound))?;
        let failed = Some(Outcome::Failed);
        let failures = patients_of::page(reader.conn(), &job, failed, Uuid::nil(), FAILURES);
        let failures = failures.await.map_err(lost)?;
        let ended = job.state().is_over();
        Ok(Standing { told: JobView::of(job, Some(failures)), ended })
    }
}
