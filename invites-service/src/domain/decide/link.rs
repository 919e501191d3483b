//! A person asks for their link again.

use super::Said;
use crate::domain::{Book, Invite};
use chrono::{DateTime, TimeDelta, Utc};
use shared_events::Event;
use shared_events::invite::LinkRequested;
use shared_events::patient::PatientStatus;
use uuid::Uuid;

/// How often at most the history says of one invite that its patient waits for help.
const SAID_AGAIN_AFTER: TimeDelta = TimeDelta::days(1);

/// Granted for `named`, where it can be used, else for the newest of the patient's invites that can; where none
/// can, or too many were sent, the patient is put among those who need help, by the invite they named.
pub(super) fn request(book: &Book, named: Uuid, at: DateTime<Utc>) -> Vec<Said> {
    let sendable = sendable(book, named, at);
    match sendable {
        Some((id, invite)) if book.full.is_none() => vec![said(id, invite, true)],
        _ => {
            let target = sendable.or_else(|| Some((named, book.invite(named)?)));
            target.filter(|(_, invite)| may_ask_for_help(book, invite, at)).map(help).into_iter().collect()
        }
    }
}

fn sendable(book: &Book, named: Uuid, at: DateTime<Utc>) -> Option<(Uuid, &Invite)> {
    let patient = book.patient.as_ref()?;
    if !patient.status.is_live() || patient.is_registered() || patient.address().is_none() {
        return None;
    }
    let usable = || book.open(at).filter(|(_, invite)| invite.locked_at.is_none());
    usable()
        .find(|(id, _)| *id == named)
        .or_else(|| usable().max_by_key(|(id, invite)| (invite.created_at, *id)))
}

fn may_ask_for_help(book: &Book, invite: &Invite, at: DateTime<Utc>) -> bool {
    let erased = book.patient.as_ref().is_none_or(|patient| patient.status == PatientStatus::Erased);
    let lately = invite.help_requested_at.is_some_and(|since| at < since + SAID_AGAIN_AFTER);
    !erased && !lately
}

fn help((id, invite): (Uuid, &Invite)) -> Said {
    said(id, invite, false)
}

fn said(id: Uuid, invite: &Invite, granted: bool) -> Said {
    let event = Event::LinkRequested(LinkRequested { invite: invite.facts.clone(), granted });
    Said { stream: id, event }
}
