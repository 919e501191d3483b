//! Accounts: the logins of persons. An account's id is `user_id` everywhere; `account_id` is the clinic.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// `AccountRegistered` (a new login) and `AccountLinked` (an existing one got one more patient).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AccountPatient {
    /// The patient that the login now stands for.
    pub patient_id: Uuid,
    /// The invite through which it happened; none where it was taken over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invite_id: Option<Uuid>,
}

/// `PasswordResetRequested`: a mail with a one-time link is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PasswordResetRequested {
    /// Counts the resets of this account, from 1. With the account's id it makes the link.
    pub reset_no: i32,
    /// Which token key makes the link.
    pub token_key_id: String,
    /// When the link dies.
    pub expires_at: DateTime<Utc>,
}

/// `PasswordReset`: a person set a password with a mailed link. Neither the password nor its hash is said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PasswordReset {
    /// Which of the account's resets it was. Its link is dead, and so is every older one.
    pub reset_no: i32,
}
