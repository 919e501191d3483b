//! Reads what an event means for us, and nothing else of it.

use crate::domain::Reissue;
use crate::domain::patient::ERASED_VERSION;
use crate::store::patients::{Personal, Told};
use crate::store::{clinics, deliveries, links};
use shared_events::delivery::{Delivery, Purpose};
use shared_events::invite::RevokeReason;
use shared_events::patient::{ArchiveReason, PatientRecord, PatientStatus};
use shared_events::{AccountId, Event, Secret};
use shared_runtime::consume::{HandleError, Incoming};
use shared_runtime::log::Meta;
use uuid::Uuid;

/// What an event means for us.
pub(super) enum Heard {
    Clinic(clinics::Told),
    Patient(Told, Voids),
    /// As `Patient`, and staff want what it voids issued again.
    Readdressed(Told, Voids, Reissue),
    Erased(Told, Voids, Uuid),
    Requested(Requested, Voids),
    /// Of an invite's mail; and, once it is queued, that older links are dead.
    Delivery(deliveries::Row, Option<links::Mailed>),
    Nothing,
}

/// What happened to a patient that makes open invites void.
#[derive(Debug, Clone)]
pub(super) struct Voids {
    pub(super) patient: Uuid,
    pub(super) account: AccountId,
    /// Invites made from an older version of the patient's stream.
    pub(super) before: i64,
    pub(super) reason: RevokeReason,
    /// Whether this event is the one that voided them; else it only knows that something did.
    pub(super) certain: bool,
    pub(super) cause: Uuid,
    pub(super) meta: Meta,
}

/// An import asks that a patient be invited.
#[derive(Debug, Clone)]
pub(super) struct Requested {
    pub(super) patient: Uuid,
    pub(super) account: AccountId,
    pub(super) import_id: Uuid,
    pub(super) provider_id: String,
    pub(super) send_email: bool,
    pub(super) expiry_days: Option<u16>,
    pub(super) message: Option<String>,
    pub(super) void_before: i64,
    pub(super) cause: Uuid,
    pub(super) meta: Meta,
}

/// Whether events of this name mean anything to us.
pub(super) fn wanted(event_type: &str) -> bool {
    const WANTED: [&str; 14] = [
        "ClinicSettingsChanged",
        "PatientCreated",
        "PatientUpdated",
        "PatientArchived",
        "PatientRestored",
        "PatientActivated",
        "PatientErased",
        "PatientTakenOver",
        "InvitationRequested",
        "DeliveryQueued",
        "DeliverySent",
        "DeliveryFailed",
        "DeliveryBounced",
        "DeliveryHeld",
    ];
    WANTED.contains(&event_type)
}

/// Reads an event. Early where its personal fields are sealed with a key that is not here.
pub(super) fn hear(incoming: &Incoming) -> Result<Heard, HandleError> {
    let account = AccountId::parse(&incoming.envelope.accountid)
        .map_err(|why| HandleError::Dead(format!("the event's accountid {why}")))?;
    let patient = incoming.envelope.subject;
    Ok(match &incoming.event {
        Event::ClinicSettingsChanged(e) => Heard::Clinic(clinics::Told {
            account,
            version: incoming.envelope.streamversion,
            settings: e.settings.clone(),
        }),
        Event::PatientErased(e) => {
            // Every invite, whatever version it was made from: a log that was restored counts anew.
            let voids = Voids {
                before: ERASED_VERSION,
                ..voids(incoming, &account, e.invites_void_before, RevokeReason::Erased)
            };
            Heard::Erased(Told::tombstone(patient, account), voids, e.erasure_id)
        }
        Event::PatientCreated(e) => match record(incoming, account, &e.record, RevokeReason::EmailChanged)? {
            Heard::Patient(told, voids) => Heard::Patient(Told { import_id: e.import_id, ..told }, voids),
            heard => heard,
        },
        Event::PatientTakenOver(e) => record(incoming, account, &e.record, RevokeReason::EmailChanged)?,
        Event::PatientUpdated(e) => match record(incoming, account, &e.record, RevokeReason::EmailChanged)? {
            Heard::Patient(told, voids) if e.reissue_invites && voids.certain => {
                let (version, from, at) = (voids.before, e.reissue_from, incoming.envelope.time);
                Heard::Readdressed(told, voids.clone(), Reissue { cause: voids.cause, version, from, at })
            }
            heard => heard,
        },
        Event::PatientActivated(e) => record(incoming, account, &e.record, RevokeReason::EmailChanged)?,
        Event::PatientRestored(e) => record(incoming, account, &e.record, RevokeReason::Archived)?,
        Event::PatientArchived(e) => {
            let reason = match e.reason {
                ArchiveReason::Staff => RevokeReason::Archived,
                ArchiveReason::ImportUndone => RevokeReason::ImportUndone,
            };
            record(incoming, account, &e.record, reason)?
        }
        Event::InvitationRequested(e) => {
            let voids = voids(incoming, &account, e.invites_void_before, RevokeReason::EmailChanged);
            let words = readable(&e.personal, incoming)?;
            let requested = Requested {
                patient,
                account,
                import_id: e.import_id,
                provider_id: e.provider_id.clone(),
                send_email: e.send_email,
                expiry_days: e.expiry_days,
                message: words.and_then(|words| words.custom_message.clone()),
                void_before: e.invites_void_before,
                cause: incoming.envelope.id,
                meta: voids.meta.clone(),
            };
            Heard::Requested(requested, voids)
        }
        Event::DeliveryQueued(e) => delivery(incoming, &account, e, "queued"),
        Event::DeliverySent(e) => delivery(incoming, &account, e, "sent"),
        Event::DeliveryFailed(e) => delivery(incoming, &account, e, "failed"),
        Event::DeliveryBounced(e) => delivery(incoming, &account, e, "bounced"),
        Event::DeliveryHeld(e) => delivery(incoming, &account, e, "held"),
        _ => Heard::Nothing,
    })
}

