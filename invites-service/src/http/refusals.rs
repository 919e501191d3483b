//! The status and the words of every refusal, in one match.

use crate::domain::Refusal;
use crate::logins::Undone;
use crate::passwords::Unhashed;
use axum::http::{HeaderValue, StatusCode, header};
use shared_host::requests::lost;
use shared_http::{FieldError, Problem};
use std::time::Duration;
use uuid::Uuid;

const SHORTLY: Duration = Duration::from_secs(1);

/// How a refusal is answered.
pub fn problem(refusal: &Refusal) -> Problem {
    let said = |status, title| Problem::new(status, refusal.code(), title);
    match refusal {
        Refusal::NotFound => Problem::not_found(),
        Refusal::PatientUnknown => said(StatusCode::NOT_FOUND, "No such patient is known here")
            .detail("A patient put on record a moment ago may not have been heard of here yet: try again shortly.")
            .retry_after(SHORTLY),
        Refusal::PatientErased => said(StatusCode::GONE, "The patient was erased"),
        Refusal::PatientInactive => said(StatusCode::CONFLICT, "The patient is archived")
            .detail("The clinic must restore the record first. If this is you, please ask the clinic."),
        Refusal::PatientAlreadyRegistered => said(StatusCode::CONFLICT, "The patient has registered already")
            .detail("There is nothing to invite to: the patient can sign in."),
        Refusal::InviteSystemIsLegacy => said(StatusCode::CONFLICT, "This clinic works with the old invite system")
            .detail("An administrator can switch the clinic's invite_system to parallel or patient_first."),
        Refusal::OpenInviteExists { invite } => said(StatusCode::CONFLICT, "The patient has an open invite")
            .detail("The clinic allows one at a time. Send that one again, or revoke it first.")
            .with("invite_id", invite.to_string()),
        Refusal::NotPending { status } => said(StatusCode::CONFLICT, "The invite is no longer pending")
            .detail(format!("It is {}.", status.as_str()))
            .with("status_of_invite", status.as_str()),
        Refusal::Locked => said(StatusCode::CONFLICT, "The invite is locked")
            .detail("Too many wrong facts were given with its link. Unlock it, or invite the patient anew."),
        Refusal::ExpiryTooFar { latest } => said(StatusCode::UNPROCESSABLE_ENTITY, "The invite would lapse too late")
            .detail("A link works for at most 90 days. Extend by fewer days, or send the invite again: that begins anew.")
            .with("latest", latest.to_rfc3339_opts(chrono::SecondsFormat::Secs, true))
            .errors([FieldError::new("/days", "expiry_too_far", "goes beyond 90 days in all")]),
        Refusal::NotAccepted => said(StatusCode::FORBIDDEN, "This could not be accepted")
            .detail("Check what you have typed. If it is right, please ask the clinic for a new link."),
        Refusal::Expired => said(StatusCode::GONE, "This invitation has lapsed")
            .detail("Please ask the clinic for a new one."),
        Refusal::Revoked => said(StatusCode::GONE, "This invitation was withdrawn")
            .detail("There may be a newer one in your mailbox. If not, please ask the clinic."),
        Refusal::AlreadyAccepted => said(StatusCode::CONFLICT, "This invitation was used already")
            .detail("If it was you, sign in with your password. If not, please tell the clinic."),
        Refusal::PasswordWeak(why) => said(StatusCode::UNPROCESSABLE_ENTITY, "Please choose another password")
            .detail(*why)
            .errors([FieldError::new("/password", "password_weak", *why)]),
        Refusal::AccountPasswordWrong => said(StatusCode::FORBIDDEN, "This is not the password of your login")
            .detail("There is a login for this address already. Give its password, or ask for a new one."),
        Refusal::PasswordNeeded => said(StatusCode::CONFLICT, "Your login has no password yet")
            .detail("A mail with a link to set one is on its way to your address. Then use this invitation again, with that password."),
        Refusal::OwnLoginNotPossible => said(StatusCode::CONFLICT, "Another login cannot be made for this address")
            .detail("There is a login for this address already. Give its password, or ask for a new one."),
        Refusal::ResetEnded => said(StatusCode::GONE, "This link no longer works")
            .detail("It may have been used, or be older than an hour, or you have a newer one. If not, ask for a new one."),
        Refusal::TooMany { limit, wait } => too_many(limit, *wait),
        Refusal::LoginMoved => said(StatusCode::CONFLICT, "The login was changed in the meantime")
            .detail("Please try again."),
        Refusal::Invalid(errors) => Problem::invalid_body(
            errors
                .iter()
                .map(|error| FieldError::new(format!("/{}", error.field), "invalid_value", error.message.clone()))
                .collect(),
        ),
        Refusal::BulkRunning => said(StatusCode::CONFLICT, "The job is still at work")
            .detail("Wait until it is done or cancelled, then try its failed patients again."),
        Refusal::KeyReused => shared_http::idempotency::key_reused(),
    }
}

