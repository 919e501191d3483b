//! What answers look like.

use crate::store::deliveries;
use crate::store::invites::Row;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// An invite.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Invite)]
pub struct InviteView {
    /// The invite.
    pub id: Uuid,
    /// Whose.
    pub patient_id: Uuid,
    /// Whom the patient is invited to.
    #[schema(examples("dr-grey"))]
    pub provider_id: String,
    /// `pending`, `accepted`, `expired` or `revoked`; all but pending are final. What is past its expiry
    /// is `expired`.
    #[schema(examples("pending"))]
    pub status: String,
    /// Why it was revoked: `staff`, `superseded`, `archived`, `erased`, `email_changed`,
    /// `accepted_elsewhere` or `import_undone`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// `email`, or `link` where staff hand the link over.
    #[schema(examples("email"))]
    pub channel: String,
    /// Counts the links made for it.
    pub issue_no: i64,
    /// When it was first issued.
    pub issued_at: DateTime<Utc>,
    /// When it lapses.
    pub expires_at: DateTime<Utc>,
    /// Wrong facts since the last unlock.
    pub failed_attempts: i64,
    /// Since when it is locked, after too many wrong facts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locked_at: Option<DateTime<Utc>>,
    /// Since when the patient waits for help: a link was asked for and could not be sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help_requested_at: Option<DateTime<Utc>>,
    /// The import that asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub import_id: Option<Uuid>,
    /// The invite that it issues again, to a new address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reissue_of: Option<Uuid>,
    /// The login that accepted it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<Uuid>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When something last happened to it.
    pub updated_at: DateTime<Utc>,
}

impl InviteView {
    /// The view of a row at `at`, its expiry counted in.
    pub fn of(row: Row, at: DateTime<Utc>) -> InviteView {
        let lapsed = row.status == "pending" && row.expires_at <= at;
        InviteView {
            id: row.id,
            patient_id: row.patient_id,
            provider_id: row.provider_id,
            status: if lapsed { "expired".to_owned() } else { row.status },
            reason: row.reason,
            channel: row.channel,
            issue_no: row.issue_no,
            issued_at: row.issued_at,
            expires_at: row.expires_at,
            failed_attempts: row.failed_attempts,
            locked_at: row.locked_at,
            help_requested_at: row.help_requested_at,
            import_id: row.import_id,
            reissue_of: row.reissue_of,
            user_id: row.user_id,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// A mail that brought an invite to its patient, or was to. Its server's words, without any address in them.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Delivery)]
pub struct DeliveryView {
    /// The mail.
    pub id: Uuid,
    /// `invite`, `reminder` or `link_request`.
    #[schema(examples("invite"))]
    pub purpose: String,
    /// Which of the invite's links it carries.
    pub issue_no: i64,
    /// `queued`, `sent` (the next server took it: that is not arrival), `failed`, `bounced` or `held`.
    #[schema(examples("sent"))]
    pub state: String,
    /// Counts the attempts.
    pub attempt: i64,
    /// The server's reply code.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(examples(550))]
    pub code: Option<i64>,
    /// The enhanced status.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(examples("5.1.1"))]
    pub enhanced_status: Option<String>,
    /// The server's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub words: Option<String>,
    /// When it is tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_attempt_at: Option<DateTime<Utc>>,
    /// When it was accepted for sending.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queued_at: Option<DateTime<Utc>>,
    /// When something was last heard of it.
    pub updated_at: DateTime<Utc>,
}

impl DeliveryView {
    /// The view of a row.
    pub fn of(row: deliveries::Row) -> DeliveryView {
        DeliveryView {
            id: row.id,
            purpose: row.purpose,
            issue_no: row.issue_no,
            state: row.state,
            attempt: row.attempt,
            code: row.code,
            enhanced_status: row.enhanced_status,
            words: row.words,
            next_attempt_at: row.next_attempt_at,
            queued_at: row.queued_at,
            updated_at: row.updated_at,
        }
    }
}

/// An invite in a list.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = InviteListed)]
pub struct InviteListed {
    /// The invite.
    #[serde(flatten)]
    pub invite: InviteView,
    /// Why its patient needs help: `locked`, `bounced`, `failed`, `help_requested` or
    /// `expired_unanswered`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(examples("bounced"))]
    pub problem: Option<String>,
    /// Its newest mail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivery: Option<DeliveryView>,
}

/// An invite with staff's words, which are sealed where they are kept.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = InviteInFull)]
pub struct InviteInFull {
    /// The invite.
    #[serde(flatten)]
    pub invite: InviteView,
    /// Why its patient needs help: `locked`, `bounced`, `failed`, `help_requested` or
    /// `expired_unanswered`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// Its mails, oldest first.
    pub deliveries: Vec<DeliveryView>,
    /// Staff's words to the patient.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub custom_message: Option<String>,
    /// Staff's words on why it was revoked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// An invite with its link.
#[derive(Clone, Serialize, ToSchema)]
#[schema(as = InviteWithLink)]
pub struct InviteWithLink {
    /// The invite.
    #[serde(flatten)]
    pub invite: InviteView,
    /// The patient's link. Worked out for this answer, and kept nowhere; absent where the key that made
    /// it was retired.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(examples("https://clinic.example/i#pf1.…"))]
    pub invite_url: Option<String>,
}
