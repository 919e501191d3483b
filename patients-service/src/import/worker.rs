//! Carries imports out, a batch a transaction, until none waits.

use super::decide::{Holder, Verdict, unreadable, verdict};
use super::reader::RawRow;
use crate::desk::{Decided, Patients, fold};
use crate::domain::fields::{Claim, ClaimKind, claims};
use crate::domain::patient::{Ask, Patient, Place, decide};
use crate::domain::{Draft, RawDraft};
use crate::store::clinics::{self, Lock};
use crate::store::imports::{self, Open, Outcome, Waiting};
use shared_events::AccountId;
use shared_events::patient::Origin;
use shared_runtime::Tx;
use shared_runtime::core::Core;
use shared_runtime::group::Abort;
use shared_runtime::keys::{Found, KeysError};
use shared_runtime::log::{LogError, Meta, NewEvent};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Rows of one transaction: large enough to share its flush, small enough that clinics' own commands
/// need not wait long for theirs.
const BATCH: i64 = 500;
/// How many patients' keys are taken at once.
const KEYS: usize = 50;
/// How often a worker looks for imports that another copy of the service took in.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How often in a row a batch is decided again before the worker pauses and says so.
const CONFLICTS: u32 = 5;

/// Carries imports out.
#[derive(Clone)]
pub struct Worker {
    /// Database, log, clock.
    pub core: Core,
    /// Decides and writes.
    pub patients: Patients,
    /// Told of new imports.
    pub waits: Arc<Notify>,
}

/// What one step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stepped {
    /// No import waits.
    Idle,
    /// So many rows came to their outcomes.
    Rows(usize),
    /// An import was finished.
    Finished(Uuid),
}

