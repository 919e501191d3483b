//! Groups of commands become events, claims and rows, in one transaction.
//!
//! A command that puts a new patient on record reads nothing: its claims are inserted and counted, and
//! only where one is taken is the holder looked up, in the next round, alone.

mod erase;

use crate::domain::Refusal;
use crate::domain::patient::{Ask, Known, Patient, Place, decide};
use crate::store::{self, clinics::Sharing};
use chrono::{DateTime, Utc};
use shared_events::AccountId;
use shared_events::patient::PatientStatus;
use shared_runtime::Tx;
use shared_runtime::audit::{self, Entry};
use shared_runtime::clock::Clock;
use shared_runtime::group::{Abort, Desk};
use shared_runtime::idempotency::{self, Answered, Recalled, Repeatable};
use shared_runtime::log::{Log, Meta, NewEvent, Stream};
use std::collections::HashMap;
use uuid::Uuid;

/// A command to one patient's stream.
#[derive(Debug, Clone)]
pub struct Command {
    /// The caller's clinic.
    pub account: AccountId,
    /// The patient; a new id for [`Ask::Create`].
    pub patient: Uuid,
    /// What is asked.
    pub ask: Ask,
    /// The version the caller read; a command from an event has none.
    pub expected: Option<i64>,
    /// Derived from the cause where there is one, so that a repetition is found out.
    pub event_id: Option<Uuid>,
    /// Who and what caused it.
    pub meta: Meta,
    /// When it happened.
    pub at: DateTime<Utc>,
    /// The client's name for it.
    pub repeatable: Option<Repeatable>,
}

/// A command that was carried out, or had been.
#[derive(Debug, Clone)]
pub enum Done {
    /// Now: the patient as it stands after it, and whether anything changed.
    Now(Patient, bool),
    /// Before, under the same idempotency key.
    Before(Answered),
}

/// The answer to a command.
pub type Outcome = Result<Done, Refusal>;

/// Where patient commands are carried out.
#[derive(Clone)]
pub struct Patients {
    /// The service's log.
    pub log: Log,
    /// Makes the events' ids.
    pub clock: Clock,
}

/// A command that was decided: what is to be written.
pub struct Decided {
    /// The patient before.
    pub before: Patient,
    /// The patient after.
    pub after: Patient,
    /// What happened.
    pub event: NewEvent,
}

impl Desk for Patients {
    type Command = Command;
    type Outcome = Outcome;

    fn subject(&self, command: &Command) -> Uuid {
        command.patient
    }

    async fn execute(&self, tx: &mut Tx, commands: &[Command], round: u32) -> Result<Vec<Outcome>, Abort> {
        if round > 0
            && let Some(early) = self.look_first(tx, &commands[0]).await?
        {
            return Ok(vec![early]);
        }
        let mut patients = self.load(tx, commands).await?;
        let keys = self.keys_for_new(commands).await?;
        let mut decided = Vec::with_capacity(commands.len());
        let mut outcomes = Vec::with_capacity(commands.len());
        for (command, key) in commands.iter().zip(keys) {
            let before = patients.get(&command.patient).cloned().unwrap_or_default();
            let outcome = self.decide(command, key, before, &mut decided);
            if let Ok(Done::Now(after, _)) = &outcome {
                patients.insert(command.patient, after.clone());
            }
            // A refusal is only believed in a round that has looked for the key first.
            if outcome.is_err() && command.repeatable.is_some() && round == 0 {
                return Err(Abort::Conflict);
            }
            outcomes.push(outcome);
        }
        let sharing = store::clinics::sharing(tx, &decided).await?;
        if round > 0
            && let Some(refusal) = store::claims::taken(tx, &decided, &sharing).await?
        {
            return Ok(vec![Err(refusal)]);
        }
        self.write(tx, &decided, &sharing).await?;
        audit::write(tx, &audited(commands, &outcomes, &decided)).await?;
        self.remember(tx, commands, &outcomes).await?;
        Ok(outcomes)
    }

    fn committed(&self) {
        self.log.nudge();
    }
}

impl Patients {
    /// What only a command alone looks for: was it answered before, is its address taken?
    async fn look_first(&self, tx: &mut Tx, command: &Command) -> Result<Option<Outcome>, Abort> {
        if let Some(repeatable) = &command.repeatable {
            match idempotency::recall(tx.conn(), repeatable).await? {
                Some(Recalled::Same(answered)) => return Ok(Some(Ok(Done::Before(answered)))),
                Some(Recalled::Other) => return Ok(Some(Err(Refusal::KeyReused))),
                None => {}
            }
        }
        Ok(None)
    }

    async fn load(&self, tx: &mut Tx, commands: &[Command]) -> Result<HashMap<Uuid, Patient>, Abort> {
        let old = commands.iter().filter(|command| !matches!(command.ask, Ask::Create { .. }));
        let ids: Vec<Uuid> = old.map(|command| command.patient).collect();
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let streams = self.log.load(tx.conn(), &ids).await?;
        Ok(streams.into_iter().map(|(id, stream)| (id, fold(&stream))).collect())
    }

