//! An invite: what it is after each event.

use chrono::{DateTime, TimeDelta, Utc};
use shared_events::invite::{InviteFacts, InviteStatus, RevokeReason};
use shared_events::patient::InviteWords;
use shared_events::{AccountId, Event, Secret};
use uuid::Uuid;

/// An invite as its stream tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invite {
    /// The clinic.
    pub account: AccountId,
    /// The stream's version.
    pub version: i64,
    /// What every event carries.
    pub facts: InviteFacts,
    /// Why it was revoked.
    pub reason: Option<RevokeReason>,
    /// Whether mails go out for it.
    pub send_email: bool,
    /// How long it was issued for; a new link runs as long.
    pub runs: TimeDelta,
    /// When its newest link was made.
    pub link_made_at: DateTime<Utc>,
    /// The invite that it issues again, to a new address.
    pub reissue_of: Option<Uuid>,
    /// Staff's words to the patient.
    pub words: Secret<InviteWords>,
    /// Which token key made its newest link.
    pub token_key_id: String,
    /// Links with a smaller issue number died without mail.
    pub live_from: i32,
    /// Links with a smaller issue number died because a mail with this one was queued. Not from the
    /// stream: the mailer tells it.
    pub mailed_issue: i32,
    /// The newest link whose page was opened.
    pub opened_issue: i32,
    /// The newest link with which a right fact was given.
    pub verified_issue: i32,
    /// Wrong facts since the last unlock.
    pub failed_attempts: i32,
    /// Since when no fact is looked at any more.
    pub locked_at: Option<DateTime<Utc>>,
    /// Since when its patient waits for help: they asked for the link, and it could not be sent.
    pub help_requested_at: Option<DateTime<Utc>>,
    /// The login that accepted it.
    pub user_id: Option<Uuid>,
    /// Version of the patient's stream it was decided from: what voids newer ones spares it.
    pub source_patient_version: i64,
    /// When its first event was.
    pub created_at: DateTime<Utc>,
    /// When its newest event was.
    pub updated_at: DateTime<Utc>,
}

/// Where an event stands: what the envelope says beside its data.
#[derive(Debug, Clone)]
pub struct Place {
    /// The stream.
    pub stream: Uuid,
    /// The clinic.
    pub account: AccountId,
    /// The event's version.
    pub version: i64,
    /// When it happened.
    pub at: DateTime<Utc>,
}

/// What is known of an invite's stream.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Stands {
    /// No event yet.
    #[default]
    Absent,
    /// There is an invite.
    Known(Box<Invite>),
    /// An import asked for it, and it could not be issued. That is an end.
    Refused {
        /// The clinic.
        account: AccountId,
        /// The stream's version.
        version: i64,
    },
}

impl Stands {
    /// The stream's version; 0 before the first event.
    pub fn version(&self) -> i64 {
        match self {
            Stands::Absent => 0,
            Stands::Known(invite) => invite.version,
            Stands::Refused { version, .. } => *version,
        }
    }

    /// The invite, if there is one.
    pub fn known(&self) -> Option<&Invite> {
        match self {
            Stands::Known(invite) => Some(invite),
            Stands::Absent | Stands::Refused { .. } => None,
        }
    }

    /// The stream after an event. Total: an event that does not concern it only moves the version.
    #[must_use]
    pub fn evolve(self, place: &Place, event: &Event) -> Stands {
        match (self, event) {
            (Stands::Known(invite), event) => Stands::Known(Box::new(invite.evolve(place, event))),
            (_, Event::InviteIssued(_) | Event::InviteTakenOver(_)) => begun(place, event),
            (_, Event::InviteRefused(_)) => {
                Stands::Refused { account: place.account.clone(), version: place.version }
            }
            (Stands::Refused { account, .. }, _) => Stands::Refused { account, version: place.version },
            (Stands::Absent, _) => Stands::Absent,
        }
    }
}

