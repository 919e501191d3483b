//! Every way in which invites-service says no. Each gets its HTTP status in one match, in `http`.

use super::fields::FieldError;
use chrono::{DateTime, Utc};
use shared_events::invite::InviteStatus;
use std::time::Duration;
use uuid::Uuid;

/// Why a command was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// No such invite in this clinic.
    NotFound,
    /// No such patient here, or not yet: the news may be on its way.
    PatientUnknown,
    /// The patient was erased.
    PatientErased,
    /// The patient is archived.
    PatientInactive,
    /// The patient has a login already.
    PatientAlreadyRegistered,
    /// The clinic works with the old invite system.
    InviteSystemIsLegacy,
    /// The clinic lets a patient have one open invite.
    OpenInviteExists {
        /// Which is open.
        invite: Uuid,
    },
    /// Only a pending invite can be sent again or revoked.
    NotPending {
        /// What it is instead.
        status: InviteStatus,
    },
    /// Too many wrong facts were given; no link of it works until staff act.
    Locked,
    /// It would lapse later than invites may.
    ExpiryTooFar {
        /// The latest it may lapse.
        latest: DateTime<Utc>,
    },
    /// Unknown token, wrong fact, or locked: alike, so that nobody learns which.
    NotAccepted,
    /// The fact was right, but the invite has lapsed.
    Expired,
    /// The fact was right, but the invite was taken back.
    Revoked,
    /// The fact was right, but the invite was used.
    AlreadyAccepted,
    /// The password cannot be taken; the words say why.
    PasswordWeak(&'static str),
    /// The address has a login, and this is not its password.
    AccountPasswordWrong,
    /// The address has a login that was taken over without a password; a mail lets the person set one.
    PasswordNeeded,
    /// The address's login is the person's, or it has as many as it may: none can be made beside.
    OwnLoginNotPossible,
    /// The link that sets a new password is none, was used, was replaced or is too old.
    ResetEnded,
    /// Too often; the name says of what.
    TooMany {
        /// Which limit, such as `invite.patient`.
        limit: &'static str,
        /// When it may be tried again.
        wait: Duration,
    },
    /// The login at the address came, went or changed since the password was worked out: do that again.
    LoginMoved,
    /// Fields that cannot be taken as they are.
    Invalid(Vec<FieldError>),
    /// The bulk job is still at work.
    BulkRunning,
    /// The idempotency key was used for another request.
    KeyReused,
}

impl Refusal {
    /// The stable code, in answers of the API and in `InviteRefused`.
    pub fn code(&self) -> &'static str {
        match self {
            Refusal::NotFound => "not_found",
            Refusal::PatientUnknown => "patient_unknown",
            Refusal::PatientErased => "patient_erased",
            Refusal::PatientInactive => "patient_inactive",
            Refusal::PatientAlreadyRegistered => "patient_already_registered",
            Refusal::InviteSystemIsLegacy => "invite_system_is_legacy",
            Refusal::OpenInviteExists { .. } => "open_invite_exists",
            Refusal::NotPending { .. } => "invite_not_pending",
            Refusal::Locked => "invite_locked",
            Refusal::ExpiryTooFar { .. } => "expiry_too_far",
            Refusal::NotAccepted => "not_accepted",
            Refusal::Expired => "invite_expired",
            Refusal::Revoked => "invite_revoked",
            Refusal::AlreadyAccepted => "already_accepted",
            Refusal::PasswordWeak(_) => "password_weak",
            Refusal::AccountPasswordWrong => "account_password_wrong",
            Refusal::PasswordNeeded => "password_needed",
            Refusal::OwnLoginNotPossible => "own_login_not_possible",
            Refusal::ResetEnded => "reset_ended",
            Refusal::TooMany { .. } => "too_many_requests",
            Refusal::LoginMoved => "login_moved",
            Refusal::Invalid(_) => "invalid_body",
            Refusal::BulkRunning => "bulk_running",
            Refusal::KeyReused => "idempotency_key_reused",
        }
    }
}
