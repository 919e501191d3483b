//! A patient: what may be done to one, and what it is after each event.

use super::fields::{Claim, Draft, Patch, claims};
use super::refusal::Refusal;
use chrono::{DateTime, Utc};
use shared_events::patient::{
    ArchiveReason, InvitationRequested, InviteWords, Origin, PatientActivated, PatientArchived,
    PatientCreated, PatientDetails, PatientErased, PatientRecord, PatientRestored, PatientStatus,
    PatientUpdated,
};
use shared_events::{AccountId, Email, Event, Secret};
use uuid::Uuid;

/// A patient as far as its stream tells.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Patient {
    /// No event yet.
    #[default]
    Absent,
    /// On record.
    Known(Box<Known>),
    /// Nothing personal is left.
    Erased {
        /// The clinic.
        account: AccountId,
        /// The stream's version.
        version: i64,
        /// When.
        at: DateTime<Utc>,
        /// Whether the stream says so; else only the key is gone, as after a restore.
        said: bool,
    },
}

/// A patient on record.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are the brief's own")]
pub struct Known {
    pub account: AccountId,
    pub version: i64,
    pub status: PatientStatus,
    pub details: PatientDetails,
    pub clinician_id: Option<String>,
    pub preferred_language: Option<String>,
    pub incomplete: bool,
    pub user_id: Option<Uuid>,
    pub invites_void_before: i64,
    pub import_id: Option<Uuid>,
    /// The person's key.
    pub key: Uuid,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// What is asked of a patient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// Put on record.
    Create {
        /// The fields.
        draft: Box<Draft>,
        /// Who asks.
        origin: Origin,
        /// The import it is part of.
        import_id: Option<Uuid>,
    },
    /// Change fields.
    Change {
        /// Which, to what.
        patch: Box<Patch>,
        /// Issue invites again that a new address voids.
        reissue_invites: bool,
        /// The import it is part of.
        import_id: Option<Uuid>,
    },
    /// Ask that the patient be invited.
    Invite(Box<Invitation>),
    /// Archive.
    Archive {
        /// Why.
        reason: ArchiveReason,
    },
    /// Take back from the archive.
    Restore,
    /// Leave nothing personal.
    Erase {
        /// When.
        at: DateTime<Utc>,
        /// The patient's one erasure, see [`super::erasure::id_of`].
        erasure_id: Uuid,
    },
    /// An invite of theirs was accepted.
    Activate {
        /// The person's login.
        user_id: Uuid,
        /// The invite.
        invite_id: Uuid,
    },
}

/// An invitation that an import asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    /// The import.
    pub import_id: Uuid,
    /// Whom the patient is invited to.
    pub provider_id: String,
    /// Whether a mail goes out.
    pub send_email: bool,
    /// Days until it lapses; else the clinic's default.
    pub expiry_days: Option<u16>,
    /// Staff's words to the patient.
    pub message: Option<String>,
}

/// Decides a command. No events and no refusal: it is already so.
///
/// The caller has checked the clinic, the expected version and, where the log cannot know it, that
/// addresses are free.
pub fn decide(patient: &Patient, ask: &Ask) -> Result<Option<Event>, Refusal> {
    match (patient, ask) {
        (Patient::Absent, Ask::Create { draft, origin, import_id }) => {
            Ok(Some(Event::PatientCreated(PatientCreated {
                record: created(draft),
                origin: *origin,
                import_id: *import_id,
            })))
        }
        (Patient::Absent, _) => Err(Refusal::NotFound),
        (Patient::Known(_), Ask::Erase { at, erasure_id })
        // The key was destroyed and a restored log does not know: it is told again.
        | (Patient::Erased { said: false, .. }, Ask::Erase { at, erasure_id }) => {
            Ok(Some(erased(patient.version() + 1, *at, *erasure_id)))
        }
        (Patient::Erased { .. }, Ask::Erase { .. }) => Ok(None),
        // Erased means erased: a late acceptance finds nothing to act on.
        (Patient::Erased { .. }, Ask::Activate { .. }) => Ok(None),
        (Patient::Erased { at, .. }, _) => Err(Refusal::Erased { at: *at }),
        // The id was new when the command was made, so this is the command itself, repeated.
        (Patient::Known(_), Ask::Create { .. }) => Ok(None),
        (Patient::Known(known), Ask::Change { patch, reissue_invites, import_id }) => {
            change(known, patch, *reissue_invites, *import_id)
        }
        (Patient::Known(known), Ask::Invite(invitation)) => Ok(invite(known, invitation)),
        (Patient::Known(known), Ask::Archive { reason }) => Ok(archive(known, *reason)),
        (Patient::Known(known), Ask::Restore) => Ok(restore(known)),
        (Patient::Known(known), Ask::Activate { user_id, invite_id }) => {
            Ok(activate(known, *user_id, *invite_id))
        }
    }
}

