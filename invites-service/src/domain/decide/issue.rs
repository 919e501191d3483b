//! Issuing, and making a new link.

use super::end::{lapse, taken_back};
use super::{IssueAsk, Said};
use crate::domain::{Book, Patient, Refusal};
use chrono::{DateTime, TimeDelta, Utc};
use shared_events::clinic::{InviteSystem, OpenInvitePolicy};
use shared_events::invite::{
    Channel, InviteFacts, InviteIssued, InviteRefused, InviteResent, InviteStatus, RevokeReason,
};
use shared_events::patient::{InviteWords, PatientStatus};
use shared_events::{Event, Secret};
use uuid::Uuid;

/// The patient that may be invited.
pub(super) fn invitable(book: &Book) -> Result<&Patient, Refusal> {
    let patient = book.patient.as_ref().ok_or(Refusal::PatientUnknown)?;
    match patient.status {
        PatientStatus::Erased => Err(Refusal::PatientErased),
        _ if book.settings.invite_system == InviteSystem::Legacy => Err(Refusal::InviteSystemIsLegacy),
        PatientStatus::Inactive => Err(Refusal::PatientInactive),
        _ if patient.is_registered() => Err(Refusal::PatientAlreadyRegistered),
        PatientStatus::Pending | PatientStatus::Active => Ok(patient),
    }
}

/// Last of all checks: what cannot be done anyway is told first, since waiting does not mend it.
fn room(book: &Book) -> Result<(), Refusal> {
    book.full.map_or(Ok(()), |(limit, wait)| Err(Refusal::TooMany { limit, wait }))
}

pub(super) fn issue(book: &Book, ask: &IssueAsk, at: DateTime<Utc>) -> Result<Vec<Said>, Refusal> {
    if book.version(ask.invite) > 0 {
        // The id is the command's own, so this is the command itself, repeated.
        return Ok(Vec::new());
    }
    match (try_issue(book, ask, at), ask.import_id, &book.patient) {
        (Err(refusal), Some(import_id), Some(patient)) => {
            let refused = InviteRefused {
                patient_id: patient.id,
                provider_id: ask.provider_id.clone(),
                import_id,
                code: refusal.code().to_owned(),
            };
            Ok(vec![Said { stream: ask.invite, event: Event::InviteRefused(refused) }])
        }
        (outcome, ..) => outcome,
    }
}

fn try_issue(book: &Book, ask: &IssueAsk, at: DateTime<Utc>) -> Result<Vec<Said>, Refusal> {
    let patient = invitable(book)?;
    room(book)?;
    // A lapsed invite is no open one; it ends now, so that the history tells it in order.
    let mut said: Vec<Said> = book.pending().filter_map(|(id, invite)| lapse(id, invite, at)).collect();
    match book.settings.open_invite_policy {
        OpenInvitePolicy::Allow => {}
        OpenInvitePolicy::Reject => {
            if let Some((invite, _)) = book.open(at).next() {
                return Err(Refusal::OpenInviteExists { invite });
            }
        }
        OpenInvitePolicy::Supersede => {
            said.extend(
                book.open(at).map(|(id, invite)| taken_back(id, invite, RevokeReason::Superseded, None)),
            );
        }
    }
    said.push(Said { stream: ask.invite, event: issued(book, patient, ask, at) });
    Ok(said)
}

fn issued(book: &Book, patient: &Patient, ask: &IssueAsk, at: DateTime<Utc>) -> Event {
    let days = ask.expiry_days.unwrap_or(book.settings.default_expiry_days);
    Event::InviteIssued(InviteIssued {
        invite: InviteFacts {
            patient_id: patient.id,
            provider_id: ask.provider_id.clone(),
            status: InviteStatus::Pending,
            issue_no: 1,
            issued_at: at,
            expires_at: at + TimeDelta::days(days.into()),
            channel: if ask.send_email { Channel::Email } else { Channel::Link },
            import_id: ask.import_id,
        },
        token_key_id: ask.token_key_id.clone(),
        source_patient_version: patient.version,
        send_email: ask.send_email,
        reissue_of: None,
        personal: Secret::Known(InviteWords { custom_message: ask.message.clone() }),
    })
}

pub(super) fn resend(
    book: &Book,
    id: Uuid,
    token_key_id: &str,
    at: DateTime<Utc>,
) -> Result<Vec<Said>, Refusal> {
    let invite = book.invite(id).ok_or(Refusal::NotFound)?;
    if !invite.is_open(at) {
        return Err(Refusal::NotPending { status: invite.status_at(at) });
    }
    if invite.locked_at.is_some() {
        return Err(Refusal::Locked);
    }
    invitable(book)?;
    room(book)?;
    let facts = InviteFacts {
        issue_no: invite.facts.issue_no + 1,
        expires_at: at + invite.runs,
        ..invite.facts.clone()
    };
    let resent =
        InviteResent { invite: facts, token_key_id: token_key_id.to_owned(), send_email: invite.send_email };
    Ok(vec![Said { stream: id, event: Event::InviteResent(resent) }])
}
