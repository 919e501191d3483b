//! Groups of commands become events, logins and rows, in one transaction.
//!
//! A group first locks the rows of all its patients, then reads each patient's book in a few queries,
//! decides every command in memory in order, and writes all of it. Because the lock is had before
//! anything is read, whatever one transaction decides about a patient's invites, the next one sees:
//! the counter of wrong facts, the one acceptance, the one open invite all rest on this.

mod audited;
mod load;
mod write;

pub use load::fold;

use crate::domain::decide::{Ask, decide};
use crate::domain::{Book, Place, Refusal};
use crate::limits::{Counter, Room};
use crate::store::accounts;
use crate::store::invites::Row;
use chrono::{DateTime, Utc};
use shared_events::{AccountId, Event};
use shared_runtime::Tx;
use shared_runtime::audit::{self, Entry};
use shared_runtime::clock::Clock;
use shared_runtime::group::{Abort, Desk};
use shared_runtime::idempotency::{self, Answered, Recalled, Repeatable};
use shared_runtime::log::{Log, Meta, NewEvent};
use std::collections::{BTreeSet, HashMap};
use uuid::Uuid;

/// A command about one patient's invites.
#[derive(Debug, Clone)]
pub struct Command {
    /// The clinic: the caller's, or that of the invite a token names.
    pub account: AccountId,
    /// The patient; for a command that names an invite, whose invite it is.
    pub patient: Uuid,
    /// What is asked.
    pub ask: Ask,
    /// The event that caused it: ids are derived from it, so that a repetition is found out.
    pub cause: Option<Uuid>,
    /// Who and what caused it.
    pub meta: Meta,
    /// When it happened.
    pub at: DateTime<Utc>,
    /// Which limits it counts against.
    pub counts: Counts,
    /// The client's name for it.
    pub repeatable: Option<Repeatable>,
}

/// Which limits a command counts against, if it makes or sends a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counts {
    /// Every one.
    All,
    /// All but the clinic's: a bulk job or an import, whose pace is its own.
    AsJob,
    /// None: what follows from an event, what is taken over, what an operator does to all.
    Nothing,
}

/// A command that was carried out, or had been.
#[derive(Debug, Clone)]
pub enum Done {
    /// Now.
    Now {
        /// The invite it was about, as it stands after it.
        row: Option<Box<Row>>,
        /// Whether anything happened; else it was so already.
        changed: bool,
    },
    /// Before, under the same idempotency key.
    Before(Answered),
}

/// The answer to a command.
pub type Outcome = Result<Done, Refusal>;

/// Where commands about invites are carried out.
#[derive(Clone)]
pub struct Invites {
    /// The service's log.
    pub log: Log,
    /// Makes the events' ids.
    pub clock: Clock,
    /// How often what may be done.
    pub counter: Counter,
}

/// What was decided and is to be written.
#[derive(Default)]
struct Decided {
    events: Vec<NewEvent>,
    /// Invites that an event was said of.
    touched: BTreeSet<Uuid>,
    logins: Vec<SignedUp>,
    audit: Vec<Entry>,
}

/// A login that was made or got one more patient.
struct SignedUp {
    patient: Uuid,
    user_id: Uuid,
    version: i64,
    /// None where it was there already.
    new: Option<accounts::New>,
}

impl Desk for Invites {
    type Command = Command;
    type Outcome = Outcome;

    /// The patient: whose invites are locked together is decided together.
    fn subject(&self, command: &Command) -> Uuid {
        command.patient
    }

    async fn execute(&self, tx: &mut Tx, commands: &[Command], round: u32) -> Result<Vec<Outcome>, Abort> {
        if round > 0
            && let Some(early) = look_first(tx, &commands[0]).await?
        {
            return Ok(vec![early]);
        }
        self.carry_out(tx, commands, round == 0).await
    }

    fn committed(&self) {
        self.log.nudge();
    }
}

impl Invites {
    /// Carries commands out in a transaction of the caller's, in order. `optimistic` leaves a refusal of a
    /// command with an idempotency key to a round that has looked for the key.
    pub async fn carry_out(
        &self,
        tx: &mut Tx,
        commands: &[Command],
        optimistic: bool,
    ) -> Result<Vec<Outcome>, Abort> {
        let mut books = load::books(&self.log, tx, commands).await?;
        let with_books = commands.iter().map(|command| (command, books.get(&command.patient)));
        let mut room = Room::load(&self.counter, tx, with_books).await?;
        let mut decided = Decided::default();
        let mut outcomes = Vec::with_capacity(commands.len());
        for (place, command) in commands.iter().enumerate() {
            let outcome = match books.get_mut(&command.patient) {
                Some(book) => {
                    book.full = room.full(place, command.at);
                    self.decide(command, book, &mut decided)
                }
                None => Err(Refusal::PatientUnknown),
            };
            if matches!(outcome, Ok((_, true))) {
                room.take(place, command.at);
            }
            let outcome = outcome.map(|(done, _)| done);
            if outcome.is_err() && command.repeatable.is_some() && optimistic {
                return Err(Abort::Conflict);
            }
            outcomes.push(outcome);
        }
        write::all(&self.log, tx, &decided, &books, self.clock.now()).await?;
        room.put(tx).await?;
        audit::write(tx, &decided.audit).await?;
        self.remember(tx, commands, &outcomes).await?;
        Ok(outcomes)
    }