fn erased(version: i64, erased_at: DateTime<Utc>, erasure_id: Uuid) -> Event {
    Event::PatientErased(PatientErased { erasure_id, erased_at, invites_void_before: version })
}

fn created(draft: &Draft) -> PatientRecord {
    PatientRecord {
        status: PatientStatus::Pending,
        clinician_id: draft.clinician_id.clone(),
        preferred_language: draft.preferred_language.clone(),
        incomplete: false,
        user_id: None,
        invites_void_before: 0,
        personal: Secret::Known(draft.details()),
    }
}

fn change(
    known: &Known,
    patch: &Patch,
    reissue_invites: bool,
    import_id: Option<Uuid>,
) -> Result<Option<Event>, Refusal> {
    if known.status == PatientStatus::Inactive {
        return Err(Refusal::Archived);
    }
    let (next, changed) = known.patched(patch);
    if changed.is_empty() {
        return Ok(None);
    }
    let moved = normalised(&next.details.email) != normalised(&known.details.email);
    let void_before = if moved { known.version + 1 } else { known.invites_void_before };
    Ok(Some(Event::PatientUpdated(PatientUpdated {
        record: PatientRecord { invites_void_before: void_before, ..next.record() },
        changed: changed.into_iter().map(str::to_owned).collect(),
        reissue_invites: moved && reissue_invites,
        reissue_from: if moved && reissue_invites { known.invites_void_before } else { 0 },
        import_id,
    })))
}

/// Only who has no account yet is invited.
fn invite(known: &Known, invitation: &Invitation) -> Option<Event> {
    (known.status == PatientStatus::Pending).then(|| {
        Event::InvitationRequested(InvitationRequested {
            import_id: invitation.import_id,
            provider_id: invitation.provider_id.clone(),
            send_email: invitation.send_email,
            expiry_days: invitation.expiry_days,
            invites_void_before: known.invites_void_before,
            personal: Secret::Known(InviteWords { custom_message: invitation.message.clone() }),
        })
    })
}

fn archive(known: &Known, reason: ArchiveReason) -> Option<Event> {
    known.status.is_live().then(|| {
        Event::PatientArchived(PatientArchived {
            record: PatientRecord {
                status: PatientStatus::Inactive,
                invites_void_before: known.version + 1,
                ..known.record()
            },
            reason,
            import_id: known.import_id.filter(|_| reason == ArchiveReason::ImportUndone),
        })
    })
}

fn restore(known: &Known) -> Option<Event> {
    (known.status == PatientStatus::Inactive).then(|| {
        let status = if known.user_id.is_some() { PatientStatus::Active } else { PatientStatus::Pending };
        Event::PatientRestored(PatientRestored { record: PatientRecord { status, ..known.record() } })
    })
}

fn activate(known: &Known, user_id: Uuid, invite_id: Uuid) -> Option<Event> {
    // Accepting after archive: the account is linked, the patient stays inactive.
    let status = if known.status.is_live() { PatientStatus::Active } else { known.status };
    (known.user_id != Some(user_id) || known.status != status).then(|| {
        Event::PatientActivated(PatientActivated {
            record: PatientRecord { status, user_id: Some(user_id), ..known.record() },
            invite_id,
        })
    })
}

impl Patient {
    /// The stream's version; 0 before the first event.
    pub fn version(&self) -> i64 {
        match self {
            Patient::Absent => 0,
            Patient::Known(known) => known.version,
            Patient::Erased { version, .. } => *version,
        }
    }

    /// The clinic, once there is an event.
    pub fn account(&self) -> Option<&AccountId> {
        match self {
            Patient::Absent => None,
            Patient::Known(known) => Some(&known.account),
            Patient::Erased { account, .. } => Some(account),
        }
    }

    /// The record, unless absent or erased.
    pub fn known(&self) -> Option<&Known> {
        match self {
            Patient::Known(known) => Some(known),
            Patient::Absent | Patient::Erased { .. } => None,
        }
    }

    /// What the patient holds that no other live patient of the clinic may hold.
    pub fn claims(&self) -> Vec<Claim> {
        let Some(known) = self.known().filter(|known| known.status.is_live()) else { return Vec::new() };
        // An address taken over from the old system may be one we would not take today.
        let email = Email::parse(&known.details.email).ok();
        claims(&known.account, email.as_ref(), known.details.external_id.as_deref())
    }

