//! Carries out the rows of an import, a chunk a step; [`invite`] asks that those it made or met be invited.

mod invite;

use crate::desk::Decided;
use crate::domain::patient::{Ask, Place, decide};
use crate::domain::{Draft, Patch, Patient};
use crate::import::chunk::{self, Ended, Outcome, Writer};
use crate::import::decide::{Match, Rules, Verdict, verdict};
use crate::import::options::Decision;
use crate::import::register::{Register, Rehearsal};
use crate::import::row::{Reading, Reason, Row};
use crate::import::worker::{Stepped, Worker};
use crate::store::clinics::{self, Lock, Sharing};
use crate::store::imports::{self, AtWork, Counts, chunks, rehearsal};
use chrono::{DateTime, Utc};
use shared_events::patient::Origin;
use shared_events::{AccountId, Event};
use shared_runtime::Tx;
use shared_runtime::group::Abort;
use shared_runtime::keys::{DataKey, Found, KeysError};
use shared_runtime::log::{Meta, NewEvent};
use std::collections::{BTreeSet, HashMap};
use uuid::Uuid;

/// How many patients' keys are taken at once: a file that changes nothing takes none.
const KEYS: usize = 50;
/// Rows of a dry run's register that are removed in one transaction.
const CLEARED: i64 = 5_000;

/// The next step: a chunk, or, after the last one, the end.
pub(super) async fn step(worker: &Worker, tx: &mut Tx, import: &AtWork) -> Result<Stepped, Abort> {
    let now = worker.core.clock.now();
    let Some(chunk) = chunks::open(tx, import.id, 1).await?.pop() else {
        return finish(tx, import, now).await;
    };
    // A stored clinic id was parsed before it was stored.
    let account = AccountId::parse(&import.account_id).map_err(|_| Abort::Conflict)?;
    let key = worker.core.log.keys().find(&[import.key_id]).await?.remove(&import.key_id);
    let key = match key {
        Some(Found::Key(key)) => key,
        Some(Found::Erased) | None => return Err(KeysError::Missing(import.key_id).into()),
    };
    let words = match &import.words {
        Some(sealed) => Some(String::from_utf8_lossy(&key.open(b"words", sealed)?).into_owned()),
        None => None,
    };
    let batch = Batch { worker, import, account: &account, key, words, now };
    batch.carry_out(tx, chunk).await
}

async fn finish(tx: &mut Tx, import: &AtWork, now: DateTime<Utc>) -> Result<Stepped, Abort> {
    if import.dry_run && rehearsal::clear(tx, import.id, CLEARED).await? > 0 {
        imports::touch(tx, import.id, now).await?;
        return Ok(Stepped::Rows(0));
    }
    imports::finish(tx, import.id, now).await?;
    Ok(Stepped::Finished(import.id))
}

/// What all rows of a step have in common.
struct Batch<'a> {
    worker: &'a Worker,
    import: &'a AtWork,
    account: &'a AccountId,
    key: DataKey,
    words: Option<String>,
    now: DateTime<Utc>,
}

/// A row at hand: kept as it was sealed, in case it fails.
struct AtHand<'a> {
    row_no: i64,
    line: u64,
    block: &'a [u8],
    decision: Option<Decision>,
    read: Result<Draft, Vec<Reason>>,
}

