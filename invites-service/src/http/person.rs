//! The patient's side: whose link is it, and signing up. Public, without a staff token.
//!
//! Nothing but POST acts, since mail scanners follow links; nothing is accepted without a typed fact,
//! since some submit forms, too.

use super::Api;
use super::refusals::{problem, unhashed};
use crate::desk::Command;
use crate::domain::{Ask, Fact, Login, Patient, Refusal, account::Account, fields, password};
use crate::store::{self, accounts};
use crate::tokens::Named;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use shared_events::AccountId;
use shared_events::invite::GivenNames;
use shared_host::requests::{Cause, lost};
use shared_http::{Json, Problem};
use shared_runtime::log::Meta;
use utoipa::ToSchema;
use uuid::Uuid;

/// How often signing up is begun again because the login at the address came or went meanwhile.
const ROUNDS: u32 = 3;

/// A link's token.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "token": "pf1.…" }))]
pub struct VerifyInvite {
    /// What stands after the `#` of the link.
    token: String,
}

/// What the page may show before a fact was given.
#[derive(Default, Serialize, ToSchema)]
pub struct Verified {
    /// Whether the link can be used. No reason is given where it cannot.
    valid: bool,
    /// The clinic's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    clinic: Option<String>,
    /// The first letter of the patient's first name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(examples("E"))]
    initial: Option<String>,
    /// The fact to ask for: `date_of_birth`, `last_name` or `email`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(examples("date_of_birth"))]
    asks: Option<&'static str>,
    /// Whether the patient's address has a login, whose password is then asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    has_account: Option<bool>,
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
    cause: Cause,
    Json(body): Json<VerifyInvite>,
) -> Result<Json<Verified>, Problem> {
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
    password: String,
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
    user_id: Uuid,
    /// The patient the login now stands for.
    patient_id: Uuid,
    /// `accepted`.
    #[schema(examples("accepted"))]
    status: &'static str,
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
         description = "`already_accepted` or `patient_inactive`"),
        (status = 410, body = Problem, content_type = "application/problem+json",
         description = "`invite_expired` or `invite_revoked`"),
        (status = 422, body = Problem, content_type = "application/problem+json",
         description = "`password_weak`, or a field that cannot be read; burns no attempt"),
    )
)]
pub async fn accept(
    State(api): State<Api>,
    cause: Cause,
    Json(body): Json<AcceptInvite>,
) -> Result<(StatusCode, Json<Accepted>), Problem> {
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

/// A token that names an invite.
struct Link {
    named: Named,
    patient: Uuid,
    account: AccountId,
}

impl Link {
    fn command(&self, api: &Api, ask: Ask, meta: Meta) -> Command {
        Command {
            account: self.account.clone(),
            patient: self.patient,
            ask,
            cause: None,
            meta,
            at: api.core.clock.now(),
            repeatable: None,
        }
    }
}

impl Api {
    /// The invite a token names.
    async fn find(&self, token: &str) -> Result<Option<Link>, Problem> {
        let Some(named) = self.tokens.read(token) else { return Ok(None) };
        let mut reader = self.core.db.read().await.map_err(lost)?;
        let found = store::invites::patient_of(reader.conn(), named.invite).await.map_err(lost)?;
        Ok(found.and_then(|(patient, account)| {
            Some(Link { named, patient, account: AccountId::parse(&account).ok()? })
        }))
    }

    async fn greet(&self, link: &Link) -> Result<Verified, Problem> {
        let (patient, credentials) = self.person(link.patient).await?;
        let mut reader = self.core.db.read().await.map_err(lost)?;
        let clinic = store::clinics::read(reader.conn(), &link.account).await.map_err(lost)?;
        Ok(Verified {
            valid: true,
            clinic: Some(clinic.name),
            initial: patient.initial(),
            asks: patient.asks().map(crate::domain::FactKind::as_str),
            has_account: Some(credentials.is_some()),
        })
    }

    /// The patient and the login at the patient's address.
    async fn person(&self, patient: Uuid) -> Result<(Patient, Option<accounts::Credentials>), Problem> {
        let mut reader = self.core.db.read().await.map_err(lost)?;
        let patient = store::patients::find(reader.conn(), patient).await.map_err(lost)?;
        let patient = patient.ok_or_else(|| problem(&Refusal::NotAccepted))?;
        let credentials = match patient.address() {
            Some(address) => accounts::at_address(reader.conn(), &address).await.map_err(lost)?,
            None => None,
        };
        Ok((patient, credentials))
    }

    /// The fact was right: works the login out, outside of any transaction, then decides all of it again.
    async fn sign_up(
        &self,
        link: &Link,
        (fact, names): (Fact, GivenNames),
        body: &AcceptInvite,
        meta: Meta,
    ) -> Result<Accepted, Problem> {
        let Named { invite, issue_no } = link.named;
        for _ in 0..ROUNDS {
            let login = match self.login(link.patient, body).await {
                Ok(login) => login,
                Err(refused) => {
                    // Somebody may have used the link meanwhile, and the login asked for may be the one they
                    // made: how the invite stands goes before what is wrong with a password.
                    let prove = Ask::Prove { invite, issue_no, fact };
                    self.submit(link.command(self, prove, meta)).await?;
                    return Err(refused);
                }
            };
            let user_id = login.user_id();
            let (fact, names) = (fact.clone(), names.clone());
            let ask = Ask::Accept { invite, issue_no, fact, login, names };
            match self.try_submit(link.command(self, ask, meta.clone())).await? {
                Ok(_) => return Ok(Accepted { user_id, patient_id: link.patient, status: "accepted" }),
                Err(Refusal::LoginMoved) => {}
                Err(refusal) => return Err(problem(&refusal)),
            }
        }
        Err(problem(&Refusal::LoginMoved))
    }

    async fn login(&self, patient: Uuid, body: &AcceptInvite) -> Result<Login, Problem> {
        let (patient, credentials) = self.person(patient).await?;
        match credentials {
            Some(credentials) => self.existing(credentials, &body.password).await,
            None => self.new_login(&patient, &body.password).await,
        }
    }

    async fn new_login(&self, patient: &Patient, password: &str) -> Result<Login, Problem> {
        let word = |text: &Option<String>| text.clone().unwrap_or_default();
        let (first, last) = (word(&patient.first_name), word(&patient.last_name));
        let personal = [word(&patient.email), format!("{first} {last}"), first, last];
        let personal: Vec<&str> = personal.iter().map(String::as_str).collect();
        if let Some(why) = password::weakness(password, &personal) {
            return Err(problem(&Refusal::PasswordWeak(why)));
        }
        let hash = self.passwords.hash(password.to_owned()).await.map_err(unhashed)?;
        Ok(Login::Register { user_id: self.core.clock.new_id(), hash })
    }

    /// The login of the address, if the password is its own. The attempt is counted before the password
    /// is looked at, so that no number of attempts at once gets more looks than the limit.
    async fn existing(&self, credentials: accounts::Credentials, password: &str) -> Result<Login, Problem> {
        let wrong = || problem(&Refusal::AccountPasswordWrong);
        let mut tx = self.core.db.begin().await.map_err(lost)?;
        let counted = accounts::attempt(&mut tx, credentials.user_id).await.map_err(lost)?;
        tx.commit().await.map_err(lost)?;
        if !counted {
            return Err(wrong());
        }
        let right = self.passwords.is_right(password.to_owned(), credentials.password_hash);
        if !right.await.map_err(unhashed)? {
            return Err(wrong());
        }
        let mut tx = self.core.db.begin().await.map_err(lost)?;
        accounts::attempt_was_right(&mut tx, credentials.user_id).await.map_err(lost)?;
        tx.commit().await.map_err(lost)?;
        Ok(Login::Link(Account { user_id: credentials.user_id, version: credentials.version }))
    }
}