fn delivery(incoming: &Incoming, account: &AccountId, told: &Delivery, state: &str) -> Heard {
    let (Some(invite), Some(issue_no)) = (told.invite_id, told.issue_no) else { return Heard::Nothing };
    let envelope = &incoming.envelope;
    let queued = state == "queued";
    let row = deliveries::Row {
        id: envelope.subject,
        account_id: account.as_str().to_owned(),
        invite_id: invite,
        purpose: match told.purpose {
            Purpose::Invite => "invite",
            Purpose::Reminder => "reminder",
            Purpose::LinkRequest => "link_request",
            Purpose::PasswordReset => return Heard::Nothing,
        }
        .to_owned(),
        issue_no: issue_no.into(),
        state: state.to_owned(),
        attempt: told.attempt.into(),
        code: told.code.map(i64::from),
        enhanced_status: told.enhanced_status.clone(),
        words: told.words.clone(),
        next_attempt_at: told.next_attempt_at,
        version: envelope.streamversion,
        queued_at: queued.then_some(envelope.time),
        updated_at: envelope.time,
    };
    Heard::Delivery(row, queued.then_some(links::Mailed { invite, issue_no }))
}

/// A patient's record. `reason` is why it voids invites, if this event is the one that does.
fn record(
    incoming: &Incoming,
    account: AccountId,
    record: &PatientRecord,
    reason: RevokeReason,
) -> Result<Heard, HandleError> {
    let patient = incoming.envelope.subject;
    let voids = voids(incoming, &account, record.invites_void_before, reason);
    let Some(details) = readable(&record.personal, incoming)? else {
        // The person's key is gone: the tombstone is on its way.
        return Ok(Heard::Patient(Told::tombstone(patient, account), voids));
    };
    let personal = Personal {
        email: Some(details.email.clone()),
        first_name: Some(details.first_name.clone()),
        last_name: Some(details.last_name.clone()),
        date_of_birth: details.date_of_birth,
        preferred_language: record.preferred_language.clone(),
    };
    let told = Told {
        id: patient,
        account,
        version: incoming.envelope.streamversion,
        status: record.status,
        clinician_id: record.clinician_id.clone(),
        import_id: None,
        personal,
        void_before: record.invites_void_before,
    };
    let reason =
        if record.status == PatientStatus::Inactive && reason == RevokeReason::EmailChanged && !voids.certain
        {
            RevokeReason::Archived
        } else {
            reason
        };
    Ok(Heard::Patient(told, Voids { reason, ..voids }))
}

fn voids(incoming: &Incoming, account: &AccountId, before: i64, reason: RevokeReason) -> Voids {
    let envelope = &incoming.envelope;
    Voids {
        patient: envelope.subject,
        account: account.clone(),
        before,
        reason,
        certain: envelope.streamversion == before,
        cause: envelope.id,
        meta: Meta {
            actor: envelope.actor.clone(),
            correlation: envelope.correlationid,
            causation: Some(envelope.id),
            traceparent: envelope.traceparent.clone(),
            asked: None,
        },
    }
}

/// The personal fields; none where their person was erased.
fn readable<'a, T>(secret: &'a Secret<T>, incoming: &Incoming) -> Result<Option<&'a T>, HandleError> {
    match secret {
        Secret::Known(fields) => Ok(Some(fields)),
        Secret::Erased => Ok(None),
        // A key that was just added may be on its way to this machine.
        Secret::Sealed => Err(HandleError::Early(format!(
            "the personal fields of {} are sealed with a bus key that is not here",
            incoming.envelope.event_type
        ))),
    }
}
