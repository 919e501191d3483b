//! Issuing again, to a new address, what the change of address voided.
//!
//! Events of a patient come in any order. What staff asked for is therefore kept as links, each from the versions it voided
//! to its own; an invite is issued again once links lead from the version it was made from to the newest that voids. If
//! something else voided it on the way (an archive, an import), there is no such chain, and never will be.

use super::Said;
use super::issue::invitable;
use crate::domain::{Book, Invite, Reissue};
use chrono::{DateTime, Utc};
use shared_events::Event;
use shared_events::clinic::OpenInvitePolicy;
use shared_events::invite::{Channel, InviteFacts, InviteIssued, InviteStatus, RevokeReason};
use uuid::Uuid;

pub(super) fn reissue(book: &Book, token_key_id: &str, at: DateTime<Utc>) -> Vec<Said> {
    let Ok(patient) = invitable(book) else { return Vec::new() };
    let replaced: Vec<Uuid> = book.known().filter_map(|(_, invite)| invite.reissue_of).collect();
    let last: Vec<(Uuid, &Invite)> = book.known().filter(|(id, _)| !replaced.contains(id)).collect();
    // Where the clinic wants one at a time, whatever was issued later has taken the place of what went before it.
    let one_only = book.settings.open_invite_policy != OpenInvitePolicy::Allow;
    let newest = last.iter().map(|(id, invite)| (invite.created_at, *id)).max().map(|(_, id)| id);
    let mut lost: Vec<(Uuid, &Invite, Uuid)> = last
        .into_iter()
        .filter(|(id, _)| !one_only || newest == Some(*id))
        .filter_map(|(id, invite)| Some((id, invite, chain(book, invite, patient.void_before)?)))
        .collect();
    lost.sort_by_key(|(id, invite, _)| (invite.created_at, *id));
    let again = |(id, old, cause): (Uuid, &Invite, Uuid)| Said {
        stream: Uuid::new_v5(&cause, id.as_bytes()),
        event: Event::InviteIssued(InviteIssued {
            invite: InviteFacts {
                status: InviteStatus::Pending,
                issue_no: 1,
                issued_at: at,
                expires_at: at + old.runs,
                channel: if old.send_email { Channel::Email } else { Channel::Link },
                // It is of the clinic's making now; the import has had its answer.
                import_id: None,
                ..old.facts.clone()
            },
            token_key_id: token_key_id.to_owned(),
            source_patient_version: patient.version,
            send_email: old.send_email,
            reissue_of: Some(id),
            personal: old.words.clone(),
        }),
    };
    lost.into_iter().map(again).filter(|said| book.version(said.stream) == 0).collect()
}

/// The last of the links that lead from an invite to what voids now; none where a change of address did not end it, or not
/// alone.
fn chain(book: &Book, invite: &Invite, void_before: i64) -> Option<Uuid> {
    let next = |version: i64| book.reissues.iter().find(|link| (link.from..link.version).contains(&version));
    let first = next(invite.source_patient_version)?;
    if !ended_by(invite, first) {
        return None;
    }
    let mut last = first;
    while last.version < void_before {
        last = next(last.version)?;
    }
    (last.version == void_before).then_some(last.cause)
}

/// Whether the change of address ended the invite, or would have, had the news not come after it lapsed.
fn ended_by(invite: &Invite, link: &Reissue) -> bool {
    match invite.facts.status {
        InviteStatus::Revoked => invite.reason == Some(RevokeReason::EmailChanged),
        InviteStatus::Expired => invite.facts.expires_at > link.at,
        InviteStatus::Pending | InviteStatus::Accepted => false,
    }
}