    /// Decides a command; and whether a link was made or sent, which is what limits count.
    fn decide(
        &self,
        command: &Command,
        book: &mut Book,
        decided: &mut Decided,
    ) -> Result<(Done, bool), Refusal> {
        belongs(command, book)?;
        let said = decide(book, &command.ask, command.at)?;
        let changed = !said.is_empty();
        let before = decided.events.len();
        let (mut wrong_fact, mut counts) = (false, false);
        for one in said {
            wrong_fact |= matches!(one.event, Event::InviteVerificationFailed(_));
            counts |= sends_a_link(&one.event);
            let version = book.version(one.stream) + 1;
            write::note_login(command, book, &one, version, decided);
            let event = NewEvent {
                id: self.id_of(command, one.stream, &one.event),
                stream: one.stream,
                version,
                account: command.account.clone(),
                key: book.patient.as_ref().map(|patient| patient.key),
                occurred_at: command.at,
                meta: command.meta.clone(),
                event: one.event,
            };
            let place = Place {
                stream: event.stream,
                account: event.account.clone(),
                version,
                at: event.occurred_at,
            };
            book.evolve(&place, &event.event);
            decided.touched.insert(event.stream);
            decided.events.push(event);
        }
        decided.audit.extend(audited::entry(command, &decided.events[before..]));
        if wrong_fact {
            // Kept, and refused: the attempt is committed before anybody is answered.
            return Err(Refusal::NotAccepted);
        }
        let row = command.ask.invite().and_then(|id| Some(Box::new(Row::of(id, book.invite(id)?))));
        Ok((Done::Now { row, changed }, counts))
    }

    /// Ids of what follows from something else are derived from it, so that two who do the same thing
    /// do it once.
    fn id_of(&self, command: &Command, stream: Uuid, event: &Event) -> Uuid {
        match (event, command.cause) {
            (Event::InviteExpired(expired), _) => {
                Uuid::new_v5(&stream, format!("expired {}", expired.invite.issue_no).as_bytes())
            }
            (event, Some(cause)) => {
                let name = [stream.as_bytes().as_slice(), event.kind().name.as_bytes()].concat();
                Uuid::new_v5(&cause, &name)
            }
            (_, None) => self.clock.new_id(),
        }
    }

    async fn remember(&self, tx: &mut Tx, commands: &[Command], outcomes: &[Outcome]) -> Result<(), Abort> {
        let answers: Vec<(Repeatable, Answered)> = commands
            .iter()
            .zip(outcomes)
            .filter_map(|(command, outcome)| {
                let Ok(Done::Now { row: Some(row), .. }) = outcome else { return None };
                let status = if matches!(command.ask, Ask::Issue(_)) { 201 } else { 200 };
                let answered = Answered { status, resource: row.id, version: row.version };
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

fn sends_a_link(event: &Event) -> bool {
    match event {
        Event::InviteIssued(_) | Event::InviteResent(_) => true,
        Event::LinkRequested(asked) => asked.granted,
        _ => false,
    }
}

/// What only a command alone looks for: was it answered before?
async fn look_first(tx: &mut Tx, command: &Command) -> Result<Option<Outcome>, Abort> {
    let Some(repeatable) = &command.repeatable else { return Ok(None) };
    Ok(match idempotency::recall(tx.conn(), repeatable).await? {
        Some(Recalled::Same(answered)) => Some(Ok(Done::Before(answered))),
        Some(Recalled::Other) => Some(Err(Refusal::KeyReused)),
        None => None,
    })
}

/// Another clinic's patient or invite does not exist here.
fn belongs(command: &Command, book: &Book) -> Result<(), Refusal> {
    if book.patient.as_ref().is_none_or(|patient| patient.account != command.account) {
        return Err(Refusal::PatientUnknown);
    }
    let named = command.ask.invite().and_then(|id| book.invite(id));
    match named {
        Some(invite) if invite.account != command.account || invite.facts.patient_id != command.patient => {
            Err(Refusal::NotFound)
        }
        _ => Ok(()),
    }
}

/// A book for each patient of the group.
type Books = HashMap<Uuid, Book>;
