//! Ends: taken back, lapsed, void.

use super::Said;
use crate::domain::{Book, Invite, Refusal};
use chrono::{DateTime, Utc};
use shared_events::invite::{
    InviteFacts, InviteMoved, InviteRevoked, InviteStatus, RevokeReason, RevokeWords,
};
use shared_events::{Event, Secret};
use uuid::Uuid;

pub(super) fn revoke(
    book: &Book,
    id: Uuid,
    note: Option<String>,
    at: DateTime<Utc>,
) -> Result<Vec<Said>, Refusal> {
    let invite = book.invite(id).ok_or(Refusal::NotFound)?;
    match invite.status_at(at) {
        InviteStatus::Pending => Ok(vec![taken_back(id, invite, RevokeReason::Staff, note)]),
        // Already done, whoever did it.
        InviteStatus::Revoked => Ok(Vec::new()),
        status @ (InviteStatus::Accepted | InviteStatus::Expired) => Err(Refusal::NotPending { status }),
    }
}

pub(super) fn expire(book: &Book, id: Uuid, at: DateTime<Utc>) -> Vec<Said> {
    book.invite(id).and_then(|invite| lapse(id, invite, at)).into_iter().collect()
}

/// A maximum decides, so neither the order of a patient's events nor their repetition matters.
/// What had lapsed by then has lapsed, though nobody had said so yet.
pub(super) fn void(book: &Book, before: i64, reason: RevokeReason, at: DateTime<Utc>) -> Vec<Said> {
    let void = book.pending().filter(|(_, invite)| invite.source_patient_version < before);
    void.map(|(id, invite)| lapse(id, invite, at).unwrap_or_else(|| taken_back(id, invite, reason, None)))
        .collect()
}

pub(super) fn lapse(id: Uuid, invite: &Invite, at: DateTime<Utc>) -> Option<Said> {
    invite.has_lapsed_unsaid(at).then(|| {
        let facts = InviteFacts { status: InviteStatus::Expired, ..invite.facts.clone() };
        Said { stream: id, event: Event::InviteExpired(InviteMoved { invite: facts }) }
    })
}

pub(super) fn taken_back(id: Uuid, invite: &Invite, reason: RevokeReason, note: Option<String>) -> Said {
    let facts = InviteFacts { status: InviteStatus::Revoked, ..invite.facts.clone() };
    // An erasure has no words, and after a restore no key to seal any with.
    let words = match reason {
        RevokeReason::Erased => Secret::Erased,
        _ => Secret::Known(RevokeWords { note }),
    };
    Said { stream: id, event: Event::InviteRevoked(InviteRevoked { invite: facts, reason, personal: words }) }
}
