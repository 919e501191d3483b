//! Who read or changed what: one row for each, in the service's own database.
//!
//! * A change is written down by [`write`] in the transaction that makes it.
//! * A read is written down by [`Audit::saw`] before it is answered; reads that wait share a commit.
//! * [`chain`] gives committed rows their places in a chain of hashes, [`verify`] reads it again, [`list`] shows rows.
//!
//! Nothing personal stands in it: ids of things, and who acted. So it outlives every erasure.

pub mod chain;
pub mod list;
pub mod verify;

use crate::clock::Clock;
use crate::db::{Db, Rows, Tx};
use crate::group::{Abort, Desk, Group, Unanswered};
use crate::log::{Meta, NewEvent};
use chrono::{DateTime, Utc};
use shared_events::AccountId;
use sqlx::types::Json;
use std::sync::Arc;
use uuid::Uuid;

/// The request behind what is done, as the audit names it. What a worker does later is no request, so this is not
/// kept with jobs or beside events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The request's name, as in its answer.
    pub request_id: String,
    /// The caller's role; none for patients.
    pub role: Option<String>,
}

/// One row to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// When.
    pub at: DateTime<Utc>,
    /// The clinic.
    pub account: AccountId,
    /// `staff:ID` or `patient`.
    pub actor: String,
    /// The request.
    pub asked: Asked,
    /// `<thing>.<verb>`, such as `patient.read`.
    pub action: String,
    /// What it was about.
    pub ids: Vec<Uuid>,
}

impl Entry {
    /// What a command did, where a request asked for it.
    pub fn of(
        meta: &Meta,
        account: &AccountId,
        at: DateTime<Utc>,
        action: &str,
        ids: Vec<Uuid>,
    ) -> Option<Entry> {
        let (asked, actor) = (meta.asked.clone()?, meta.actor.clone());
        Some(Entry { at, account: account.clone(), actor, asked, action: action.to_owned(), ids })
    }

    /// What a command did, told from its events: the row is named after the event of the stream `subject` (else after
    /// the first) and names every stream. Staff who were answered without anything having changed saw `subject`:
    /// `unchanged` is the action then.
    pub fn of_events(
        meta: &Meta,
        place: (&AccountId, DateTime<Utc>),
        subject: Uuid,
        events: &[NewEvent],
        unchanged: &str,
    ) -> Option<Entry> {
        let staff = meta.asked.as_ref().is_some_and(|asked| asked.role.is_some());
        let event = events.iter().rev().find(|event| event.stream == subject).or(events.first());
        let action = match event {
            Some(event) => action_of(event.event.kind().name),
            None if staff => unchanged.to_owned(),
            None => return None,
        };
        let mut ids = vec![subject];
        for event in events {
            if !ids.contains(&event.stream) {
                ids.push(event.stream);
            }
        }
        Entry::of(meta, place.0, place.1, &action, ids)
    }
}

/// `PatientCreated` is `patient.created`, `ClinicSettingsChanged` is `clinic.settings_changed`.
fn action_of(event: &str) -> String {
    let mut action = String::with_capacity(event.len() + 2);
    let mut sign = '.';
    for letter in event.chars() {
        if letter.is_ascii_uppercase() && !action.is_empty() {
            action.push(std::mem::replace(&mut sign, '_'));
        }
        action.push(letter.to_ascii_lowercase());
    }
    action
}

/// Writes rows down, in the transaction of what they tell of.
pub async fn write(tx: &mut Tx, entries: &[Entry]) -> sqlx::Result<()> {
    let ids = |entry: &Entry| Json(entry.ids.iter().map(Uuid::to_string).collect());
    let rows = Rows::of("audit")
        .from(entries, "at", |entry| entry.at)
        .from(entries, "account_id", |entry| entry.account.as_str().to_owned())
        .from(entries, "actor", |entry| entry.actor.clone())
        .from(entries, "role", |entry| entry.asked.role.clone())
        .from(entries, "action", |entry| entry.action.clone())
        .from(entries, "ids", ids)
        .from(entries, "request_id", |entry| entry.asked.request_id.clone());
    tx.insert(rows, "").await.map(drop)
}

/// Where reads are written down. Cheap to clone.
#[derive(Clone)]
pub struct Audit {
    reads: Group<Reads>,
    clock: Clock,
}

impl Audit {
    /// Starts its writers. They end when the last clone is dropped.
    pub fn start(db: Db, clock: Clock) -> Audit {
        Audit { reads: Group::start(db, Arc::new(Reads)), clock }
    }

    /// Writes down that somebody is about to see these things. Answer only after it is well.
    ///
    /// # Errors
    /// The database is away: then nothing may be shown.
    pub async fn saw(
        &self,
        meta: &Meta,
        account: &AccountId,
        action: &str,
        ids: Vec<Uuid>,
    ) -> Result<(), Unanswered> {
        let entry = Entry::of(meta, account, self.clock.now(), action, ids);
        let entry = entry.ok_or_else(|| Unanswered::Failed("nobody asked for what is read".to_owned()))?;
        self.reads.submit(entry).await
    }
}

/// Rows about reads, many in one commit.
struct Reads;

impl Desk for Reads {
    type Command = Entry;
    type Outcome = ();

    fn subject(&self, _: &Entry) -> Uuid {
        // They concern no stream, so any order will do.
        Uuid::nil()
    }

    async fn execute(&self, tx: &mut Tx, entries: &[Entry], _: u32) -> Result<Vec<()>, Abort> {
        write(tx, entries).await?;
        Ok(vec![(); entries.len()])
    }
}

#[cfg(test)]
mod tests {
    use super::action_of;

    #[test]
    fn actions_are_named_after_events() {
        for (event, action) in [
            ("PatientCreated", "patient.created"),
            ("ClinicSettingsChanged", "clinic.settings_changed"),
            ("InviteVerificationFailed", "invite.verification_failed"),
        ] {
            assert_eq!(action_of(event), action);
        }
    }
}
