//! A person signs in and sees their patients.

use super::Api;
use super::refusals::{not_signed_in, problem, sign_in_refused, undone};
use crate::domain::{Patient, fields};
use crate::store::sessions::Session;
use crate::store::{accounts, clinics, patients};
use axum::extract::{FromRequestParts, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use shared_events::AccountId;
use shared_events::patient::PatientStatus;
use shared_host::requests::{Cause, lost, unanswered};
use shared_http::{Client, Json, Problem, Query, bearer};
use std::collections::{BTreeMap, HashMap};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// The name of the scheme under which a person's session opens routes. A member of the staff's token never does.
pub const SCHEME: &str = "patient_session";

/// Signing in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "email": "eve@example.org", "password": "correct horse battery" }))]
pub struct SignIn {
    /// The login's address.
    #[schema(max_length = 254)]
    email: String,
    /// Its password.
    password: String,
}

/// A patient that the person's login stands for.
#[derive(Serialize, ToSchema)]
pub struct PersonsPatient {
    /// The patient.
    patient_id: Uuid,
    /// The clinic's name.
    clinic: String,
    /// As the clinic has it on record.
    #[serde(skip_serializing_if = "Option::is_none")]
    first_name: Option<String>,
    /// As the clinic has it on record.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_name: Option<String>,
    /// `active`, or `inactive` where the clinic has archived the record: nothing can be done with it.
    #[schema(examples("active"))]
    status: &'static str,
}

/// A person who has signed in.
#[derive(Serialize, ToSchema)]
pub struct Person {
    /// The session's token, to be sent as `Authorization: Bearer`. Told once, when the session begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(examples("ps1.…"))]
    session: Option<String>,
    /// When the session ends in any case.
    expires_at: DateTime<Utc>,
    /// When it ends if it is not used.
    idle_until: DateTime<Utc>,
    /// The person's login.
    user_id: Uuid,
    /// Whom the login stands for.
    patients: Vec<PersonsPatient>,
}

/// A session as a request shows it. 401 `not_signed_in` alike for no token, another's and one that has ended: a staff
/// token is here as good as none.
pub struct Signed(Session);

impl FromRequestParts<Api> for Signed {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        let Ok(token) = bearer(&parts.headers) else { return Err(not_signed_in()) };
        let session = api.logins.session(token).await.map_err(undone)?;
        session.map(Signed).ok_or_else(not_signed_in)
    }
}

/// Sign in
///
/// For persons, not for staff. Where several people share an address, whoever's password it is.
#[utoipa::path(
    post, path = "/api/patient_session", tag = "patient", security(()),
    request_body = SignIn,
    responses(
        (status = 201, body = Person, description = "Signed in; the token is told here and nowhere else"),
        (status = 403, body = Problem, content_type = "application/problem+json",
         description = "`sign_in_refused`: no such login, another password, or too many wrong ones, alike"),
    )
)]
pub async fn sign_in(
    State(api): State<Api>,
    client: Client,
    cause: Cause,
    Json(body): Json<SignIn>,
) -> Result<(StatusCode, Json<Person>), Problem> {
    let address = fields::address("email", &body.email).map_err(|refusal| problem(&refusal))?;
    api.admit(&api.limits().session, &client).await?;
    api.admit_address(&api.limits().session_address, &address).await?;
    let signed_in = api.logins.sign_in(&address, &body.password).await.map_err(undone)?;
    let signed_in = signed_in.ok_or_else(sign_in_refused)?;
    let person = api.show(&signed_in.session, Some(signed_in.token), &cause).await?;
    Ok((StatusCode::CREATED, Json(person)))
}

/// Who am I
#[utoipa::path(
    get, path = "/api/patient_session", tag = "patient", security(("patient_session" = [])),
    responses(
        (status = 200, body = Person, description = "The session, without its token"),
        (status = 401, body = Problem, content_type = "application/problem+json",
         description = "`not_signed_in`: no session, or one that has ended"),
    )
)]
pub async fn show(
    State(api): State<Api>,
    Signed(session): Signed,
    cause: Cause,
) -> Result<Json<Person>, Problem> {
    api.show(&session, None, &cause).await.map(Json)
}

/// How to sign out.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SignOut {
    /// Whether every session of the login ends, not only this one.
    #[serde(default)]
    everywhere: bool,
}

/// Sign out
#[utoipa::path(
    delete, path = "/api/patient_session", tag = "patient", params(SignOut),
    security(("patient_session" = [])),
    responses(
        (status = 204, description = "Signed out"),
        (status = 401, body = Problem, content_type = "application/problem+json",
         description = "`not_signed_in`: no session, or one that has ended"),
    )
)]
pub async fn sign_out(
    State(api): State<Api>,
    Signed(session): Signed,
    Query(how): Query<SignOut>,
) -> Result<StatusCode, Problem> {
    api.logins.sign_out(&session, how.everywhere).await.map_err(undone)?;
    Ok(StatusCode::NO_CONTENT)
}

impl Api {
    /// The person and their patients. That they are shown is written down first, for each clinic.
    async fn show(&self, session: &Session, token: Option<String>, cause: &Cause) -> Result<Person, Problem> {
        let mut reader = self.core.db.read().await.map_err(lost)?;
        let ids = accounts::patients_of(reader.conn(), session.user_id).await.map_err(lost)?;
        let mut found = patients::find_all(reader.conn(), &ids).await.map_err(lost)?;
        found.retain(|patient| patient.status != PatientStatus::Erased);
        let mut of: BTreeMap<AccountId, Vec<Uuid>> = BTreeMap::new();
        for patient in &found {
            of.entry(patient.account.clone()).or_insert(vec![session.user_id]).push(patient.id);
        }
        let clinics: Vec<AccountId> = of.keys().cloned().collect();
        let settings = clinics::of(reader.conn(), &clinics).await.map_err(lost)?;
        drop(reader);
        for (clinic, ids) in of {
            let meta = cause.meta("patient".to_owned());
            self.core
                .audit
                .saw(&meta, &clinic, "patient.read", ids)
                .await
                .map_err(|error| unanswered(&error))?;
        }
        let names: HashMap<AccountId, String> =
            settings.into_iter().map(|(account, settings)| (account, settings.name)).collect();
        Ok(Person {
            session: token,
            expires_at: session.ends_at,
            idle_until: session.idle_until,
            user_id: session.user_id,
            patients: found.into_iter().map(|patient| shown(patient, &names)).collect(),
        })
    }
}

fn shown(patient: Patient, names: &HashMap<AccountId, String>) -> PersonsPatient {
    let clinic = names.get(&patient.account).cloned();
    PersonsPatient {
        patient_id: patient.id,
        clinic: clinic.unwrap_or_else(|| shared_events::clinic::ClinicSettings::default().name),
        first_name: patient.first_name,
        last_name: patient.last_name,
        // Whoever has a login has registered, though the patient's own stream may not say so here yet.
        status: match patient.status {
            PatientStatus::Pending => PatientStatus::Active.as_str(),
            status => status.as_str(),
        },
    }
}