/// 429: which limit it is in plain words, and what to do.
pub(super) fn too_many(limit: &'static str, wait: Duration) -> Problem {
    let words = match limit {
        "invite.patient" => {
            "This patient has had as many links as one patient may within a day. Hand over the link of the open invite, or wait."
        }
        "invite.address" => {
            "This address has had as many links as one address may within a day. Hand over the link of the open invite, or wait."
        }
        "invite.clinic" => {
            "The clinic has invited as many patients one by one as it may within an hour. Wait, or invite many at once with POST /api/invites/bulk, which has a pace of its own."
        }
        "invite.resend" => {
            "This invite was sent again a moment ago. Wait a minute before you send it once more."
        }
        _ => "Wait a little, then try again.",
    };
    Problem::too_many_requests(wait).detail(words).with("limit", limit)
}

/// 403 `sign_in_refused`: alike for every reason.
pub(super) fn sign_in_refused() -> Problem {
    Problem::new(StatusCode::FORBIDDEN, "sign_in_refused", "Signing in did not work").detail(
        "Check the address and the password. After many wrong ones only a new password helps: ask for one.",
    )
}

/// 401 `not_signed_in`: there is no token, or it is no session's, or no longer.
pub(super) fn not_signed_in() -> Problem {
    let challenge = HeaderValue::from_static("Bearer realm=\"patient-first\", error=\"invalid_token\"");
    Problem::new(StatusCode::UNAUTHORIZED, "not_signed_in", "Please sign in")
        .detail(
            "A session ends after 30 minutes without use, after 12 hours, and when the password is changed.",
        )
        .header(header::WWW_AUTHENTICATE, challenge)
}

/// Something about a login that came to no answer.
pub(super) fn undone(error: Undone) -> Problem {
    match error {
        Undone::Abort(abort) => lost(abort),
        Undone::Unhashed(error) => unhashed(error),
    }
}

/// The words for a patient whom a bulk job could not invite; of the refusal only the code was kept.
pub(super) fn words_of(code: &str) -> String {
    let of_issuing = [
        Refusal::PatientUnknown,
        Refusal::PatientErased,
        Refusal::PatientInactive,
        Refusal::PatientAlreadyRegistered,
        Refusal::InviteSystemIsLegacy,
        Refusal::OpenInviteExists { invite: Uuid::nil() },
        Refusal::TooMany { limit: "invite.patient", wait: Duration::ZERO },
    ];
    let Some(refusal) = of_issuing.iter().find(|refusal| refusal.code() == code) else {
        return "Something went wrong on our side. Try the failed again; the service's log names the cause."
            .to_owned();
    };
    let body = problem(refusal).body(None);
    let words = ["title", "detail"].iter().filter_map(|member| body[*member].as_str());
    words.map(|text| format!("{}.", text.trim_end_matches('.'))).collect::<Vec<_>>().join(" ")
}

/// A password that could not be hashed.
pub(super) fn unhashed(error: Unhashed) -> Problem {
    Problem::unavailable(&error, SHORTLY)
}