    /// A key for each command that begins a stream.
    async fn keys_for_new(&self, commands: &[Command]) -> Result<Vec<Option<Uuid>>, Abort> {
        let creates = |command: &Command| matches!(command.ask, Ask::Create { .. });
        let wanted = commands.iter().filter(|command| creates(command)).count();
        if wanted == 0 {
            return Ok(vec![None; commands.len()]);
        }
        let mut taken = self.log.keys().take(wanted).await?.into_iter();
        Ok(commands.iter().map(|c| creates(c).then(|| taken.next().map(|key| key.id)).flatten()).collect())
    }

    fn decide(
        &self,
        command: &Command,
        new_key: Option<Uuid>,
        before: Patient,
        decided: &mut Vec<Decided>,
    ) -> Outcome {
        // Another clinic's patient does not exist here.
        if before.account().is_some_and(|account| *account != command.account) {
            return Err(Refusal::NotFound);
        }
        if let Some(known) = before.known().filter(|known| stale(known, command)) {
            return Err(Refusal::Stale { current: known.version });
        }
        let Some(event) = decide(&before, &command.ask)? else { return Ok(Done::Now(before, false)) };
        let place = Place {
            account: command.account.clone(),
            version: before.version() + 1,
            at: command.at,
            key: before.known().map(|known| known.key).or(new_key),
        };
        let after = before.clone().evolve(&place, &event);
        let event = NewEvent {
            id: command.event_id.unwrap_or_else(|| self.clock.new_id()),
            stream: command.patient,
            version: place.version,
            account: place.account,
            key: place.key,
            occurred_at: command.at,
            meta: command.meta.clone(),
            event,
        };
        decided.push(Decided { before, after: after.clone(), event });
        Ok(Done::Now(after, true))
    }

    /// Writes what was decided: claims, events, rows. [`Abort::Conflict`] where a claim is taken or a
    /// stream has moved on.
    pub async fn write(&self, tx: &mut Tx, decided: &[Decided], sharing: &Sharing) -> Result<(), Abort> {
        store::claims::exchange(tx, decided, sharing).await?;
        // Before the row goes, which knows by what a person is recognised.
        let requested = self.begin_erasures(tx, decided).await?;
        let events: Vec<NewEvent> =
            requested.into_iter().chain(decided.iter().map(|one| one.event.clone())).collect();
        self.log.append(tx, &events).await?;
        store::patients::put(tx, decided).await?;
        Ok(())
    }

    async fn remember(&self, tx: &mut Tx, commands: &[Command], outcomes: &[Outcome]) -> Result<(), Abort> {
        let answers: Vec<(Repeatable, Answered)> = commands
            .iter()
            .zip(outcomes)
            .filter_map(|(command, outcome)| {
                let Ok(Done::Now(patient, _)) = outcome else { return None };
                let status = match command.ask {
                    Ask::Create { .. } => 201,
                    Ask::Erase { .. } => 202,
                    _ => 200,
                };
                let answered = Answered { status, resource: command.patient, version: patient.version() };
                Some((command.repeatable.clone()?, answered))
            })
            .collect();
        if answers.is_empty() || idempotency::remember(tx, &answers, self.clock.now()).await? {
            Ok(())
        } else {
            Err(Abort::Conflict)
        }
    }
}

/// A row of the audit for each command that a request asked for and that was not refused.
fn audited(commands: &[Command], outcomes: &[Outcome], decided: &[Decided]) -> Vec<Entry> {
    let mut events = decided.iter().map(|one| &one.event);
    let mut entries = Vec::new();
    for (command, outcome) in commands.iter().zip(outcomes) {
        let Ok(Done::Now(_, changed)) = outcome else { continue };
        // Commands and what was decided of them stand in one order.
        let said = if *changed { events.next() } else { None };
        let place = (&command.account, command.at);
        entries.extend(Entry::of_events(
            &command.meta,
            place,
            command.patient,
            said.map_or(&[], std::slice::from_ref),
            "patient.read",
        ));
    }
    entries
}

/// Whether the caller decided from another version. A patient that is to be archived and is: whoever
/// repeats the request because its answer was lost is told that it is done.
fn stale(known: &Known, command: &Command) -> bool {
    let done = matches!(command.ask, Ask::Archive { .. }) && known.status == PatientStatus::Inactive;
    !done && command.expected.is_some_and(|expected| expected != known.version)
}

/// Folds a stream.
pub fn fold(stream: &Stream) -> Patient {
    stream.iter().fold(Patient::Absent, |patient, recorded| {
        let place = Place {
            account: recorded.account.clone(),
            version: recorded.version,
            at: recorded.occurred_at,
            key: recorded.key,
        };
        patient.evolve(&place, &recorded.event)
    })
}
