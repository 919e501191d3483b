//! The patient's side: whose link is it, and signing up. Public, without a staff token.
//!
//! Nothing but POST acts, since mail scanners follow links; nothing is accepted without a typed fact,
//! since some submit forms, too.

use super::Api;
use super::refusals::problem;
use crate::domain::{Ask, Refusal, fields};
use crate::tokens::Named;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use shared_events::invite::GivenNames;
use shared_host::requests::Cause;
use shared_http::{Client, Json, Problem};
use utoipa::ToSchema;
use uuid::Uuid;

/// A link's token.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "token": "pf1.…" }))]
pub struct VerifyInvite {
    /// What stands after the `#` of the link.
    pub(super) token: String,
}

/// What the page may show before a fact was given.
#[derive(Default, Serialize, ToSchema)]
pub struct Verified {
    /// Whether the link can be used. No reason is given where it cannot.
    pub(super) valid: bool,
    /// The clinic's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) clinic: Option<String>,
    /// The first letter of the patient's first name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(examples("E"))]
    pub(super) initial: Option<String>,
    /// The fact to ask for: `date_of_birth`, `last_name` or `email`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(examples("date_of_birth"))]
    pub(super) asks: Option<&'static str>,
    /// Whether the patient's address has a login, whose password is then asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) has_account: Option<bool>,
    /// True where people share the address: the person may also make a login of their own (`new_login`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) may_make_own: Option<bool>,
}

/// Look at a link
///
/// Answers alike for unknown, ended and locked invites and archived patients.
#[utoipa::path(
    post, path = "/api/verify_invite", tag = "patient", security(()),
    request_body = VerifyInvite,
    responses((status = 200, body = Verified, description = "Whether the link can be used, and what to ask for"))
)]
pub async fn verify(
    State(api): State<Api>,
    client: Client,
    cause: Cause,
    Json(body): Json<VerifyInvite>,
) -> Result<Json<Verified>, Problem> {
    api.admit(&api.limits().verify, &client).await?;
    let Some(link) = api.find(&body.token).await? else { return Ok(Json(Verified::default())) };
    let ask = Ask::Open { invite: link.named.invite, issue_no: link.named.issue_no };
    match api.try_submit(link.command(&api, ask, cause.meta("patient".to_owned()))).await? {
        Ok(_) => api.greet(&link).await.map(Json),
        Err(_) => Ok(Json(Verified::default())),
    }
}

/// Signing up with a link.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "token": "pf1.…", "date_of_birth": "1985-01-31", "password": "correct horse battery" }))]
pub struct AcceptInvite {
    /// What stands after the `#` of the link.
    token: String,
    /// The fact, where the page asks for it.
    #[schema(format = Date, examples("1985-01-31"))]
    date_of_birth: Option<String>,
    /// The fact, where the page asks for it; beside an address, the name that the form collected.
    last_name: Option<String>,
    /// The fact, where the page asks for it: the address the invite went to.
    email: Option<String>,
    /// The new login's password (10 to 200 characters), or that of the login the address has.
    pub(super) password: String,
    /// Makes a login of the person's own beside those that others have at the address, where that may be
    /// (`may_make_own`). Else, where the address has a login, its password is asked.
    #[serde(default)]
    pub(super) new_login: bool,
    /// The name that the form collected, where none is on record.
    first_name: Option<String>,
}

impl AcceptInvite {
    fn names(&self) -> Result<GivenNames, Refusal> {
        Ok(GivenNames {
            first_name: fields::name("first_name", self.first_name.as_deref())?,
            last_name: fields::name("last_name", self.last_name.as_deref())?,
        })
    }
}

/// Signed up.
#[derive(Serialize, ToSchema)]
pub struct Accepted {
    /// The person's login.
    pub(super) user_id: Uuid,
    /// The patient the login now stands for.
    pub(super) patient_id: Uuid,
    /// `accepted`.
    #[schema(examples("accepted"))]
    pub(super) status: &'static str,
}

/// Accept an invite
///
/// One of many attempts at once succeeds. Five wrong facts lock the invite. A repeated acceptance is no
/// success.
#[utoipa::path(
    post, path = "/api/accept_invite", tag = "patient", security(()),
    request_body = AcceptInvite,
    responses(
        (status = 201, body = Accepted, description = "Signed up"),
        (status = 403, body = Problem, content_type = "application/problem+json",
         description = "`not_accepted`: unknown token, wrong fact or locked, alike; `account_password_wrong`: the address has a login, and this is not its password"),
        (status = 409, body = Problem, content_type = "application/problem+json",
         description = "`already_accepted` or `patient_inactive`; `password_needed`: the address's login was taken over without a password, and a mail to set one is on its way; `own_login_not_possible`"),
        (status = 410, body = Problem, content_type = "application/problem+json",
         description = "`invite_expired` or `invite_revoked`"),
        (status = 422, body = Problem, content_type = "application/problem+json",
         description = "`password_weak`, or a field that cannot be read; burns no attempt"),
    )
)]
pub async fn accept(
    State(api): State<Api>,
    client: Client,
    cause: Cause,
    Json(body): Json<AcceptInvite>,
) -> Result<(StatusCode, Json<Accepted>), Problem> {
    api.admit(&api.limits().accept, &client).await?;
    let fact = fields::fact(body.date_of_birth.as_deref(), body.last_name.as_deref(), body.email.as_deref())
        .map_err(|refusal| problem(&refusal))?;
    let names = body.names().map_err(|refusal| problem(&refusal))?;
    let link = api.find(&body.token).await?.ok_or_else(|| problem(&Refusal::NotAccepted))?;
    let meta = cause.meta("patient".to_owned());
    let Named { invite, issue_no } = link.named;
    let prove = Ask::Prove { invite, issue_no, fact: fact.clone() };
    api.submit(link.command(&api, prove, meta.clone())).await?;
    api.sign_up(&link, (fact, names), &body, meta).await.map(|accepted| (StatusCode::CREATED, Json(accepted)))
}