fn begun(place: &Place, event: &Event) -> Stands {
    let invite = match event {
        Event::InviteIssued(e) => Invite {
            send_email: e.send_email,
            token_key_id: e.token_key_id.clone(),
            source_patient_version: e.source_patient_version,
            reissue_of: e.reissue_of,
            ..first(place, &e.invite, &e.personal)
        },
        Event::InviteTakenOver(e) => {
            Invite { reason: e.reason, user_id: e.user_id, ..first(place, &e.invite, &e.personal) }
        }
        _ => return Stands::Absent,
    };
    Stands::Known(Box::new(invite))
}

/// What every first event tells.
fn first(place: &Place, facts: &InviteFacts, words: &Secret<InviteWords>) -> Invite {
    Invite {
        account: place.account.clone(),
        version: place.version,
        facts: facts.clone(),
        reason: None,
        send_email: false,
        runs: facts.expires_at - facts.issued_at,
        link_made_at: facts.issued_at,
        reissue_of: None,
        words: words.clone(),
        token_key_id: String::new(),
        live_from: facts.issue_no,
        mailed_issue: 0,
        opened_issue: 0,
        verified_issue: 0,
        failed_attempts: 0,
        locked_at: None,
        help_requested_at: None,
        user_id: None,
        source_patient_version: 0,
        created_at: place.at,
        updated_at: place.at,
    }
}

impl Invite {
    /// Whether it can be used at `at`. An invite past its expiry cannot, whether or not the sweeper has
    /// said so.
    pub fn is_open(&self, at: DateTime<Utc>) -> bool {
        self.facts.status == InviteStatus::Pending && at < self.facts.expires_at
    }

    /// Whether nobody has said yet that it lapsed.
    pub fn has_lapsed_unsaid(&self, at: DateTime<Utc>) -> bool {
        self.facts.status == InviteStatus::Pending && at >= self.facts.expires_at
    }

    /// Where it stands at `at`, its expiry counted in.
    pub fn status_at(&self, at: DateTime<Utc>) -> InviteStatus {
        if self.has_lapsed_unsaid(at) { InviteStatus::Expired } else { self.facts.status }
    }

    /// Whether a link of this issue number is one that still counts.
    pub fn is_live(&self, issue_no: i32) -> bool {
        (self.live_from.max(self.mailed_issue)..=self.facts.issue_no).contains(&issue_no)
    }

    fn evolve(self, place: &Place, event: &Event) -> Invite {
        let mut next = Invite { version: place.version, updated_at: place.at, ..self };
        match event {
            Event::InviteResent(e) => {
                next.facts = e.invite.clone();
                next.token_key_id.clone_from(&e.token_key_id);
                next.link_made_at = place.at;
                next.send_email = e.send_email;
                next.help_requested_at = None;
                if !e.send_email {
                    next.live_from = e.invite.issue_no;
                }
            }
            Event::InviteExtended(e) | Event::InviteExpired(e) => next.facts = e.invite.clone(),
            Event::InviteOpened(e) => next.opened_issue = e.invite.issue_no,
            Event::InviteVerified(e) => next.verified_issue = e.invite.issue_no,
            Event::InviteVerificationFailed(e) => next.failed_attempts = e.failed_attempts,
            Event::InviteLocked(e) => {
                next.failed_attempts = e.failed_attempts;
                next.locked_at = Some(place.at);
            }
            Event::InviteUnlocked(_) => {
                next.failed_attempts = 0;
                next.locked_at = None;
                next.help_requested_at = None;
            }
            Event::InviteAccepted(e) => {
                next.facts = e.invite.clone();
                next.user_id = Some(e.user_id);
                next.help_requested_at = None;
            }
            Event::LinkRequested(e) => next.help_requested_at = (!e.granted).then_some(place.at),
            Event::InviteRevoked(e) => {
                next.facts = e.invite.clone();
                next.reason = Some(e.reason);
            }
            _ => {}
        }
        next
    }
}
