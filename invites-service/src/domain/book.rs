//! All that is needed to decide about one patient's invites: what the patient's locked row guards.

use super::account::{Account, Logins, may_make_own};
use super::invite::{Invite, Place, Stands};
use super::patient::Patient;
use chrono::{DateTime, Utc};
use shared_events::Event;
use shared_events::clinic::ClinicSettings;
use std::collections::BTreeMap;
use std::time::Duration;
use uuid::Uuid;

/// Staff changed a patient's address and want the invites that this voided issued again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reissue {
    /// The event that says so: ids of what is issued are derived from it.
    pub cause: Uuid,
    /// Its version in the patient's stream.
    pub version: i64,
    /// Invites made from this version up to, but not with, `version` were voided by it.
    pub from: i64,
    /// When it happened.
    pub at: DateTime<Utc>,
}

/// One patient's invites: all that are open, and those a command names.
#[derive(Debug, Clone, Default)]
pub struct Book {
    /// The patient; none where nothing was heard of one.
    pub patient: Option<Patient>,
    /// The clinic's settings.
    pub settings: ClinicSettings,
    /// The invites, by id.
    pub invites: BTreeMap<Uuid, Stands>,
    /// What is to be issued again after changes of address; only looked up for re-issues.
    pub reissues: Vec<Reissue>,
    /// The logins at the patient's address; only looked up for acceptances.
    pub logins: Logins,
    /// The limit that leaves no room for the command that is decided, if one does: its name, and how long to
    /// wait.
    pub full: Option<(&'static str, Duration)>,
}

impl Book {
    /// An invite of the book.
    pub fn invite(&self, id: Uuid) -> Option<&Invite> {
        self.invites.get(&id)?.known()
    }

    /// Every invite of the book.
    pub fn known(&self) -> impl Iterator<Item = (Uuid, &Invite)> {
        self.invites.iter().filter_map(|(id, stands)| Some((*id, stands.known()?)))
    }

    /// Invites nobody has ended yet, lapsed ones included.
    pub fn pending(&self) -> impl Iterator<Item = (Uuid, &Invite)> {
        use shared_events::invite::InviteStatus;
        self.known().filter(|(_, invite)| invite.facts.status == InviteStatus::Pending)
    }

    /// Invites that can be used at `at`.
    pub fn open(&self, at: DateTime<Utc>) -> impl Iterator<Item = (Uuid, &Invite)> {
        self.pending().filter(move |(_, invite)| invite.is_open(at))
    }

    /// Whether the person may make a login of their own beside those that the address has.
    pub fn may_make_own(&self) -> bool {
        let logins = self.logins.at_address.len();
        may_make_own(self.settings.allow_shared_email, self.logins.shared, logins)
    }

    /// The version of a stream of this book: an invite's, or a login's.
    pub fn version(&self, stream: Uuid) -> i64 {
        match self.logins.find(stream) {
            Some(account) => account.version,
            None => self.invites.get(&stream).map_or(0, Stands::version),
        }
    }

    /// Takes an event in. Total: what concerns nothing in the book changes nothing.
    pub fn evolve(&mut self, place: &Place, event: &Event) {
        match event {
            Event::AccountRegistered(_) | Event::AccountLinked(_) => {
                self.logins.put(Account { user_id: place.stream, version: place.version });
                if let Some(patient) = &mut self.patient {
                    patient.user_id = Some(place.stream);
                }
            }
            _ => {
                let stands = self.invites.remove(&place.stream).unwrap_or_default();
                self.invites.insert(place.stream, stands.evolve(place, event));
            }
        }
    }
}
