//! Invites. Every invite event carries the invite as it stands after the event, so that projections
//! and counts need no history.

use crate::patient::InviteWords;
use crate::personal::Secret;
use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Where an invite stands. All but `Pending` are final.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum InviteStatus {
    /// Open: its link can be used until it expires.
    Pending,
    /// The patient registered with it.
    Accepted,
    /// It lapsed.
    Expired,
    /// It was taken back; [`RevokeReason`] says why.
    Revoked,
}

impl InviteStatus {
    /// As it stands in JSON and in the databases.
    pub fn as_str(self) -> &'static str {
        match self {
            InviteStatus::Pending => "pending",
            InviteStatus::Accepted => "accepted",
            InviteStatus::Expired => "expired",
            InviteStatus::Revoked => "revoked",
        }
    }
}

/// Why an invite was revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RevokeReason {
    /// Staff did; their words are sealed as `note`.
    Staff,
    /// A newer invite took its place.
    Superseded,
    /// The patient was archived.
    Archived,
    /// The patient was erased.
    Erased,
    /// The patient's address changed.
    EmailChanged,
    /// Another invite of the patient was accepted.
    AcceptedElsewhere,
    /// The import that made the patient was undone.
    ImportUndone,
}

impl RevokeReason {
    /// As it stands in JSON and in the databases.
    pub fn as_str(self) -> &'static str {
        match self {
            RevokeReason::Staff => "staff",
            RevokeReason::Superseded => "superseded",
            RevokeReason::Archived => "archived",
            RevokeReason::Erased => "erased",
            RevokeReason::EmailChanged => "email_changed",
            RevokeReason::AcceptedElsewhere => "accepted_elsewhere",
            RevokeReason::ImportUndone => "import_undone",
        }
    }
}

/// How an invite reaches its patient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// By mail.
    Email,
    /// Staff hand the link over.
    Link,
}

/// An invite as it stands after an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InviteFacts {
    /// Whose invite.
    pub patient_id: Uuid,
    /// Whom the patient is invited to.
    pub provider_id: String,
    /// Where it stands.
    pub status: InviteStatus,
    /// Counts the links that were made for it, from 1.
    pub issue_no: i32,
    /// When it was first issued.
    pub issued_at: DateTime<Utc>,
    /// When it lapses.
    pub expires_at: DateTime<Utc>,
    /// How it reaches its patient.
    pub channel: Channel,
    /// The import that asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub import_id: Option<Uuid>,
}

/// `InviteIssued`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InviteIssued {
    /// The invite.
    #[serde(flatten)]
    pub invite: InviteFacts,
    /// Which token key made its link. The link itself is never stored.
    pub token_key_id: String,
    /// Version of the patient's stream that the decision was made from.
    pub source_patient_version: i64,
    /// Whether a mail goes out.
    pub send_email: bool,
    /// The invite that this one issues again after the address changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reissue_of: Option<Uuid>,
    /// Staff's words to the patient.
    pub personal: Secret<InviteWords>,
}

/// `InviteResent`: a new link; the old one dies once a delivery of the new one is queued, or at once
/// where no mail goes out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InviteResent {
    /// The invite.
    #[serde(flatten)]
    pub invite: InviteFacts,
    /// Which token key made the new link.
    pub token_key_id: String,
    /// Whether a mail goes out.
    pub send_email: bool,
}

/// Events that carry nothing beyond the invite itself: `InviteExtended`, `InviteOpened`,
/// `InviteVerified`, `InviteUnlocked`, `InviteExpired`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InviteMoved {
    /// The invite.
    #[serde(flatten)]
    pub invite: InviteFacts,
}

/// `InviteVerificationFailed`, `InviteLocked`: wrong facts so far, since the last unlock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InviteMistrusted {
    /// The invite.
    #[serde(flatten)]
    pub invite: InviteFacts,
    /// Wrong facts so far.
    pub failed_attempts: i32,
}

/// Personal fields of `InviteAccepted`: names that the person gave because none were on record.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GivenNames {
    /// As typed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_name: Option<String>,
    /// As typed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_name: Option<String>,
}

/// `InviteAccepted`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InviteAccepted {
    /// The invite.
    #[serde(flatten)]
    pub invite: InviteFacts,
    /// The person's login.
    pub user_id: Uuid,
    /// Names for a record that was taken over without any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub personal: Option<Secret<GivenNames>>,
}

/// Personal fields of `InviteRevoked`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevokeWords {
    /// Staff's words on why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// `InviteRevoked`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InviteRevoked {
    /// The invite.
    #[serde(flatten)]
    pub invite: InviteFacts,
    /// Why.
    pub reason: RevokeReason,
    /// Staff's words.
    pub personal: Secret<RevokeWords>,
}

/// `InviteRefused`: an invitation asked for by an import could not be issued.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InviteRefused {
    /// Whose invite it would have been.
    pub patient_id: Uuid,
    /// Whom the patient would have been invited to.
    pub provider_id: String,
    /// The import that asked.
    pub import_id: Uuid,
    /// The stable code of the refusal, as the HTTP API would say it.
    pub code: String,
}

/// `InviteTakenOver`: an invite of the old system, with its original times.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InviteTakenOver {
    /// The invite.
    #[serde(flatten)]
    pub invite: InviteFacts,
    /// Which old system.
    pub source: String,
    /// When its present status came about.
    pub occurred_at: DateTime<Utc>,
    /// The login that accepted it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<Uuid>,
    /// Why it was revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<RevokeReason>,
    /// The message it went out with.
    pub personal: Secret<InviteWords>,
}

/// `LinkRequested`: a person asked for their link again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LinkRequested {
    /// The invite.
    #[serde(flatten)]
    pub invite: InviteFacts,
    /// Whether it is sent again; else the patient is among those who need help.
    pub granted: bool,
}

/// `ReminderDue`: time to remind a patient of an open invite.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReminderDue {
    /// The invite.
    #[serde(flatten)]
    pub invite: InviteFacts,
    /// Counts the reminders, from 1.
    pub reminder_no: i32,
}
