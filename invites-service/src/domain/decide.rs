//! The rules of product.md about one patient's invites, one function each.

mod accept;
mod end;
mod issue;
mod link;
mod reissue;
mod staff;

use super::account::Login;
use super::book::Book;
use super::fact::Fact;
use super::refusal::Refusal;
use chrono::{DateTime, Utc};
use shared_events::Event;
use shared_events::invite::{GivenNames, RevokeReason};
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
    /// Let it lapse later; its link stays.
    Extend {
        /// Which invite.
        invite: Uuid,
        /// How much later.
        days: u16,
    },
    /// Let facts be tried again.
    Unlock {
        /// Which invite.
        invite: Uuid,
    },
    /// Show its link once more.
    ShowLink {
        /// Which invite.
        invite: Uuid,
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
    /// A person asks for their link again. Who asks is not known: no fact was given.
    RequestLink {
        /// The invite whose link they had, or the patient's newest.
        invite: Uuid,
    },
    /// Say that it lapsed, if it did.
    Expire {
        /// Which invite.
        invite: Uuid,
    },
    /// Issue again what a new address voided, where staff asked for that. Which is in [`Book::reissues`].
    Reissue {
        /// The key that makes links now.
        token_key_id: String,
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
            | Ask::Extend { invite, .. }
            | Ask::Unlock { invite }
            | Ask::ShowLink { invite }
            | Ask::Revoke { invite, .. }
            | Ask::Open { invite, .. }
            | Ask::Prove { invite, .. }
            | Ask::Accept { invite, .. }
            | Ask::RequestLink { invite }
            | Ask::Expire { invite } => Some(*invite),
            Ask::Reissue { .. } | Ask::Void { .. } => None,
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
        Ask::Issue(ask) => issue::issue(book, ask, at),
        Ask::Resend { invite, token_key_id } => issue::resend(book, *invite, token_key_id, at),
        Ask::Extend { invite, days } => staff::extend(book, *invite, *days, at),
        Ask::Unlock { invite } => staff::unlock(book, *invite, at),
        Ask::ShowLink { invite } => staff::show_link(book, *invite, at),
        Ask::Reissue { token_key_id } => Ok(reissue::reissue(book, token_key_id, at)),
        Ask::Revoke { invite, note } => end::revoke(book, *invite, note.clone(), at),
        Ask::Open { invite, issue_no } => accept::open(book, *invite, *issue_no, at),
        Ask::Prove { invite, issue_no, fact } => accept::prove(book, *invite, *issue_no, fact, at),
        Ask::Accept { invite, issue_no, fact, login, names } => {
            let said = accept::prove(book, *invite, *issue_no, fact, at)?;
            accept::accept(book, *invite, said, login, names, at)
        }
        Ask::RequestLink { invite } => Ok(link::request(book, *invite, at)),
        Ask::Expire { invite } => Ok(end::expire(book, *invite, at)),
        Ask::Void { before, reason } => Ok(end::void(book, *before, *reason, at)),
    }
}
