//! What staff do to an open invite beside sending it again: more time, another try, its link.

use super::Said;
use crate::domain::{Book, Invite, Refusal};
use chrono::{DateTime, TimeDelta, Utc};
use shared_events::Event;
use shared_events::invite::{InviteFacts, InviteMoved};
use uuid::Uuid;

/// How long a link may work, from when it was made.
const LONGEST: TimeDelta = TimeDelta::days(90);

/// The invite, while it is open.
fn pending(book: &Book, id: Uuid, at: DateTime<Utc>) -> Result<&Invite, Refusal> {
    let invite = book.invite(id).ok_or(Refusal::NotFound)?;
    if invite.is_open(at) { Ok(invite) } else { Err(Refusal::NotPending { status: invite.status_at(at) }) }
}

pub(super) fn extend(book: &Book, id: Uuid, days: u16, at: DateTime<Utc>) -> Result<Vec<Said>, Refusal> {
    let invite = pending(book, id, at)?;
    let expires_at = invite.facts.expires_at + TimeDelta::days(days.into());
    let latest = invite.link_made_at + LONGEST;
    if expires_at > latest {
        return Err(Refusal::ExpiryTooFar { latest });
    }
    let facts = InviteFacts { expires_at, ..invite.facts.clone() };
    Ok(vec![Said { stream: id, event: Event::InviteExtended(InviteMoved { invite: facts }) }])
}

/// Its links go on as they were: whoever locked it did not have the fact, but may well have had the link.
pub(super) fn unlock(book: &Book, id: Uuid, at: DateTime<Utc>) -> Result<Vec<Said>, Refusal> {
    let invite = pending(book, id, at)?;
    let moved = InviteMoved { invite: invite.facts.clone() };
    let said = Said { stream: id, event: Event::InviteUnlocked(moved) };
    Ok(invite.locked_at.is_some().then_some(said).into_iter().collect())
}

/// Nothing happens; but what is shown must be of use.
pub(super) fn show_link(book: &Book, id: Uuid, at: DateTime<Utc>) -> Result<Vec<Said>, Refusal> {
    let invite = pending(book, id, at)?;
    if invite.locked_at.is_some() { Err(Refusal::Locked) } else { Ok(Vec::new()) }
}
