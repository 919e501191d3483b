//! Deliveries: each attempt of the mailer to bring something to a person. Apart from an invite's status.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What a mail was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// An invite's link.
    Invite,
    /// A reminder of it.
    Reminder,
    /// A link asked for again.
    LinkRequest,
    /// A password reset.
    PasswordReset,
}

/// `DeliveryQueued`, `DeliverySent`, `DeliveryFailed`, `DeliveryBounced`, `DeliveryHeld`. The stream is
/// the delivery's. Every address and quoted header was removed before these words were kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Delivery {
    /// What for.
    pub purpose: Purpose,
    /// The event that asked for the mail.
    pub cause: Uuid,
    /// The invite, for all but resets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invite_id: Option<Uuid>,
    /// Whose invite.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patient_id: Option<Uuid>,
    /// The login, for resets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<Uuid>,
    /// Which of the invite's links it carries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issue_no: Option<i32>,
    /// Counts the attempts, from 1.
    pub attempt: i32,
    /// The server's reply code, such as 550.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<i32>,
    /// The enhanced status, such as `5.1.1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enhanced_status: Option<String>,
    /// The server's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub words: Option<String>,
    /// When the next attempt is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_attempt_at: Option<DateTime<Utc>>,
}
