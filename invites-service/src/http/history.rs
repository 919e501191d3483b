//! What happened to an invite, and to all invites of a patient: who did what, when.

use super::Api;
use super::refusals::problem;
use crate::domain::Refusal;
use crate::store;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use shared_events::Event;
use shared_events::invite::{InviteFacts, RevokeReason};
use shared_host::requests::{Cause, lost};
use shared_http::{Caller, Json, Path, Problem, Query};
use shared_runtime::log::Recorded;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// One thing that happened.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = InviteHistoryItem)]
pub struct Item {
    /// Which invite.
    pub invite_id: Uuid,
    /// The invite's version it led to.
    pub version: i64,
    /// The event's name.
    #[schema(examples("InviteIssued"))]
    pub event: String,
    /// When it happened.
    pub occurred_at: DateTime<Utc>,
    /// Who did it: `staff:ID`, `patient` or `system`.
    #[schema(examples("staff:7"))]
    pub actor: String,
    /// Which of the invite's links it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issue_no: Option<i32>,
    /// When the invite lapsed or was to lapse, as of then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<DateTime<Utc>>,
    /// Why it was revoked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    /// Staff's words on why. The word `erased` where the patient was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Wrong facts so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed_attempts: Option<i32>,
    /// The login that accepted it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<Uuid>,
    /// Why an import's invitation was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

/// What happened, oldest first.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = InviteHistory)]
pub struct History {
    /// Oldest first.
    pub items: Vec<Item>,
    /// Always null: a history is short enough for one answer.
    #[schema(required)]
    pub next_cursor: Option<String>,
}

/// What happened to an invite
///
/// Mails are not in it: they are in the invite's `deliveries`.
#[utoipa::path(
    get, path = "/api/invites/{id}/history", tag = "invites",
    params(("id" = Uuid, Path, description = "The invite")),
    responses((status = 200, body = History, description = "Oldest first"))
)]
pub async fn of_invite(
    State(api): State<Api>,
    caller: Caller,
    cause: Cause,
    Path(id): Path<Uuid>,
) -> Result<Json<History>, Problem> {
    let patient = api.patient_of(&caller.account, id).await?;
    api.saw(&caller, &cause, "invite.history_read", vec![id, patient]).await?;
    api.history(&[id]).await.map(Json)
}

/// Whose history.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Whose {
    /// The patient.
    patient_id: Uuid,
}

/// What happened to all invites of a patient
#[utoipa::path(
    get, path = "/api/invites/history", tag = "invites", params(Whose),
    responses(
        (status = 200, body = History, description = "Oldest first; empty where there never was one"),
        (status = 404, body = Problem, content_type = "application/problem+json",
         description = "`patient_unknown`: not on record here, or not yet; see Retry-After"),
    )
)]
pub async fn of_patient(
    State(api): State<Api>,
    caller: Caller,
    cause: Cause,
    Query(whose): Query<Whose>,
) -> Result<Json<History>, Problem> {
    let mut reader = api.core.db.read().await.map_err(lost)?;
    let patient = store::patients::find(reader.conn(), whose.patient_id).await.map_err(lost)?;
    if patient.is_none_or(|patient| patient.account != caller.account) {
        return Err(problem(&Refusal::PatientUnknown));
    }
    let invites = store::invites::all_of(reader.conn(), &[whose.patient_id]).await.map_err(lost)?;
    drop(reader);
    api.saw(&caller, &cause, "invite.history_read", vec![whose.patient_id]).await?;
    let ids: Vec<Uuid> = invites.into_iter().map(|(id, _)| id).collect();
    api.history(&ids).await.map(Json)
}

impl Api {
    async fn history(&self, invites: &[Uuid]) -> Result<History, Problem> {
        let mut reader = self.core.db.read().await.map_err(lost)?;
        let streams = self.core.log.load(reader.conn(), invites).await.map_err(lost)?;
        drop(reader);
        let mut items: Vec<Item> = streams.values().flatten().map(item).collect();
        items.sort_by_key(|item| (item.occurred_at, item.invite_id, item.version));
        Ok(History { items, next_cursor: None })
    }
}

fn item(recorded: &Recorded) -> Item {
    let event = &recorded.event;
    let facts = facts(event);
    let mut item = Item {
        invite_id: recorded.stream,
        version: recorded.version,
        event: event.kind().name.to_owned(),
        occurred_at: recorded.occurred_at,
        actor: recorded.meta.actor.clone(),
        issue_no: facts.map(|facts| facts.issue_no),
        expires_at: facts.map(|facts| facts.expires_at),
        reason: None,
        note: None,
        failed_attempts: None,
        user_id: None,
        code: None,
    };
    match event {
        Event::InviteRevoked(e) => {
            item.reason = Some(RevokeReason::as_str(e.reason));
            item.note = match &e.personal {
                shared_events::Secret::Known(words) => words.note.clone(),
                _ => Some("erased".to_owned()),
            };
        }
        Event::InviteVerificationFailed(e) | Event::InviteLocked(e) => {
            item.failed_attempts = Some(e.failed_attempts);
        }
        Event::InviteAccepted(e) => item.user_id = Some(e.user_id),
        Event::InviteRefused(e) => item.code = Some(e.code.clone()),
        _ => {}
    }
    item
}

fn facts(event: &Event) -> Option<&InviteFacts> {
    match event {
        Event::InviteIssued(e) => Some(&e.invite),
        Event::InviteResent(e) => Some(&e.invite),
        Event::InviteExtended(e)
        | Event::InviteOpened(e)
        | Event::InviteVerified(e)
        | Event::InviteUnlocked(e)
        | Event::InviteExpired(e) => Some(&e.invite),
        Event::InviteVerificationFailed(e) | Event::InviteLocked(e) => Some(&e.invite),
        Event::InviteAccepted(e) => Some(&e.invite),
        Event::InviteRevoked(e) => Some(&e.invite),
        Event::InviteTakenOver(e) => Some(&e.invite),
        Event::LinkRequested(e) => Some(&e.invite),
        Event::ReminderDue(e) => Some(&e.invite),
        _ => None,
    }
}
