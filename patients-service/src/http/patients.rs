//! `/api/patients`: create, read, list, replace, change, archive, restore.

use super::answers::{PatientAnswer, PatientBody, PatientPatchBody};
use super::{App, Asked, refusals};
use crate::desk::{Done, fold};
use crate::domain::{Ask, Patch, Patient, RawDraft, Refusal};
use crate::store;
use crate::store::list::{Sort, Wanted};
use axum::extract::State;
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use shared_events::patient::{ArchiveReason, Origin};
use shared_host::requests::{Cause, lost};
use shared_http::cursor::place_of_a_page;
use shared_http::openapi;
use shared_http::{
    Body, Caller, CursorScope, ETag, FieldError, IdempotencyKey, IfMatch, Json, Limit, Page, Path, Problem,
    Query,
};
use utoipa::IntoParams;
use utoipa::openapi::Schema;
use uuid::Uuid;

/// Puts a patient on record.
#[utoipa::path(post, path = "/api/patients", tag = "patients", request_body = PatientBody,
    params(IdempotencyKey),
    responses((status = 201, description = "On record", body = PatientAnswer)))]
pub async fn create(
    State(app): State<App>,
    caller: Caller,
    cause: Cause,
    key: IdempotencyKey,
    body: Body<PatientBody>,
) -> Result<Response, Problem> {
    let key = key.over(&body.bytes);
    let draft = RawDraft::from(body.value)
        .read(app.core.clock.now().date_naive())
        .map_err(|errors| refusals::problem(Refusal::Invalid(errors)))?;
    let id = app.core.clock.new_id();
    let ask = Ask::Create { draft: Box::new(draft), origin: Origin::Staff, import_id: None };
    let asked = Asked { caller: &caller, cause: &cause, key };
    match app.carry_out(asked, id, ask, None).await?.map_err(refusals::problem)? {
        Done::Now(Patient::Known(known), _) => {
            let etag = ETag(known.version);
            Ok((StatusCode::CREATED, etag, location(id), Json(PatientAnswer::fresh(id, &known)))
                .into_response())
        }
        Done::Now(..) => Err(Problem::not_found()),
        // Answered before: the record as it stands now, under the status it had then.
        Done::Before(answered) => {
            let row = found(&app, &caller, answered.resource).await?;
            app.saw(&caller, &cause, "patient.read", vec![row.id]).await?;
            Ok((StatusCode::CREATED, ETag(row.version), location(row.id), Json(PatientAnswer::from(row)))
                .into_response())
        }
    }
}

fn location(id: Uuid) -> [(HeaderName, String); 1] {
    [(header::LOCATION, format!("/api/patients/{id}"))]
}

/// Reads a patient.
#[utoipa::path(get, path = "/api/patients/{id}", tag = "patients", params(("id" = Uuid, Path)),
    responses((status = 200, body = PatientAnswer), (status = 410, description = "Erased", body = Problem)))]
pub async fn read(
    State(app): State<App>,
    caller: Caller,
    cause: Cause,
    Path(id): Path<Uuid>,
) -> Result<Response, Problem> {
    let row = found(&app, &caller, id).await?;
    app.saw(&caller, &cause, "patient.read", vec![id]).await?;
    answer(row)
}

fn answer(row: store::patients::Row) -> Result<Response, Problem> {
    Ok((ETag(row.version), Json(PatientAnswer::from(row))).into_response())
}

/// The patient's row, or why there is none.
async fn found(app: &App, caller: &Caller, id: Uuid) -> Result<store::patients::Row, Problem> {
    let mut reader = app.core.db.read().await.map_err(lost)?;
    let row = store::patients::find(reader.conn(), &caller.account, id, app.core.clock.now())
        .await
        .map_err(lost)?;
    // What follows takes a connection of its own: holding this one, enough callers would wait for each other.
    drop(reader);
    match row {
        Some(row) => Ok(row),
        None => Err(gone_or_unknown(app, caller, id).await),
    }
}

/// An erased patient is told from one that never was, within the caller's clinic.
async fn gone_or_unknown(app: &App, caller: &Caller, id: Uuid) -> Problem {
    match stream(app, id).await {
        Ok(stream) => match fold(&stream) {
            Patient::Erased { account, at, .. } if account == caller.account => {
                refusals::about(id)(Refusal::Erased { at })
            }
            _ => Problem::not_found(),
        },
        Err(problem) => problem,
    }
}

