//! `/api/clinic`: the settings of the caller's clinic.

use super::{App, refusals};
use crate::domain::clinic::SettingsPatch;
use crate::domain::{FieldError, Refusal};
use crate::settings::{self, Change};
use crate::store;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use shared_events::clinic::{ClinicSettings, InviteSystem, OpenInvitePolicy};
use shared_host::requests::{Cause, lost, staff, unanswered};
use shared_http::openapi;
use shared_http::{Caller, ETag, IfMatch, Json, Maybe, Problem};
use utoipa::ToSchema;
use utoipa::openapi::Schema;

/// A clinic's settings.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ClinicAnswer {
    /// The clinic.
    pub account_id: String,
    /// The name that patients see.
    pub name: String,
    /// IANA name.
    #[schema(example = "Europe/Berlin")]
    pub time_zone: String,
    /// Language tag.
    pub default_language: String,
    /// Days until an invite lapses.
    pub default_expiry_days: u16,
    /// What a second open invite does: `supersede`, `allow` or `reject`.
    #[schema(value_type = String, example = "supersede")]
    pub open_invite_policy: OpenInvitePolicy,
    /// Whether several live patients may have one address.
    pub allow_shared_email: bool,
    /// `legacy`, `parallel` or `patient_first`.
    #[schema(value_type = String, example = "patient_first")]
    pub invite_system: InviteSystem,
}

impl ClinicAnswer {
    fn new(caller: &Caller, settings: ClinicSettings) -> ClinicAnswer {
        ClinicAnswer {
            account_id: caller.account.to_string(),
            name: settings.name,
            time_zone: settings.time_zone,
            default_language: settings.default_language,
            default_expiry_days: settings.default_expiry_days,
            open_invite_policy: settings.open_invite_policy,
            allow_shared_email: settings.allow_shared_email,
            invite_system: settings.invite_system,
        }
    }
}

/// Changes to a clinic's settings; absent leaves one alone, and none can be cleared.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ClinicPatch {
    /// The name that patients see.
    #[schema(value_type = String)]
    pub name: Maybe<String>,
    /// IANA name.
    #[schema(value_type = String, example = "Europe/Berlin")]
    pub time_zone: Maybe<String>,
    /// Language tag.
    #[schema(value_type = String, example = "de-AT")]
    pub default_language: Maybe<String>,
    /// Days until an invite lapses, 1 to 90.
    #[schema(value_type = i64, minimum = 1, maximum = 90)]
    pub default_expiry_days: Maybe<i64>,
    /// What a second open invite does: `supersede`, `allow` or `reject`.
    #[schema(schema_with = policies)]
    pub open_invite_policy: Maybe<OpenInvitePolicy>,
    /// Whether several live patients may have one address.
    #[schema(value_type = bool)]
    pub allow_shared_email: Maybe<bool>,
    /// `legacy`, `parallel` or `patient_first`.
    #[schema(schema_with = systems)]
    pub invite_system: Maybe<InviteSystem>,
}

fn policies() -> Schema {
    openapi::word(&["supersede", "allow", "reject"])
}

fn systems() -> Schema {
    openapi::word(&["legacy", "parallel", "patient_first"])
}

impl ClinicPatch {
    fn read(self) -> Result<SettingsPatch, Refusal> {
        let mut cleared = Vec::new();
        let patch = SettingsPatch {
            name: set(&mut cleared, "name", self.name),
            time_zone: set(&mut cleared, "time_zone", self.time_zone),
            default_language: set(&mut cleared, "default_language", self.default_language),
            default_expiry_days: set(&mut cleared, "default_expiry_days", self.default_expiry_days),
            open_invite_policy: set(&mut cleared, "open_invite_policy", self.open_invite_policy),
            allow_shared_email: set(&mut cleared, "allow_shared_email", self.allow_shared_email),
            invite_system: set(&mut cleared, "invite_system", self.invite_system),
        };
        if cleared.is_empty() { Ok(patch) } else { Err(Refusal::Invalid(cleared)) }
    }
}

fn set<T>(cleared: &mut Vec<FieldError>, field: &'static str, value: Maybe<T>) -> Option<T> {
    value.required().unwrap_or_else(|()| {
        cleared.push(FieldError { field, message: "is required and cannot be cleared".to_owned() });
        None
    })
}

/// Reads the settings of the caller's clinic.
#[utoipa::path(get, path = "/api/clinic", tag = "clinic", security(("bearer" = ["admin"])),
    responses((status = 200, body = ClinicAnswer)))]
pub async fn read(State(app): State<App>, caller: Caller, cause: Cause) -> Result<Response, Problem> {
    let mut reader = app.core.db.read().await.map_err(lost)?;
    let clinic = store::clinics::read(reader.conn(), &caller.account).await.map_err(lost)?;
    drop(reader);
    app.saw(&caller, &cause, "clinic.read", Vec::new()).await?;
    Ok((ETag(clinic.version), Json(ClinicAnswer::new(&caller, clinic.settings))).into_response())
}

/// Changes settings of the caller's clinic.
#[utoipa::path(patch, path = "/api/clinic", tag = "clinic", request_body = ClinicPatch, params(IfMatch),
    security(("bearer" = ["admin"])),
    responses((status = 200, body = ClinicAnswer)))]
pub async fn change(
    State(app): State<App>,
    caller: Caller,
    cause: Cause,
    if_match: IfMatch,
    Json(body): Json<ClinicPatch>,
) -> Result<Response, Problem> {
    let expected = match if_match {
        IfMatch::Any => None,
        IfMatch::Version(version) => Some(version),
    };
    let change = Change {
        account: caller.account.clone(),
        patch: body.read().map_err(refusals::problem)?,
        expected,
        meta: cause.meta(staff(&caller)),
    };
    let clinic = settings::change(&app.core, &change)
        .await
        .map_err(|error| unanswered(&error))?
        .map_err(refusals::problem)?;
    Ok((ETag(clinic.version), Json(ClinicAnswer::new(&caller, clinic.settings))).into_response())
}
