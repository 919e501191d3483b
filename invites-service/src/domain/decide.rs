//! The rules of product.md about one patient's invites, one function each.

use super::account::{Account, Login};
use super::book::Book;
use super::fact::Fact;
use super::invite::Invite;
use super::patient::Patient;
use super::refusal::Refusal;
use chrono::{DateTime, TimeDelta, Utc};
use shared_events::account::AccountPatient;
use shared_events::clinic::{InviteSystem, OpenInvitePolicy};
use shared_events::invite::{
    Channel, GivenNames, InviteAccepted, InviteFacts, InviteIssued, InviteMistrusted, InviteMoved,
    InviteRefused, InviteResent, InviteRevoked, InviteStatus, RevokeReason, RevokeWords,
};
use shared_events::patient::{InviteWords, PatientStatus};
use shared_events::{Event, Secret};
use uuid::Uuid;

/// How many wrong facts lock an invite.
pub const MOST_ATTEMPTS: i32 = 5;

/// What is asked about a patient's invites.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// Issue one.
    Issue(Box<IssueAsk>),
    /// Make a new link.
    Resend {
        /// Which invite.
        invite: Uuid,
        /// The key that makes links now.
        token_key_id: String,
    },
    /// Take one back, by staff.
    Revoke {
        /// Which invite.
        invite: Uuid,
        /// Staff's words.
        note: Option<String>,
    },
    /// Its page was opened with a link.
    Open {
        /// Which invite.
        invite: Uuid,
        /// Which link.
        issue_no: i32,
    },
    /// A person gave a fact.
    Prove {
        /// Which invite.
        invite: Uuid,
        /// Which link.
        issue_no: i32,
        /// The fact.
        fact: Fact,
    },
    /// A person gave a fact and signs up.
    Accept {
        /// Which invite.
        invite: Uuid,
        /// Which link.
        issue_no: i32,
        /// The fact, looked at again: the record may have changed since it was proved.
        fact: Fact,
        /// The login.
        login: Login,
        /// Names that the form collected.
        names: GivenNames,
    },
    /// Say that it lapsed, if it did.
    Expire {
        /// Which invite.
        invite: Uuid,
    },
    /// What happened to the patient makes open invites void.
    Void {
        /// Invites decided from an older version of the patient's stream.
        before: i64,
        /// What happened.
        reason: RevokeReason,
    },
}

impl Ask {
    /// The one invite it is about.
    pub fn invite(&self) -> Option<Uuid> {
        match self {
            Ask::Issue(ask) => Some(ask.invite),
            Ask::Resend { invite, .. }
            | Ask::Revoke { invite, .. }
            | Ask::Open { invite, .. }
            | Ask::Prove { invite, .. }
            | Ask::Accept { invite, .. }
            | Ask::Expire { invite } => Some(*invite),
            Ask::Void { .. } => None,
        }
    }
}

/// What an invite is issued with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssueAsk {
    /// Its id: new, or derived from the import that asks.
    pub invite: Uuid,
    /// Whom the patient is invited to.
    pub provider_id: String,
    /// Whether a mail goes out.
    pub send_email: bool,
    /// Staff's words.
    pub message: Option<String>,
    /// Days until it lapses; else the clinic's default.
    pub expiry_days: Option<u16>,
    /// The import that asks: its refusals are events, since nobody waits for an answer.
    pub import_id: Option<Uuid>,
    /// The key that makes links now.
    pub token_key_id: String,
}

/// An event, and the stream it stands in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// The invite or the login.
    pub stream: Uuid,
    /// What happened.
    pub event: Event,
}

/// Decides a command at `at`. No events and no refusal: it is already so.
///
/// Wrong facts are events and no refusal, for they must be kept: an answer with
/// `InviteVerificationFailed` in it means [`Refusal::NotAccepted`].
///
/// The caller has checked that the invite and the patient are of the caller's clinic.
pub fn decide(book: &Book, ask: &Ask, at: DateTime<Utc>) -> Result<Vec<Said>, Refusal> {
    match ask {
        Ask::Issue(ask) => issue(book, ask, at),
        Ask::Resend { invite, token_key_id } => resend(book, *invite, token_key_id, at),
        Ask::Revoke { invite, note } => revoke(book, *invite, note.clone(), at),
        Ask::Open { invite, issue_no } => open(book, *invite, *issue_no, at),
        Ask::Prove { invite, issue_no, fact } => prove(book, *invite, *issue_no, fact, at),
        Ask::Accept { invite, issue_no, fact, login, names } => {
            let said = prove(book, *invite, *issue_no, fact, at)?;
            accept(book, *invite, said, login, names, at)
        }
        Ask::Expire { invite } => Ok(expire(book, *invite, at)),
        Ask::Void { before, reason } => Ok(void(book, *before, *reason)),
    }
}