pub(super) async fn stream(app: &App, id: Uuid) -> Result<shared_runtime::log::Stream, Problem> {
    let mut reader = app.core.db.read().await.map_err(lost)?;
    app.core.log.load_one(reader.conn(), id).await.map_err(lost)
}

/// Filters, order and place of a list.
#[derive(Debug, Clone, Deserialize, Serialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// Part of a name, an address or an external id.
    #[param(schema_with = any_text)]
    pub search: Option<String>,
    /// One status: `pending`, `active` or `inactive`. Without it, archived patients are left out.
    #[param(schema_with = statuses)]
    pub status: Option<String>,
    /// With or without an open invite.
    pub has_pending_invite: Option<bool>,
    /// One clinician's patients.
    #[param(schema_with = any_text)]
    pub clinician_id: Option<String>,
    /// Those that staff must complete.
    pub incomplete: Option<bool>,
    /// `name` (default), `-name`, `created_at` or `-created_at`.
    #[param(schema_with = sorts)]
    pub sort: Option<String>,
    /// How many, 1 to 200; 50 where absent.
    #[serde(default, skip_serializing_if = "place_of_a_page")]
    #[param(value_type = Option<u16>, minimum = 1, maximum = 200)]
    pub limit: Limit,
    /// Where a page ended: the `next_cursor` of the page before.
    #[serde(skip_serializing_if = "place_of_a_page")]
    pub cursor: Option<String>,
}

fn any_text() -> Schema {
    openapi::plain_text(0, None)
}

fn statuses() -> Schema {
    openapi::word(&["pending", "active", "inactive"])
}

fn sorts() -> Schema {
    openapi::word(&["name", "-name", "created_at", "-created_at"])
}

impl ListQuery {
    fn check(&self) -> Result<(), Problem> {
        let status = self.status.as_deref();
        if !status.is_none_or(|status| ["pending", "active", "inactive"].contains(&status)) {
            return Err(unusable("?status", "must be pending, active or inactive"));
        }
        // No record holds control characters, and PostgreSQL takes no text that holds a zero.
        for (name, text) in [("?search", &self.search), ("?clinician_id", &self.clinician_id)] {
            if text.as_deref().is_some_and(|text| text.contains(char::is_control)) {
                return Err(unusable(name, "must not hold control characters"));
            }
        }
        Ok(())
    }
}

/// Lists the clinic's patients.
#[utoipa::path(get, path = "/api/patients", tag = "patients", params(ListQuery),
    responses((status = 200, body = Page<PatientAnswer>)))]
pub async fn list(
    State(app): State<App>,
    caller: Caller,
    cause: Cause,
    Query(query): Query<ListQuery>,
) -> Result<Json<Page<PatientAnswer>>, Problem> {
    let scope = CursorScope::new(&caller.account, "patients", &query)?;
    let sort = sort(query.sort.as_deref())?;
    query.check()?;
    let after = query.cursor.as_deref().map(|cursor| app.cursors.open(&scope, cursor)).transpose()?;
    let wanted = Wanted {
        search: query.search.filter(|text| !text.trim().is_empty()),
        status: query.status,
        has_pending_invite: query.has_pending_invite,
        clinician_id: query.clinician_id,
        incomplete: query.incomplete,
        sort,
        after,
        limit: query.limit.and_one(),
    };
    let mut reader = app.core.db.read().await.map_err(lost)?;
    let rows = store::list::page(reader.conn(), &caller.account, &wanted, app.core.clock.now())
        .await
        .map_err(lost)?;
    drop(reader);
    let page = Page::cut(rows, query.limit, &app.cursors, &scope, |row| sort.key(row))?;
    app.saw(&caller, &cause, "patient.listed", page.items.iter().map(|row| row.id).collect()).await?;
    Ok(Json(page.map(PatientAnswer::from)))
}

fn sort(text: Option<&str>) -> Result<Sort, Problem> {
    match text {
        None | Some("name") => Ok(Sort::Name),
        Some("-name") => Ok(Sort::NameDown),
        Some("created_at") => Ok(Sort::Created),
        Some("-created_at") => Ok(Sort::CreatedDown),
        Some(_) => Err(unusable("?sort", "must be name, -name, created_at or -created_at")),
    }
}

fn unusable(parameter: &'static str, message: &'static str) -> Problem {
    Problem::invalid_query(vec![FieldError::new(parameter, "invalid", message)])
}

