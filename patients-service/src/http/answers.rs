//! The shapes of requests and answers.

use crate::domain::fields::{Errors, FieldError};
use crate::domain::{Known, Patch, RawDraft, Refusal};
use crate::store::patients::Row;
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use shared_http::Maybe;
use utoipa::ToSchema;
use uuid::Uuid;

/// A patient.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct PatientAnswer {
    /// The patient's id.
    pub id: Uuid,
    /// E-mail address, as typed.
    #[schema(example = "ada@example.org")]
    pub email: String,
    /// Given name.
    #[schema(example = "Ada")]
    pub first_name: String,
    /// Family name.
    #[schema(example = "Lovelace")]
    pub last_name: String,
    /// Phone number, as typed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// `pending` (no account yet), `active` (registered), `inactive` (archived).
    #[schema(example = "pending")]
    pub status: String,
    /// The record's id in the clinic's other systems.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// Who cares for the patient.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clinician_id: Option<String>,
    /// The clinic.
    pub account_id: String,
    /// Their name, for display.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clinician_name: Option<String>,
    /// Date of birth.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub date_of_birth: Option<NaiveDate>,
    /// Staff's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notes: Option<String>,
    /// Language tag, where it differs from the clinic's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preferred_language: Option<String>,
    /// Taken over from the old system without names: please complete.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub incomplete: bool,
    /// When the record was made.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
    /// Whether an invite is open. Follows within moments, and without a new version.
    pub has_pending_invite: bool,
}

impl From<Row> for PatientAnswer {
    fn from(row: Row) -> Self {
        PatientAnswer {
            id: row.id,
            email: row.email,
            first_name: row.first_name,
            last_name: row.last_name,
            phone: row.phone,
            status: row.status,
            external_id: row.external_id,
            clinician_id: row.clinician_id,
            account_id: row.account_id,
            clinician_name: row.clinician_name,
            date_of_birth: row.date_of_birth,
            notes: row.notes,
            preferred_language: row.preferred_language,
            incomplete: row.incomplete,
            created_at: row.created_at,
            updated_at: row.updated_at,
            has_pending_invite: row.has_pending_invite,
        }
    }
}

impl PatientAnswer {
    /// A patient that was just put on record: nobody can have invited them yet.
    pub fn fresh(id: Uuid, known: &Known) -> PatientAnswer {
        let details = known.details.clone();
        PatientAnswer {
            id,
            email: details.email,
            first_name: details.first_name,
            last_name: details.last_name,
            phone: details.phone,
            status: known.status.as_str().to_owned(),
            external_id: details.external_id,
            clinician_id: known.clinician_id.clone(),
            account_id: known.account.to_string(),
            clinician_name: details.clinician_name,
            date_of_birth: details.date_of_birth,
            notes: details.notes,
            preferred_language: known.preferred_language.clone(),
            incomplete: known.incomplete,
            created_at: known.created_at,
            updated_at: known.updated_at,
            has_pending_invite: false,
        }
    }
}

/// A whole record, to create or to replace one. Optional fields that are absent are empty.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PatientBody {
    /// E-mail address.
    #[schema(example = "ada@example.org")]
    pub email: String,
    /// Given name.
    #[schema(example = "Ada")]
    pub first_name: String,
    /// Family name.
    #[schema(example = "Lovelace")]
    pub last_name: String,
    /// Phone number.
    pub phone: Option<String>,
    /// The record's id in the clinic's other systems.
    pub external_id: Option<String>,
    /// Who cares for the patient.
    pub clinician_id: Option<String>,
    /// Their name, for display.
    pub clinician_name: Option<String>,
    /// Date of birth, YYYY-MM-DD.
    #[schema(example = "1990-02-28")]
    pub date_of_birth: Option<String>,
    /// Staff's words.
    pub notes: Option<String>,
    /// Language tag, such as `en` or `de-AT`.
    pub preferred_language: Option<String>,
}

impl From<PatientBody> for RawDraft {
    fn from(body: PatientBody) -> RawDraft {
        RawDraft {
            email: Some(body.email),
            first_name: Some(body.first_name),
            last_name: Some(body.last_name),
            phone: body.phone,
            date_of_birth: body.date_of_birth,
            notes: body.notes,
            external_id: body.external_id,
            clinician_id: body.clinician_id,
            clinician_name: body.clinician_name,
            preferred_language: body.preferred_language,
        }
    }
}

/// A merge patch: absent leaves a field alone, null clears an optional one.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PatientPatchBody {
    /// E-mail address. A new one voids open invites.
    #[schema(value_type = String, nullable = false)]
    pub email: Maybe<String>,
    /// Given name.
    #[schema(value_type = String, nullable = false)]
    pub first_name: Maybe<String>,
    /// Family name.
    #[schema(value_type = String, nullable = false)]
    pub last_name: Maybe<String>,
    /// Phone number.
    pub phone: Maybe<String>,
    /// The record's id in the clinic's other systems.
    pub external_id: Maybe<String>,
    /// Who cares for the patient.
    pub clinician_id: Maybe<String>,
    /// Their name, for display.
    pub clinician_name: Maybe<String>,
    /// Date of birth, YYYY-MM-DD.
    pub date_of_birth: Maybe<String>,
    /// Staff's words.
    pub notes: Maybe<String>,
    /// Language tag.
    pub preferred_language: Maybe<String>,
}

impl PatientPatchBody {
    /// Reads every field and says everything that is wrong at once.
    pub fn read(self, today: NaiveDate) -> Result<Patch, Refusal> {
        use crate::domain::fields::{birth_date, language, name, notes, phone};
        use shared_events::Email;
        use shared_events::values::opaque;
        let mut errors = Errors::default();
        let patch = Patch {
            email: needed(&mut errors, "email", self.email, Email::parse),
            first_name: needed(&mut errors, "first_name", self.first_name, name),
            last_name: needed(&mut errors, "last_name", self.last_name, name),
            phone: clearable(&mut errors, "phone", self.phone, phone),
            date_of_birth: clearable(&mut errors, "date_of_birth", self.date_of_birth, |t| {
                birth_date(t, today)
            }),
            notes: clearable(&mut errors, "notes", self.notes, notes),
            external_id: clearable(&mut errors, "external_id", self.external_id, opaque),
            clinician_id: clearable(&mut errors, "clinician_id", self.clinician_id, opaque),
            clinician_name: clearable(&mut errors, "clinician_name", self.clinician_name, name),
            preferred_language: clearable(
                &mut errors,
                "preferred_language",
                self.preferred_language,
                language,
            ),
        };
        if errors.0.is_empty() { Ok(patch) } else { Err(Refusal::Invalid(errors.0)) }
    }
}

type Read<T> = Result<T, shared_events::values::Unusable>;

fn needed<T>(
    errors: &mut Errors,
    field: &'static str,
    value: Maybe<String>,
    read: impl FnOnce(&str) -> Read<T>,
) -> Option<T> {
    match value {
        Maybe::Absent => None,
        Maybe::Null => {
            errors.0.push(FieldError { field, message: "is required and cannot be cleared".to_owned() });
            None
        }
        Maybe::Value(text) => errors.required(field, Some(text), read),
    }
}

fn clearable<T>(
    errors: &mut Errors,
    field: &'static str,
    value: Maybe<String>,
    read: impl FnOnce(&str) -> Read<T>,
) -> Option<Option<T>> {
    match value {
        Maybe::Absent => None,
        Maybe::Null => Some(None),
        Maybe::Value(text) => Some(errors.optional(field, Some(text), read)),
    }
}
