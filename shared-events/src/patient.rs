//! Patients. Every patient event carries the whole record as it stands after the event, so that a
//! reader needs the newest version and no history, whatever order they arrive in.

use crate::personal::Secret;
use chrono::{DateTime, NaiveDate, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Where a patient stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PatientStatus {
    /// On record, no account yet.
    Pending,
    /// Registered.
    Active,
    /// Archived; may be restored.
    Inactive,
    /// Nothing personal is left.
    Erased,
}

impl PatientStatus {
    /// Live patients hold their e-mail and external id.
    pub fn is_live(self) -> bool {
        matches!(self, PatientStatus::Pending | PatientStatus::Active)
    }

    /// As it stands in JSON and in the databases.
    pub fn as_str(self) -> &'static str {
        match self {
            PatientStatus::Pending => "pending",
            PatientStatus::Active => "active",
            PatientStatus::Inactive => "inactive",
            PatientStatus::Erased => "erased",
        }
    }
}

/// The personal fields of a patient.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PatientDetails {
    /// As typed.
    pub email: String,
    /// Empty only for a record taken over from the old system.
    pub first_name: String,
    /// Empty only for a record taken over from the old system.
    pub last_name: String,
    /// As typed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// The first fact asked of a person who accepts an invite.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date_of_birth: Option<NaiveDate>,
    /// Staff's own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notes: Option<String>,
    /// The record's id in the clinic's other systems.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// The clinician's name, for display.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clinician_name: Option<String>,
}

/// A patient's record as it stands after an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PatientRecord {
    /// Where the patient stands.
    pub status: PatientStatus,
    /// Who cares for the patient.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clinician_id: Option<String>,
    /// BCP 47 tag; else the clinic's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preferred_language: Option<String>,
    /// Taken over without names; staff must complete it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub incomplete: bool,
    /// The login of the person, once registered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<Uuid>,
    /// Stream version of the last archive, erase or e-mail change, 0 if none. Open invites made from
    /// an older version are void.
    pub invites_void_before: i64,
    /// The personal fields.
    pub personal: Secret<PatientDetails>,
}

/// Where a record came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// One by one.
    Staff,
    /// A bulk import.
    Import,
    /// An old-style call that named an address unknown here.
    Legacy,
}

/// `PatientCreated`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PatientCreated {
    /// The record.
    #[serde(flatten)]
    pub record: PatientRecord,
    /// Where it came from.
    pub origin: Origin,
    /// The import that made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub import_id: Option<Uuid>,
}

/// `PatientUpdated`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PatientUpdated {
    /// The record from now on.
    #[serde(flatten)]
    pub record: PatientRecord,
    /// Names of the fields that changed.
    pub changed: Vec<String>,
    /// Set where staff asked that invites voided by a new address be issued again to it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub reissue_invites: bool,
    /// Which of them: those made from this version of the stream or a newer one. What was made from an older one was void
    /// before. Beside `reissue_invites` only.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub reissue_from: i64,
    /// The import that changed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub import_id: Option<Uuid>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_zero(version: &i64) -> bool {
    *version == 0
}

/// Why a patient was archived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ArchiveReason {
    /// Staff did.
    Staff,
    /// The import that created the record was undone.
    ImportUndone,
}

/// `PatientArchived`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PatientArchived {
    /// The record from now on.
    #[serde(flatten)]
    pub record: PatientRecord,
    /// Why.
    pub reason: ArchiveReason,
    /// The import that was undone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub import_id: Option<Uuid>,
}

/// `PatientRestored`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PatientRestored {
    /// The record from now on.
    #[serde(flatten)]
    pub record: PatientRecord,
}

/// `PatientActivated`: an invite was accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PatientActivated {
    /// The record from now on. An archived patient gets the account and stays `inactive`.
    #[serde(flatten)]
    pub record: PatientRecord,
    /// The invite that was accepted.
    pub invite_id: Uuid,
}

/// `PatientErased`: a tombstone above every version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PatientErased {
    /// The erasure this belongs to.
    pub erasure_id: Uuid,
    /// When.
    pub erased_at: DateTime<Utc>,
    /// This event's own version.
    pub invites_void_before: i64,
}

/// `PatientTakenOver`: a record made from the old system's rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PatientTakenOver {
    /// The record.
    #[serde(flatten)]
    pub record: PatientRecord,
    /// Which old system.
    pub source: String,
    /// When the old system first knew the person.
    pub occurred_at: DateTime<Utc>,
}

/// Personal fields of `InvitationRequested` and `InviteIssued`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InviteWords {
    /// Staff's words to the patient.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub custom_message: Option<String>,
}

/// `InvitationRequested`: an import asks that this patient be invited.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InvitationRequested {
    /// The import. With the patient's id it makes the invite's id, so one import invites once.
    pub import_id: Uuid,
    /// Whom the patient is invited to.
    pub provider_id: String,
    /// Whether a mail goes out.
    pub send_email: bool,
    /// Days until it lapses; else the clinic's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiry_days: Option<u16>,
    /// As every patient event: invites made from an older version are void.
    pub invites_void_before: i64,
    /// Staff's words.
    pub personal: Secret<InviteWords>,
}

/// `ImportUndone`: what an import had created was archived where it could be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ImportUndone {
    /// Patients archived.
    pub archived: i64,
    /// Patients left alone because they were invited, registered or updated since.
    pub kept: i64,
}