/// The patient that may be invited.
fn invitable(book: &Book) -> Result<&Patient, Refusal> {
    let patient = book.patient.as_ref().ok_or(Refusal::PatientUnknown)?;
    match patient.status {
        PatientStatus::Erased => Err(Refusal::PatientErased),
        _ if book.settings.invite_system == InviteSystem::Legacy => Err(Refusal::InviteSystemIsLegacy),
        PatientStatus::Inactive => Err(Refusal::PatientInactive),
        _ if patient.is_registered() => Err(Refusal::PatientAlreadyRegistered),
        PatientStatus::Pending | PatientStatus::Active => Ok(patient),
    }
}

fn issue(book: &Book, ask: &IssueAsk, at: DateTime<Utc>) -> Result<Vec<Said>, Refusal> {
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

fn resend(book: &Book, id: Uuid, token_key_id: &str, at: DateTime<Utc>) -> Result<Vec<Said>, Refusal> {
    let invite = book.invite(id).ok_or(Refusal::NotFound)?;
    if !invite.is_open(at) {
        return Err(Refusal::NotPending { status: invite.status_at(at) });
    }
    invitable(book)?;
    let facts = InviteFacts {
        issue_no: invite.facts.issue_no + 1,
        expires_at: at + invite.runs,
        ..invite.facts.clone()
    };
    let resent =
        InviteResent { invite: facts, token_key_id: token_key_id.to_owned(), send_email: invite.send_email };
    Ok(vec![Said { stream: id, event: Event::InviteResent(resent) }])
}

fn revoke(book: &Book, id: Uuid, note: Option<String>, at: DateTime<Utc>) -> Result<Vec<Said>, Refusal> {
    let invite = book.invite(id).ok_or(Refusal::NotFound)?;
    match invite.status_at(at) {
        InviteStatus::Pending => Ok(vec![taken_back(id, invite, RevokeReason::Staff, note)]),
        // Already done, whoever did it.
        InviteStatus::Revoked => Ok(Vec::new()),
        status @ (InviteStatus::Accepted | InviteStatus::Expired) => Err(Refusal::NotPending { status }),
    }
}

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
fn open(book: &Book, id: Uuid, issue_no: i32, at: DateTime<Utc>) -> Result<Vec<Said>, Refusal> {
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
fn prove(book: &Book, id: Uuid, issue_no: i32, fact: &Fact, at: DateTime<Utc>) -> Result<Vec<Said>, Refusal> {
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
fn accept(
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
    let accounted = match (login, &book.account) {
        (Login::Register { .. }, None) => Event::AccountRegistered(accounted),
        (Login::Link(Account { user_id, version }), Some(now))
            if *user_id == now.user_id && *version == now.version =>
        {
            Event::AccountLinked(accounted)
        }
        _ => return Err(Refusal::LoginMoved),
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

fn expire(book: &Book, id: Uuid, at: DateTime<Utc>) -> Vec<Said> {
    book.invite(id).and_then(|invite| lapse(id, invite, at)).into_iter().collect()
}

/// A maximum decides, so neither the order of a patient's events nor their repetition matters.
fn void(book: &Book, before: i64, reason: RevokeReason) -> Vec<Said> {
    let void = book.pending().filter(|(_, invite)| invite.source_patient_version < before);
    void.map(|(id, invite)| taken_back(id, invite, reason, None)).collect()
}

fn lapse(id: Uuid, invite: &Invite, at: DateTime<Utc>) -> Option<Said> {
    invite.has_lapsed_unsaid(at).then(|| {
        let facts = InviteFacts { status: InviteStatus::Expired, ..invite.facts.clone() };
        Said { stream: id, event: Event::InviteExpired(InviteMoved { invite: facts }) }
    })
}

fn taken_back(id: Uuid, invite: &Invite, reason: RevokeReason, note: Option<String>) -> Said {
    let facts = InviteFacts { status: InviteStatus::Revoked, ..invite.facts.clone() };
    let words = Secret::Known(RevokeWords { note });
    Said { stream: id, event: Event::InviteRevoked(InviteRevoked { invite: facts, reason, personal: words }) }
}