/// How a record is changed.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ChangeQuery {
    /// Whether open invites, void by a new e-mail address, are issued again to it; true where nobody says.
    reissue_invites: Option<bool>,
}

/// Replaces a record: optional fields that are absent are cleared.
#[utoipa::path(put, path = "/api/patients/{id}", tag = "patients", request_body = PatientBody,
    params(("id" = Uuid, Path), IfMatch, ChangeQuery),
    responses((status = 200, body = PatientAnswer), (status = 410, description = "Erased", body = Problem)))]
pub async fn replace(
    State(app): State<App>,
    caller: Caller,
    cause: Cause,
    Path(id): Path<Uuid>,
    Query(how): Query<ChangeQuery>,
    if_match: IfMatch,
    Json(body): Json<PatientBody>,
) -> Result<Response, Problem> {
    let draft = RawDraft::from(body)
        .read(app.core.clock.now().date_naive())
        .map_err(|errors| refusals::problem(Refusal::Invalid(errors)))?;
    apply(&app, Asked { caller: &caller, cause: &cause, key: None }, id, if_match, (draft.into(), how)).await
}

/// Changes fields of a record (JSON merge patch).
#[utoipa::path(patch, path = "/api/patients/{id}", tag = "patients", request_body = PatientPatchBody,
    params(("id" = Uuid, Path), IfMatch, ChangeQuery),
    responses((status = 200, body = PatientAnswer), (status = 410, description = "Erased", body = Problem)))]
pub async fn change(
    State(app): State<App>,
    caller: Caller,
    cause: Cause,
    Path(id): Path<Uuid>,
    Query(how): Query<ChangeQuery>,
    if_match: IfMatch,
    Json(body): Json<PatientPatchBody>,
) -> Result<Response, Problem> {
    let patch = body.read(app.core.clock.now().date_naive()).map_err(refusals::problem)?;
    apply(&app, Asked { caller: &caller, cause: &cause, key: None }, id, if_match, (patch, how)).await
}

async fn apply(
    app: &App,
    asked: Asked<'_>,
    id: Uuid,
    if_match: IfMatch,
    (patch, how): (Patch, ChangeQuery),
) -> Result<Response, Problem> {
    let caller = asked.caller;
    let reissue_invites = how.reissue_invites.unwrap_or(true);
    let ask = Ask::Change { patch: Box::new(patch), reissue_invites, import_id: None };
    app.carry_out(asked, id, ask, expected(if_match)).await?.map_err(refusals::about(id))?;
    answer(found(app, caller, id).await?)
}

fn expected(if_match: IfMatch) -> Option<i64> {
    match if_match {
        IfMatch::Any => None,
        IfMatch::Version(version) => Some(version),
    }
}

/// Archives a patient: open invites end, address and external id are free again.
#[utoipa::path(delete, path = "/api/patients/{id}", tag = "patients", params(("id" = Uuid, Path), IfMatch),
    responses((status = 200, body = PatientAnswer), (status = 410, description = "Erased", body = Problem)))]
pub async fn archive(
    State(app): State<App>,
    caller: Caller,
    cause: Cause,
    Path(id): Path<Uuid>,
    if_match: IfMatch,
) -> Result<Response, Problem> {
    let asked = Asked { caller: &caller, cause: &cause, key: None };
    let ask = Ask::Archive { reason: ArchiveReason::Staff };
    app.carry_out(asked, id, ask, expected(if_match)).await?.map_err(refusals::about(id))?;
    answer(found(&app, &caller, id).await?)
}

/// Takes an archived patient back, if address and external id are still free.
#[utoipa::path(post, path = "/api/patients/{id}/restore", tag = "patients",
    params(("id" = Uuid, Path), IdempotencyKey),
    responses((status = 200, body = PatientAnswer), (status = 410, description = "Erased", body = Problem)))]
pub async fn restore(
    State(app): State<App>,
    caller: Caller,
    cause: Cause,
    Path(id): Path<Uuid>,
    key: IdempotencyKey,
) -> Result<Response, Problem> {
    let asked = Asked { caller: &caller, cause: &cause, key: key.over(b"") };
    let done = app.carry_out(asked, id, Ask::Restore, None).await?.map_err(refusals::about(id))?;
    if let Done::Before(_) = done {
        app.saw(&caller, &cause, "patient.read", vec![id]).await?;
    }
    answer(found(&app, &caller, id).await?)
}