/// A row of a chunk.
enum Slot<'a> {
    /// It had its end before, or has one without being looked up.
    Ended(Outcome, &'a [u8]),
    /// It is to be carried out.
    Open(AtHand<'a>),
}

/// What a chunk's rows did.
#[derive(Default)]
struct Done {
    decided: Vec<Decided>,
    /// Patients made, changed, and in a dry run also met, and by which row: what a dry run keeps.
    touched: HashMap<Uuid, i64>,
    created: Vec<Uuid>,
    matched: BTreeSet<Uuid>,
    keys: Vec<Uuid>,
}

impl Batch<'_> {
    async fn carry_out(&self, tx: &mut Tx, chunk: chunks::Chunk) -> Result<Stepped, Abort> {
        let slots = self.slots(&chunk)?;
        let drafts = slots.iter().filter_map(|slot| match slot {
            Slot::Open(row) => row.read.as_ref().ok(),
            Slot::Ended(..) => None,
        });
        let log = &self.worker.core.log;
        let mut register = Register::load(log, tx, self.account, drafts, self.rehearsal()).await?;
        let settings = clinics::locked(tx, self.account, Lock::AgainstChange).await?.settings;
        let rules = Rules { sharing: settings.allow_shared_email, on_match: self.import.options.on_match };
        let (mut done, mut counts) = (Done::default(), Counts::default());
        let mut shown = self.import.shown.0.clone();
        let (mut outcomes, mut kept) = (Vec::with_capacity(slots.len()), Writer::default());
        let rows = slots.len();
        for (slot, row_no) in slots.into_iter().zip(chunk.first_row..) {
            let (outcome, block, fresh) = match slot {
                // A failed row that can be opened no more was counted with those tried again.
                Slot::Ended(outcome, block) => {
                    let fresh = chunk.outcomes.is_none() || outcome.ended == Ended::Failed;
                    (outcome, block, fresh)
                }
                Slot::Open(row) => {
                    let block = row.block;
                    (self.decide(row, &mut register, rules, &mut done).await?, block, true)
                }
            };
            if outcome.ended == Ended::Failed {
                kept.put(block);
            } else {
                kept.add_nothing();
            }
            if fresh {
                counts.add(outcome.ended);
            }
            if fresh || chunk.outcomes.is_some() {
                shown.add(row_no, &outcome);
            }
            outcomes.push(outcome);
        }
        let invited = self.invite(tx, &mut register, &mut done).await?;
        self.write(tx, &register, &done, rules).await?;
        let failed = outcomes.iter().filter(|outcome| outcome.ended == Ended::Failed).count();
        let failed = i64::try_from(failed).unwrap_or(i64::MAX);
        chunks::close(tx, self.import.id, chunk.chunk_no, failed, &kept.into_bytes(), &outcomes).await?;
        imports::advance(tx, self.import.id, counts, invited, &shown, self.now).await?;
        Ok(Stepped::Rows(rows))
    }

    fn rehearsal(&self) -> Option<Rehearsal<'_>> {
        self.import.dry_run.then_some(Rehearsal {
            import: self.import.id,
            account: self.account,
            key: &self.key,
            at: self.now,
        })
    }

    /// Opens the rows that have no end yet, or failed and are tried once more.
    fn slots<'c>(&self, chunk: &'c chunks::Chunk) -> Result<Vec<Slot<'c>>, Abort> {
        let how = Reading {
            columns: &self.import.columns,
            dates: self.import.file.date_order,
            today: self.now.date_naive(),
        };
        let before = chunk.outcomes.as_ref().map(|outcomes| outcomes.0.as_slice()).unwrap_or_default();
        let mut slots = Vec::new();
        for (place, block) in chunk::blocks(&chunk.sealed).into_iter().enumerate() {
            let row_no = chunk.first_row + i64::try_from(place).unwrap_or(i64::MAX);
            let before = before.get(place);
            if let Some(ended) = before.filter(|outcome| outcome.ended != Ended::Failed) {
                slots.push(Slot::Ended(ended.clone(), block));
                continue;
            }
            slots.push(match chunk::open(&self.key, row_no, block)? {
                Some(row) if row.taken => Slot::Ended(Outcome::of(row.line, Ended::Unchanged), block),
                Some(row) => Slot::Open(at_hand(row, row_no, block, &how)),
                None => Slot::Ended(Outcome::erased(before.map_or(0, |outcome| outcome.line)), block),
            });
        }
        Ok(slots)
    }

    async fn decide(
        &self,
        row: AtHand<'_>,
        register: &mut Register,
        rules: Rules,
        done: &mut Done,
    ) -> Result<Outcome, Abort> {
        let draft = match row.read {
            Ok(draft) => draft,
            Err(reasons) => return Ok(Outcome { reasons, ..Outcome::of(row.line, Ended::Failed) }),
        };
        let holders = register.holders(self.account, &draft);
        let same_as = if self.import.dry_run { register.rows_of(&holders) } else { Vec::new() };
        let verdict = verdict(&draft, &holders, rules, row.decision);
        let outcome = |ended, found: Option<Match>| Outcome {
            patient: found.as_ref().map(|found| found.patient),
            matched: found,
            same_as,
            ..Outcome::of(row.line, ended)
        };
        let outcome = match verdict {
            Verdict::Create => {
                let patient = self.create(draft, register, row.row_no, done).await?;
                Outcome { patient: Some(patient), ..outcome(Ended::Created, None) }
            }
            Verdict::Update(found, patch) => {
                match self.change(found.patient, *patch, register, row.row_no, done) {
                    Ok(()) => outcome(Ended::Updated, Some(found)),
                    Err(reason) => Outcome { reasons: vec![reason], ..outcome(Ended::Failed, Some(found)) },
                }
            }
            Verdict::Unchanged(found) => {
                done.matched.insert(found.patient);
                outcome(Ended::Unchanged, Some(found))
            }
            Verdict::Skipped(found) => {
                // Who is to be left out is not invited, either.
                let left_out = row.decision == Some(Decision::Skip);
                let met = found.as_ref().filter(|_| !left_out);
                done.matched.extend(met.map(|found| found.patient));
                outcome(Ended::Skipped, found)
            }
            Verdict::Failed(reason, found) => {
                Outcome { reasons: vec![reason], ..outcome(Ended::Failed, found) }
            }
        };
        if let Some(found) = outcome.matched.as_ref().filter(|_| self.import.dry_run) {
            // So that a later row about the same patient names this one, whether it changes anything or not.
            register.met(found.patient, row.row_no);
            done.touched.insert(found.patient, row.row_no);
        }
        Ok(if self.import.dry_run { without_made_up(outcome, register) } else { outcome })
    }

    async fn create(
        &self,
        draft: Draft,
        register: &mut Register,
        row_no: i64,
        done: &mut Done,
    ) -> Result<Uuid, Abort> {
        let key = if self.import.dry_run {
            Some(self.key.id)
        } else {
            if done.keys.is_empty() {
                let keys = self.worker.core.log.keys().take(KEYS).await?;
                done.keys.extend(keys.into_iter().map(|key| key.id));
            }
            done.keys.pop()
        };
        let id = self.worker.core.clock.new_id();
        let ask =
            Ask::Create { draft: Box::new(draft), origin: Origin::Import, import_id: Some(self.import.id) };
        if let Ok(Some(event)) = decide(&Patient::Absent, &ask) {
            self.apply(id, Patient::Absent, event, key, (register, Some(row_no)), done);
            done.created.push(id);
        }
        Ok(id)
    }

    fn change(
        &self,
        id: Uuid,
        patch: Patch,
        register: &mut Register,
        row_no: i64,
        done: &mut Done,
    ) -> Result<(), Reason> {
        let Some(before) = register.patient(id).cloned() else { return Ok(()) };
        let ask = Ask::Change {
            patch: Box::new(patch),
            reissue_invites: self.import.options.reissue_invites,
            import_id: Some(self.import.id),
        };
        match decide(&before, &ask) {
            Ok(Some(event)) => {
                let key = before.known().map(|known| known.key);
                self.apply(id, before, event, key, (register, Some(row_no)), done);
            }
            Ok(None) => {}
            Err(_) => {
                return Err(Reason::of_row(
                    "patient_archived",
                    "the patient is archived: restore the record first",
                ));
            }
        }
        done.matched.insert(id);
        Ok(())
    }

    /// Notes what happened to a patient, in the register and among what is to be written.
    fn apply(
        &self,
        id: Uuid,
        before: Patient,
        event: Event,
        key: Option<Uuid>,
        (register, row_no): (&mut Register, Option<i64>),
        done: &mut Done,
    ) {
        let version = before.version() + 1;
        let place = Place { account: self.account.clone(), version, at: self.now, key };
        let after = before.clone().evolve(&place, &event);
        if let Some(row_no) = row_no {
            register.add(id, after.clone(), row_no);
            done.touched.insert(id, row_no);
        }
        if self.import.dry_run {
            return;
        }
        let id_of_event = match &event {
            // One import asks once for each patient, whoever carries it out.
            Event::InvitationRequested(_) => {
                Uuid::new_v5(&self.import.id, &[id.as_bytes().as_slice(), b"requested"].concat())
            }
            _ => self.worker.core.clock.new_id(),
        };
        let event = NewEvent {
            id: id_of_event,
            stream: id,
            version,
            account: self.account.clone(),
            key,
            occurred_at: self.now,
            meta: self.meta(),
            event,
        };
        done.decided.push(Decided { before, after, event });
    }

    fn meta(&self) -> Meta {
        Meta { actor: self.import.actor.clone(), correlation: Some(self.import.id), ..Meta::default() }
    }

    async fn write(&self, tx: &mut Tx, register: &Register, done: &Done, rules: Rules) -> Result<(), Abort> {
        let Some(rehearsal) = self.rehearsal() else {
            let sharing = Sharing::of(self.account, rules.sharing);
            return self.worker.patients.write(tx, &done.decided, &sharing).await;
        };
        let mut touched: Vec<(Uuid, Patient, i64)> = done
            .touched
            .iter()
            .filter_map(|(id, row_no)| Some((*id, register.patient(*id)?.clone(), *row_no)))
            .collect();
        touched.sort_by_key(|(_, _, row_no)| *row_no);
        rehearsal.keep(tx, &touched).await
    }
}

fn at_hand<'a>(row: Row, row_no: i64, block: &'a [u8], how: &Reading<'_>) -> AtHand<'a> {
    let (line, decision) = (row.line, row.decision);
    AtHand { row_no, line, block, decision, read: row.read(how) }
}

/// Patients that a dry run would make have no id that anybody could look up.
fn without_made_up(outcome: Outcome, register: &Register) -> Outcome {
    match outcome.patient {
        Some(id) if !register.is_on_record(id) => Outcome { patient: None, ..outcome },
        _ => outcome,
    }
}