    /// The patient after an event. Total: an event that does not concern it leaves it as it is.
    #[must_use]
    pub fn evolve(self, place: &Place, event: &Event) -> Patient {
        match event {
            Event::PatientCreated(e) => self.recorded(place, &e.record, e.import_id),
            Event::PatientTakenOver(e) => self.recorded(place, &e.record, None),
            Event::PatientUpdated(e) => self.recorded(place, &e.record, None),
            Event::PatientArchived(e) => self.recorded(place, &e.record, None),
            Event::PatientRestored(e) => self.recorded(place, &e.record, None),
            Event::PatientActivated(e) => self.recorded(place, &e.record, None),
            Event::PatientErased(e) => {
                let account = place.account.clone();
                Patient::Erased { account, version: place.version, at: e.erased_at, said: true }
            }
            _ => match self {
                Patient::Known(known) => Patient::Known(Box::new(Known { version: place.version, ..*known })),
                Patient::Erased { account, at, said, .. } => {
                    Patient::Erased { account, version: place.version, at, said }
                }
                Patient::Absent => Patient::Absent,
            },
        }
    }

    fn recorded(self, place: &Place, record: &PatientRecord, import_id: Option<Uuid>) -> Patient {
        let (created_at, import_id) = match &self {
            Patient::Known(known) => (known.created_at, known.import_id),
            Patient::Absent | Patient::Erased { .. } => (place.at, import_id),
        };
        let (Secret::Known(details), Some(key)) = (&record.personal, place.key) else {
            // The key is gone: the tombstone follows in the stream, or is on its way.
            let account = place.account.clone();
            return Patient::Erased { account, version: place.version, at: place.at, said: false };
        };
        Patient::Known(Box::new(Known {
            account: place.account.clone(),
            version: place.version,
            status: record.status,
            details: details.clone(),
            clinician_id: record.clinician_id.clone(),
            preferred_language: record.preferred_language.clone(),
            incomplete: record.incomplete,
            user_id: record.user_id,
            invites_void_before: record.invites_void_before,
            import_id,
            key,
            created_at,
            updated_at: place.at,
        }))
    }
}

/// Where an event stands: what the envelope says beside its data.
#[derive(Debug, Clone)]
pub struct Place {
    /// The clinic.
    pub account: AccountId,
    /// The event's version.
    pub version: i64,
    /// When it happened.
    pub at: DateTime<Utc>,
    /// The person's key.
    pub key: Option<Uuid>,
}

impl Known {
    /// The record as events carry it.
    pub fn record(&self) -> PatientRecord {
        PatientRecord {
            status: self.status,
            clinician_id: self.clinician_id.clone(),
            preferred_language: self.preferred_language.clone(),
            incomplete: self.incomplete,
            user_id: self.user_id,
            invites_void_before: self.invites_void_before,
            personal: Secret::Known(self.details.clone()),
        }
    }

    /// Names of the fields that a patch would change.
    pub fn differing(&self, patch: &Patch) -> Vec<&'static str> {
        self.patched(patch).1.into_iter().filter(|name| *name != "incomplete").collect()
    }

    /// The patient with a patch applied, and the names of the fields that differ.
    fn patched(&self, patch: &Patch) -> (Known, Vec<&'static str>) {
        let mut next = self.clone();
        let mut changed = Vec::new();
        let email = patch.email.as_ref().map(|email| email.as_str().to_owned());
        set(&mut changed, "email", &mut next.details.email, email);
        set(&mut changed, "first_name", &mut next.details.first_name, patch.first_name.clone());
        set(&mut changed, "last_name", &mut next.details.last_name, patch.last_name.clone());
        set(&mut changed, "phone", &mut next.details.phone, patch.phone.clone());
        set(&mut changed, "date_of_birth", &mut next.details.date_of_birth, patch.date_of_birth);
        set(&mut changed, "notes", &mut next.details.notes, patch.notes.clone());
        set(&mut changed, "external_id", &mut next.details.external_id, patch.external_id.clone());
        set(&mut changed, "clinician_id", &mut next.clinician_id, patch.clinician_id.clone());
        set(&mut changed, "clinician_name", &mut next.details.clinician_name, patch.clinician_name.clone());
        set(
            &mut changed,
            "preferred_language",
            &mut next.preferred_language,
            patch.preferred_language.clone(),
        );
        let complete = !next.details.first_name.is_empty() && !next.details.last_name.is_empty();
        let completed = (next.incomplete && complete).then_some(false);
        set(&mut changed, "incomplete", &mut next.incomplete, completed);
        (next, changed)
    }
}

fn set<T: PartialEq>(changed: &mut Vec<&'static str>, name: &'static str, field: &mut T, to: Option<T>) {
    if let Some(to) = to.filter(|to| to != field) {
        *field = to;
        changed.push(name);
    }
}

fn normalised(address: &str) -> String {
    shared_events::values::normalise(address)
}
