//! Staff invite a patient.

use super::Api;
use super::views::{InviteView, InviteWithLink};
use crate::desk::{Command, Counts};
use crate::domain::{Ask, FieldError, IssueAsk, Refusal, fields};
use crate::http::refusals::problem;
use crate::store;
use crate::store::invites::Row;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use serde::de::IgnoredAny;
use shared_events::AccountId;
use shared_host::requests::{Cause, lost, repeatable, staff};
use shared_http::{Body, Caller, ETag, IdempotencyKey, Json, Problem};
use std::time::Duration;
use utoipa::ToSchema;
use uuid::Uuid;

/// How long a patient is waited for whose creation is on its way here.
const WAITING: Duration = Duration::from_millis(1500);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// An invitation.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "patient_id": "0190a5c2-7f3e-7c11-9a6e-3d2f1b0c4e5d", "provider_id": "dr-grey",
    "send_email": true, "custom_message": "We look forward to seeing you.", "expiry_days": 14
}))]
pub struct GenerateInvite {
    /// Whom to invite.
    #[schema(required, nullable = false)]
    patient_id: Option<Uuid>,
    /// Whom the patient is invited to.
    #[schema(required, nullable = false, min_length = 1, max_length = 128)]
    provider_id: Option<String>,
    /// Whether a mail goes out; true where nobody says.
    send_email: Option<bool>,
    /// Staff's words to the patient.
    #[schema(max_length = 2000)]
    custom_message: Option<String>,
    /// Days until it lapses; else the clinic's default.
    #[schema(minimum = 1, maximum = 90)]
    expiry_days: Option<i64>,
    /// What the old contract named; taken to be able to say what to do instead.
    #[schema(ignore)]
    email: Option<IgnoredAny>,
}

impl GenerateInvite {
    fn read(self, token_key_id: &str, invite: Uuid) -> Result<(Uuid, IssueAsk), Refusal> {
        let patient = match (self.patient_id, self.email) {
            (Some(patient), None) => patient,
            (_, Some(_)) => return Err(by_patient("email", "invites are made for a patient on record")),
            (None, None) => return Err(by_patient("patient_id", "is required")),
        };
        let provider = self.provider_id.ok_or_else(|| fields::invalid("provider_id", "is required"))?;
        let ask = IssueAsk {
            invite,
            provider_id: fields::provider(&provider)?,
            send_email: self.send_email.unwrap_or(true),
            message: fields::words("custom_message", self.custom_message.as_deref())?,
            expiry_days: fields::expiry(self.expiry_days)?,
            import_id: None,
            token_key_id: token_key_id.to_owned(),
        };
        Ok((patient, ask))
    }
}

fn by_patient(field: &'static str, why: &str) -> Refusal {
    let message =
        format!("{why}: put the patient on record with POST /api/patients, then send its id as patient_id");
    Refusal::Invalid(vec![FieldError { field, message }])
}

/// Invite a patient
///
/// What a second open invite does is the clinic's setting `open_invite_policy`. A patient put on record a
/// moment ago is waited for briefly.
#[utoipa::path(
    post, path = "/api/generate_invite", tag = "invites", params(IdempotencyKey),
    request_body = GenerateInvite,
    responses(
        (status = 201, body = InviteWithLink, description = "Invited; the link is in the answer"),
        (status = 404, body = Problem, content_type = "application/problem+json",
         description = "`patient_unknown`: not on record here, or not yet; see Retry-After"),
        (status = 409, body = Problem, content_type = "application/problem+json",
         description = "`patient_already_registered`, `patient_inactive`, `open_invite_exists` or `invite_system_is_legacy`"),
        (status = 410, body = Problem, content_type = "application/problem+json", description = "`patient_erased`"),
        (status = 429, body = Problem, content_type = "application/problem+json",
         description = "`too_many_requests`: too many links for the patient, the address or the clinic; `limit` says for which, Retry-After when there is room"),
    )
)]
pub async fn generate(
    State(api): State<Api>,
    caller: Caller,
    cause: Cause,
    key: IdempotencyKey,
    body: Body<GenerateInvite>,
) -> Result<(StatusCode, ETag, Json<InviteWithLink>), Problem> {
    let key = key.over(&body.bytes);
    let (patient, ask) = body
        .value
        .read(&api.tokens.current_id(), api.core.clock.new_id())
        .map_err(|refusal| problem(&refusal))?;
    api.wait_for(&caller.account, patient).await?;
    let command = Command {
        account: caller.account.clone(),
        patient,
        ask: Ask::Issue(Box::new(ask)),
        cause: None,
        meta: cause.meta(staff(&caller)),
        at: api.core.clock.now(),
        counts: Counts::All,
        repeatable: repeatable(&caller, key),
    };
    let done = api.submit(command).await?;
    let row = api.after(&caller.account, done).await?;
    Ok((StatusCode::CREATED, ETag(row.version), Json(api.with_link(&caller, &cause, row).await?)))
}

impl Api {
    /// Waits until a patient of the clinic is heard of, briefly; whether it came is for the command to
    /// find out. Another clinic's patient is waited for like one that does not exist.
    async fn wait_for(&self, account: &AccountId, patient: Uuid) -> Result<(), Problem> {
        let since = tokio::time::Instant::now();
        loop {
            let mut reader = self.core.db.read().await.map_err(lost)?;
            let known = store::patients::find(reader.conn(), patient).await.map_err(lost)?;
            drop(reader);
            if known.is_some_and(|known| known.account == *account) || since.elapsed() > WAITING {
                return Ok(());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// An invite with the link of its newest issue. That it is shown is written down first, here, since nothing else
    /// shows a link to staff.
    pub(super) async fn with_link(
        &self,
        caller: &Caller,
        cause: &Cause,
        row: Row,
    ) -> Result<InviteWithLink, Problem> {
        self.saw(caller, cause, "invite.link_shown", vec![row.id, row.patient_id]).await?;
        let issue_no = i32::try_from(row.issue_no).unwrap_or(i32::MAX);
        let link = self.tokens.link(&row.token_key_id, row.id, issue_no);
        Ok(InviteWithLink {
            invite: InviteView::of(row, self.core.clock.now()),
            invite_url: link.map(crate::tokens::Link::reveal),
        })
    }
}