impl Worker {
    /// Works until `stop`.
    pub async fn run(&self, stop: &CancellationToken) -> Result<(), String> {
        let mut conflicts = 0;
        while !stop.is_cancelled() {
            let stepped = match self.step().await {
                // Somebody put one of the batch's patients on record meanwhile: decide again.
                Err(Abort::Conflict | Abort::Log(LogError::Conflict)) if conflicts < CONFLICTS => {
                    conflicts += 1;
                    continue;
                }
                // Tried again it would fail again, and keep every other import waiting behind it.
                Err(abort) if abort.is_fault() => {
                    tracing::error!(reason = %abort, "an import cannot go on");
                    self.give_up().await.map_err(|abort| abort.to_string())?;
                    continue;
                }
                stepped => stepped.map_err(|abort| abort.to_string())?,
            };
            conflicts = 0;
            if stepped == Stepped::Idle {
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = self.waits.notified() => {}
                    () = tokio::time::sleep(LOOK_EVERY) => {}
                }
            }
        }
        Ok(())
    }

    /// Ends the import that has waited longest: what was carried out stays, the rest is not.
    async fn give_up(&self) -> Result<(), Abort> {
        let mut tx = self.core.db.begin().await?;
        if let Some(import) = imports::take(&mut tx).await? {
            let words =
                "a fault of ours: the log of the service says which; rows without an outcome were not taken";
            imports::fail(&mut tx, import.id, words, self.core.clock.now()).await?;
        }
        Ok(tx.commit().await?)
    }

    /// One batch of the import that has waited longest.
    pub async fn step(&self) -> Result<Stepped, Abort> {
        let mut tx = self.core.db.begin().await?;
        let stepped = match self.batch(&mut tx).await {
            Ok(stepped) => stepped,
            Err(abort) => {
                // Now, not when the connection comes back to the pool: until then the import's row is locked,
                // and this worker's next step would find that none waits.
                let _ = tx.rollback().await;
                return Err(abort);
            }
        };
        tx.commit().await?;
        self.core.log.nudge();
        Ok(stepped)
    }

    async fn batch(&self, tx: &mut Tx) -> Result<Stepped, Abort> {
        let Some(import) = imports::take(tx).await? else { return Ok(Stepped::Idle) };
        let open = imports::open_rows(tx, import.id, BATCH).await?;
        if open.is_empty() {
            imports::finish(tx, import.id, self.core.clock.now()).await?;
            return Ok(Stepped::Finished(import.id));
        }
        let rows = open.len();
        self.carry_out(tx, &import, open).await?;
        Ok(Stepped::Rows(rows))
    }

    async fn carry_out(&self, tx: &mut Tx, import: &Waiting, open: Vec<Open>) -> Result<(), Abort> {
        // A stored clinic id was parsed before it was stored.
        let account = AccountId::parse(&import.account_id).map_err(|_| Abort::Conflict)?;
        let drafts = self.read(open).await?;
        let mut register = self.register(tx, &account, &drafts).await?;
        let sharing = clinics::locked(tx, &account, Lock::AgainstChange).await?.settings.allow_shared_email;
        let mut keys = Vec::new();
        let mut decided = Vec::new();
        let mut outcomes = Vec::with_capacity(drafts.len());
        for (row_no, draft) in drafts {
            let verdict = match &draft {
                Ok(draft) => verdict(draft, &register.holders(&account, draft), sharing),
                Err(failed) => failed.clone(),
            };
            let patient = match (&verdict, draft) {
                (Verdict::Create, Ok(draft)) => {
                    if keys.is_empty() {
                        // A few at a time: a file that changes nothing takes none.
                        keys = self.core.log.keys().take(KEYS).await?;
                    }
                    let one = self.create(import, &account, draft, keys.pop().map(|key| key.id));
                    let id = one.event.stream;
                    register.add(id, &one.after);
                    decided.push(one);
                    Some(id)
                }
                (Verdict::Unchanged(id) | Verdict::Skipped(id), _) => Some(*id),
                _ => None,
            };
            outcomes.push(outcome(row_no, verdict, patient));
        }
        let sharing = clinics::sharing(tx, &decided).await?;
        self.patients.write(tx, &decided, &sharing).await?;
        imports::close_rows(tx, import.id, &outcomes).await?;
        Ok(())
    }

    /// Opens rows and reads their fields.
    async fn read(&self, open: Vec<Open>) -> Result<Vec<(i64, Result<Draft, Verdict>)>, Abort> {
        let ids: Vec<Uuid> = open.iter().map(|row| row.key_id).collect();
        let keys = self.core.log.keys().find(&ids).await?;
        let today = self.core.clock.now().date_naive();
        open.into_iter()
            .map(|row| {
                let Some(Found::Key(key)) = keys.get(&row.key_id) else {
                    return Ok((row.row_no, Err(Verdict::Failed("erased".to_owned()))));
                };
                let plain = key.open(&row_aad(row.row_no), &row.sealed)?;
                let raw: RawRow =
                    serde_json::from_slice(&plain).map_err(|_| KeysError::WrongWrappingKey(key.id))?;
                Ok((row.row_no, RawDraft::from(raw).read(today).map_err(|errors| unreadable(&errors))))
            })
            .collect()
    }

    /// Who already holds what these rows name.
    async fn register(
        &self,
        tx: &mut Tx,
        account: &AccountId,
        drafts: &[(i64, Result<Draft, Verdict>)],
    ) -> Result<Register, Abort> {
        let values: Vec<String> = drafts
            .iter()
            .filter_map(|(_, draft)| draft.as_ref().ok())
            .flat_map(|draft| claims(account, Some(&draft.email), draft.external_id.as_deref()))
            .map(|claim| claim.value)
            .collect();
        let held = imports::holders(tx, account, &values).await?;
        let mut ids: Vec<Uuid> = held.iter().map(|(_, _, id)| *id).collect();
        ids.sort_unstable();
        ids.dedup();
        let streams = self.core.log.load(tx.conn(), &ids).await?;
        let mut register = Register::default();
        for (id, stream) in streams {
            register.add(id, &fold(&stream));
        }
        Ok(register)
    }

    fn create(&self, import: &Waiting, account: &AccountId, draft: Draft, key: Option<Uuid>) -> Decided {
        let now = self.core.clock.now();
        let ask = Ask::Create { draft: Box::new(draft), origin: Origin::Import, import_id: Some(import.id) };
        let place = Place { account: account.clone(), version: 1, at: now, key };
        #[expect(clippy::expect_used, reason = "a patient that does not exist yet can always be created")]
        let event = decide(&Patient::Absent, &ask).ok().flatten().expect("created");
        let after = Patient::Absent.evolve(&place, &event);
        let event = NewEvent {
            id: self.core.clock.new_id(),
            stream: self.core.clock.new_id(),
            version: 1,
            account: account.clone(),
            key,
            occurred_at: now,
            meta: Meta { actor: import.actor.clone(), correlation: Some(import.id), ..Meta::default() },
            event,
        };
        Decided { before: Patient::Absent, after, event }
    }
}

fn outcome(row_no: i64, verdict: Verdict, patient: Option<Uuid>) -> Outcome {
    let (outcome, reason) = match verdict {
        Verdict::Create => ("created", None),
        Verdict::Unchanged(_) => ("unchanged", None),
        Verdict::Skipped(_) => ("skipped", None),
        Verdict::Failed(reason) => ("failed", Some(reason)),
    };
    Outcome { row_no, outcome, patient, reason }
}

/// A row opens only in its own place.
pub fn row_aad(row_no: i64) -> [u8; 8] {
    row_no.to_be_bytes()
}

/// Live patients by what they hold: those on record and those this batch has made.
#[derive(Default)]
struct Register {
    patients: HashMap<Uuid, Patient>,
    by_claim: HashMap<(ClaimKind, String), Vec<Uuid>>,
}

impl Register {
    fn add(&mut self, id: Uuid, patient: &Patient) {
        for Claim { kind, value, .. } in patient.claims() {
            self.by_claim.entry((kind, value)).or_default().push(id);
        }
        self.patients.insert(id, patient.clone());
    }

    /// Several hold one address where the clinic shares them.
    fn holders(&self, account: &AccountId, draft: &Draft) -> Vec<Holder<'_>> {
        let mut holders = Vec::new();
        for Claim { kind, value, .. } in claims(account, Some(&draft.email), draft.external_id.as_deref()) {
            for id in self.by_claim.get(&(kind, value)).into_iter().flatten() {
                let known = self.patients.get(id).and_then(Patient::known);
                holders.extend(known.map(|known| Holder { kind, id: *id, known }));
            }
        }
        holders
    }
}
