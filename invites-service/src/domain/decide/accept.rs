//! The patient's side: opening, proving, accepting.

use super::end::{lapse, taken_back};
use super::{MOST_ATTEMPTS, Said};
use crate::domain::account::Login;
use crate::domain::{Book, Fact, Invite, Patient, Refusal};
use chrono::{DateTime, Utc};
use shared_events::account::AccountPatient;
use shared_events::invite::{
    GivenNames, InviteAccepted, InviteFacts, InviteMistrusted, InviteMoved, InviteStatus, RevokeReason,
};
use shared_events::{Event, Secret};
use uuid::Uuid;

/// The invite of a live link that a person may go on with, if there is one.
fn usable(book: &Book, id: Uuid, issue_no: i32, at: DateTime<Utc>) -> Option<&Invite> {
    let patient = book.patient.as_ref()?;
    let invite = book.invite(id)?;
    let usable = invite.is_open(at)
        && invite.is_live(issue_no)
        && invite.locked_at.is_none()
        && patient.status.is_live()
        && patient.asks().is_some();
    usable.then_some(invite)
}

/// Refused alike for whatever cannot be used: the page shows no reason.
pub(super) fn open(book: &Book, id: Uuid, issue_no: i32, at: DateTime<Utc>) -> Result<Vec<Said>, Refusal> {
    let invite = usable(book, id, issue_no, at).ok_or(Refusal::NotAccepted)?;
    if invite.opened_issue >= issue_no {
        return Ok(Vec::new());
    }
    let invite = InviteFacts { issue_no, ..invite.facts.clone() };
    Ok(vec![Said { stream: id, event: Event::InviteOpened(InviteMoved { invite }) }])
}

/// Token, attempt limit, fact, state: in this order, so that nobody learns of an invite's end before the
/// fact was right. Wrong facts about an ended invite count, too: its end would else tell a guesser that
/// the guess was right, as often as they like.
pub(super) fn prove(
    book: &Book,
    id: Uuid,
    issue_no: i32,
    fact: &Fact,
    at: DateTime<Utc>,
) -> Result<Vec<Said>, Refusal> {
    let patient = book.patient.as_ref().ok_or(Refusal::NotAccepted)?;
    let invite = book.invite(id).filter(|invite| invite.is_live(issue_no)).ok_or(Refusal::NotAccepted)?;
    if invite.locked_at.is_some() || invite.failed_attempts >= MOST_ATTEMPTS || patient.asks().is_none() {
        return Err(Refusal::NotAccepted);
    }
    if !patient.knows(fact) {
        return Ok(mistrusted(id, invite));
    }
    match invite.status_at(at) {
        InviteStatus::Expired => return Err(Refusal::Expired),
        InviteStatus::Revoked => return Err(Refusal::Revoked),
        InviteStatus::Accepted => return Err(Refusal::AlreadyAccepted),
        InviteStatus::Pending if !patient.status.is_live() => return Err(Refusal::PatientInactive),
        InviteStatus::Pending => {}
    }
    if invite.verified_issue >= issue_no {
        return Ok(Vec::new());
    }
    let invite = InviteFacts { issue_no, ..invite.facts.clone() };
    Ok(vec![Said { stream: id, event: Event::InviteVerified(InviteMoved { invite }) }])
}

/// The counter is the invite's own stream: each wrong fact is committed before it is answered, under the
/// lock of the patient's row, so attempts at once stand in a queue, and the sixth finds the lock whichever
/// copy of the service it came to.
fn mistrusted(id: Uuid, invite: &Invite) -> Vec<Said> {
    let failed_attempts = invite.failed_attempts + 1;
    let mistrusted = InviteMistrusted { invite: invite.facts.clone(), failed_attempts };
    let failed = Event::InviteVerificationFailed(mistrusted.clone());
    let mut said = vec![Said { stream: id, event: failed }];
    if failed_attempts >= MOST_ATTEMPTS {
        said.push(Said { stream: id, event: Event::InviteLocked(mistrusted) });
    }
    said
}

/// Signs the person up, once `said` is what proving came to.
pub(super) fn accept(
    book: &Book,
    id: Uuid,
    mut said: Vec<Said>,
    login: &Login,
    names: &GivenNames,
    at: DateTime<Utc>,
) -> Result<Vec<Said>, Refusal> {
    if said.iter().any(|said| matches!(said.event, Event::InviteVerificationFailed(_))) {
        return Ok(said);
    }
    let (Some(invite), Some(patient)) = (book.invite(id), &book.patient) else {
        return Err(Refusal::NotAccepted);
    };
    let accounted = AccountPatient { patient_id: patient.id, invite_id: Some(id) };
    let stands = match login {
        Login::Register { own: false, .. } => book.logins.at_address.is_empty(),
        Login::Register { own: true, .. } => book.may_make_own(),
        Login::Link(account) => book.logins.find(account.user_id) == Some(account),
    };
    let accounted = match login {
        _ if !stands => return Err(Refusal::LoginMoved),
        Login::Register { .. } => Event::AccountRegistered(accounted),
        Login::Link(_) => Event::AccountLinked(accounted),
    };
    let user_id = login.user_id();
    let facts = InviteFacts { status: InviteStatus::Accepted, ..invite.facts.clone() };
    said.push(Said { stream: user_id, event: accounted });
    let personal = wanted(patient, names).map(Secret::Known);
    let accepted = InviteAccepted { invite: facts, user_id, personal };
    said.push(Said { stream: id, event: Event::InviteAccepted(accepted) });
    let others = book.pending().filter(|(other, _)| *other != id);
    said.extend(others.map(|(other, invite)| {
        lapse(other, invite, at)
            .unwrap_or_else(|| taken_back(other, invite, RevokeReason::AcceptedElsewhere, None))
    }));
    Ok(said)
}

/// The names that are missing on record, of those given; none where nothing is missing.
fn wanted(patient: &Patient, names: &GivenNames) -> Option<GivenNames> {
    let missing = |known: &Option<String>| known.as_deref().is_none_or(|known| known.trim().is_empty());
    let wanted = GivenNames {
        first_name: names.first_name.clone().filter(|_| missing(&patient.first_name)),
        last_name: names.last_name.clone().filter(|_| missing(&patient.last_name)),
    };
    (wanted != GivenNames::default()).then_some(wanted)
}
