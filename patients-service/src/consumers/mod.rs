//! What invites-service said, and what is done about it: the register of open invites is kept, imports
//! learn what became of invitations they asked for, and a patient whose invite was accepted becomes active.

use crate::desk::{Command, Patients};
use crate::domain::Ask;
use crate::store::erasures;
use crate::store::imports::invitations::{self, Answer};
use crate::store::invites::{self, Told};
use shared_events::invite::InviteStatus;
use shared_events::{AccountId, Event};
use shared_runtime::Tx;
use shared_runtime::bus::topology;
use shared_runtime::consume::{HandleError, Handler, Incoming};
use shared_runtime::group::Desk;
use shared_runtime::log::Meta;
use uuid::Uuid;

/// The consumer of invites-service's events.
pub struct FromInvites {
    /// Where a patient is made active.
    pub patients: Patients,
}

/// Derives the id of the event that an acceptance causes here: the acceptance, repeated, causes it once.
fn activation(cause: Uuid) -> Uuid {
    Uuid::new_v5(&cause, b"PatientActivated")
}

impl Handler for FromInvites {
    fn name(&self) -> &'static str {
        "patients.from_invites"
    }

    fn queue(&self) -> &'static str {
        topology::PATIENTS
    }

    fn wants(&self, event_type: &str) -> bool {
        matches!(
            event_type,
            "InviteIssued"
                | "InviteResent"
                | "InviteExtended"
                | "InviteAccepted"
                | "InviteRevoked"
                | "InviteExpired"
                | "InviteTakenOver"
                | "InviteRefused"
                | "ErasureCompleted"
        )
    }

    async fn handle(&self, tx: &mut Tx, events: &[Incoming]) -> Result<(), HandleError> {
        let told: Vec<Told> = events.iter().filter_map(told).collect();
        invites::put(tx, &told).await?;
        let answers: Vec<Answer> = events.iter().filter_map(answer).collect();
        invitations::answered(tx, &answers).await?;
        let mut commands = Vec::new();
        for incoming in events {
            self.report(tx, incoming).await?;
            commands.extend(activate(incoming)?);
        }
        // In the order in which groups of commands take patients, so that neither waits for the other.
        commands.sort_by_key(|command| command.patient);
        self.carry_out(tx, &commands).await
    }

    fn committed(&self) {
        self.patients.log.nudge();
    }
}

impl FromInvites {
    /// A service has forgotten a person.
    async fn report(&self, tx: &mut Tx, incoming: &Incoming) -> Result<(), HandleError> {
        let Event::ErasureCompleted(completed) = &incoming.event else { return Ok(()) };
        let envelope = &incoming.envelope;
        let service = envelope.source.trim_start_matches('/');
        Ok(erasures::report(tx, completed.erasure_id, &envelope.accountid, service, envelope.time).await?)
    }

    async fn carry_out(&self, tx: &mut Tx, commands: &[Command]) -> Result<(), HandleError> {
        if commands.is_empty() {
            return Ok(());
        }
        let outcomes = self.patients.execute(tx, commands, 1).await?;
        for (command, outcome) in commands.iter().zip(outcomes) {
            if let Err(refusal) = outcome {
                // A patient we never heard of cannot have been invited by us: the log must have been replaced.
                let patient = command.patient;
                let words = format!("patient {patient} cannot be made active: {refusal:?}");
                return Err(HandleError::Dead(words));
            }
        }
        Ok(())
    }
}

fn told(incoming: &Incoming) -> Option<Told> {
    let invite = match &incoming.event {
        Event::InviteIssued(e) => &e.invite,
        Event::InviteResent(e) => &e.invite,
        Event::InviteExtended(e) | Event::InviteExpired(e) => &e.invite,
        Event::InviteAccepted(e) => &e.invite,
        Event::InviteRevoked(e) => &e.invite,
        Event::InviteTakenOver(e) => &e.invite,
        _ => return None,
    };
    Some(Told {
        invite: incoming.envelope.subject,
        patient: invite.patient_id,
        account: incoming.envelope.accountid.clone(),
        version: incoming.envelope.streamversion,
        pending: invite.status == InviteStatus::Pending,
        expires_at: invite.expires_at,
    })
}

/// What became of an invitation that an import asked for.
fn answer(incoming: &Incoming) -> Option<Answer> {
    let (import, patient, refused) = match &incoming.event {
        Event::InviteIssued(e) => (e.invite.import_id?, e.invite.patient_id, None),
        Event::InviteRefused(e) => (e.import_id, e.patient_id, Some(e.code.clone())),
        _ => return None,
    };
    Some(Answer { account: incoming.envelope.accountid.clone(), import, patient, refused })
}

fn activate(incoming: &Incoming) -> Result<Option<Command>, HandleError> {
    let (patient, user_id) = match &incoming.event {
        Event::InviteAccepted(e) => (e.invite.patient_id, e.user_id),
        Event::InviteTakenOver(e) => match e.user_id {
            Some(user_id) => (e.invite.patient_id, user_id),
            None => return Ok(None),
        },
        _ => return Ok(None),
    };
    let envelope = &incoming.envelope;
    let account = AccountId::parse(&envelope.accountid)
        .map_err(|why| HandleError::Dead(format!("the clinic's id {why}")))?;
    Ok(Some(Command {
        account,
        patient,
        ask: Ask::Activate { user_id, invite_id: envelope.subject },
        expected: None,
        event_id: Some(activation(envelope.id)),
        meta: Meta {
            actor: envelope.actor.clone(),
            correlation: envelope.correlationid,
            causation: Some(envelope.id),
            traceparent: envelope.traceparent.clone(),
            asked: None,
        },
        at: envelope.time,
        repeatable: None,
    }))
}
