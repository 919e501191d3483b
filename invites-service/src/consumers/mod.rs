//! What patients-service and the mailer said, and what is done about it.
//!
//! Copies of clinics and patients are versioned registers; what happened to a patient makes open invites
//! void by a maximum; an import's invitation has an id of its own. So events may be repeated and may
//! arrive in any order.

mod heard;

use crate::desk::{Command, Counts, Invites};
use crate::domain::decide::{Ask, IssueAsk};
use crate::domain::patient::ERASED_VERSION;
use crate::domain::{Patient, Refusal, Reissue};
use crate::store::{self, patients::Told};
use crate::tokens::Tokens;
use heard::{Heard, Requested, Voids};
use shared_events::AccountId;
use shared_events::invite::RevokeReason;
use shared_runtime::Tx;
use shared_runtime::bus::topology;
use shared_runtime::consume::{HandleError, Handler, Incoming};
use shared_runtime::core::Core;
use shared_runtime::group::Abort;
use shared_runtime::log::Meta;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use uuid::Uuid;

/// Hears what others say.
#[derive(Clone)]
pub struct Hearer {
    /// Where what follows is carried out.
    pub desk: Invites,
    /// Names the key that new links are made with.
    pub tokens: Tokens,
}

/// A batch, sorted by what is done about it.
#[derive(Default)]
struct Batch {
    clinics: Vec<store::clinics::Told>,
    patients: Vec<Told>,
    voids: BTreeMap<Uuid, Voids>,
    /// Who asked, of each patient whose invites may be issued again.
    reissuers: BTreeMap<Uuid, Voids>,
    requests: Vec<Requested>,
    reissues: Vec<(Uuid, Reissue)>,
    deliveries: Vec<store::deliveries::Row>,
    mailed: Vec<store::links::Mailed>,
    /// The patient, the clinic, the erasure, the event that told it.
    erased: Vec<(Uuid, AccountId, Uuid, Uuid)>,
}

impl Handler for Hearer {
    fn name(&self) -> &'static str {
        "invites"
    }

    fn queue(&self) -> &'static str {
        topology::INVITES
    }

    fn wants(&self, event_type: &str) -> bool {
        heard::wanted(event_type)
    }

    async fn handle(&self, tx: &mut Tx, events: &[Incoming]) -> Result<(), HandleError> {
        let mut batch = sort(events)?;
        let known = self.lock(tx, &batch).await?;
        batch.only_new_reissues(tx).await?;
        let new_keys = self.keys_for_new(&batch, &known).await?;
        store::clinics::put(tx, &batch.clinics).await?;
        store::patients::put(tx, &batch.patients, &new_keys).await?;
        store::links::put(tx, &batch.mailed).await?;
        store::deliveries::put(tx, &batch.deliveries).await?;
        store::reissues::put(tx, &batch.reissues).await?;
        self.react(tx, &batch, &known).await?;
        self.begin_erasures(tx, &batch).await
    }

    fn committed(&self) {
        self.desk.log.nudge();
    }
}

fn sort(events: &[Incoming]) -> Result<Batch, HandleError> {
    let mut batch = Batch::default();
    for incoming in events {
        match heard::hear(incoming)? {
            Heard::Clinic(told) => batch.clinics.push(told),
            Heard::Patient(told, voids) => {
                batch.patients.push(told);
                batch.note(voids);
            }
            Heard::Erased(told, voids, erasure) => {
                batch.erased.push((told.id, told.account.clone(), erasure, voids.cause));
                batch.patients.push(told);
                batch.note(voids);
            }
            Heard::Requested(requested, voids) => {
                batch.requests.push(requested);
                batch.note(voids);
            }
            Heard::Readdressed(told, voids, reissue) => {
                batch.reissues.push((told.id, reissue));
                batch.reissuers.insert(told.id, voids.clone());
                batch.patients.push(told);
                batch.note(voids);
            }
            Heard::Delivery(row, mailed) => {
                batch.deliveries.push(row);
                batch.mailed.extend(mailed);
            }
            Heard::Nothing => {}
        }
    }
    Ok(batch)
}

impl Batch {
    /// Keeps the furthest of what makes a patient's invites void, and of two alike the one that knows
    /// why.
    fn note(&mut self, voids: Voids) {
        if voids.before > 0 {
            let kept = self.voids.entry(voids.patient).or_insert_with(|| voids.clone());
            if (kept.before, kept.certain) < (voids.before, voids.certain) {
                *kept = voids;
            }
        }
    }

    /// Drops what asks for re-issues and was heard before: by now staff may have taken back what came of it.
    async fn only_new_reissues(&mut self, tx: &mut Tx) -> Result<(), HandleError> {
        let patients: Vec<Uuid> = self.reissuers.keys().copied().collect();
        if patients.is_empty() {
            return Ok(());
        }
        let before = store::reissues::of(tx.conn(), &patients).await?;
        self.reissues.retain(|(patient, new)| {
            before.get(patient).is_none_or(|heard| heard.iter().all(|old| old.version != new.version))
        });
        self.reissuers.retain(|patient, _| self.reissues.iter().any(|(new, _)| new == patient));
        Ok(())
    }

    /// Patients of the batch, in the order in which their rows are locked.
    fn concerned(&self) -> Vec<Uuid> {
        let told = self.patients.iter().map(|told| told.id);
        let requested = self.requests.iter().map(|requested| requested.patient);
        let all: BTreeSet<Uuid> = told.chain(requested).chain(self.voids.keys().copied()).collect();
        all.into_iter().collect()
    }

    /// The newest version of a patient that is told in this batch; 0 where none is.
    fn told_version(&self, patient: Uuid) -> i64 {
        let of_patient = self.patients.iter().filter(|told| told.id == patient);
        of_patient.map(|told| told.version).max().unwrap_or(0)
    }
}

impl Hearer {
    async fn begin_erasures(&self, tx: &mut Tx, batch: &Batch) -> Result<(), HandleError> {
        for (patient, account, id, cause) in &batch.erased {
            let heard = store::erasures::Heard {
                id: *id,
                account: account.clone(),
                patient: *patient,
                cause: *cause,
                at: self.desk.clock.now(),
            };
            store::erasures::begin(tx, &heard).await?;
        }
        Ok(())
    }

    /// As if the erasure of a patient were heard of: for one that a restored database brought back.
    ///
    /// # Errors
    /// The database is away, or the invites cannot be revoked.
    pub async fn forget(
        &self,
        core: &Core,
        patient: Uuid,
        account: &AccountId,
        erasure: Uuid,
    ) -> Result<(), Abort> {
        let told = Told::tombstone(patient, account.clone());
        let voids = Voids {
            patient,
            account: account.clone(),
            before: ERASED_VERSION,
            reason: RevokeReason::Erased,
            certain: true,
            cause: self.desk.clock.new_id(),
            meta: Meta { actor: "system".to_owned(), ..Meta::default() },
        };
        let mut batch = Batch::default();
        batch.erased.push((patient, account.clone(), erasure, voids.cause));
        batch.patients.push(told);
        batch.note(voids);
        let mut tx = core.db.begin().await?;
        let known = store::patients::lock(&mut tx, &[patient]).await?;
        store::patients::put(&mut tx, &batch.patients, &HashMap::new()).await?;
        let reacted = match self.react(&mut tx, &batch, &known).await {
            Ok(()) => self.begin_erasures(&mut tx, &batch).await,
            failed => failed,
        };
        reacted.map_err(|_| Abort::Conflict)?;
        Ok(tx.commit().await?)
    }

    /// Before anything is written: the desk locks patients in the order of their ids, and so must we.
    async fn lock(&self, tx: &mut Tx, batch: &Batch) -> Result<HashMap<Uuid, Patient>, HandleError> {
        let concerned = batch.concerned();
        if concerned.is_empty() {
            return Ok(HashMap::new());
        }
        Ok(store::patients::lock(tx, &concerned).await?)
    }

    /// A key for each patient first heard of.
    async fn keys_for_new(
        &self,
        batch: &Batch,
        known: &HashMap<Uuid, Patient>,
    ) -> Result<HashMap<Uuid, Uuid>, HandleError> {
        let told = batch.patients.iter().map(|told| told.id);
        let new: BTreeSet<Uuid> = told.filter(|id| !known.contains_key(id)).collect();
        if new.is_empty() {
            return Ok(HashMap::new());
        }
        let keys = self.desk.log.keys().take(new.len()).await?;
        Ok(new.into_iter().zip(keys.into_iter().map(|key| key.id)).collect())
    }

    /// Void invites first, then what staff want issued again, then what imports ask for: all from the newest state.
    async fn react(
        &self,
        tx: &mut Tx,
        batch: &Batch,
        known: &HashMap<Uuid, Patient>,
    ) -> Result<(), HandleError> {
        let mut commands: Vec<Command> = batch.voids.values().map(|voids| self.void(voids)).collect();
        commands.extend(batch.reissuers.values().map(|asker| self.reissue(asker)));
        for requested in &batch.requests {
            let version = known.get(&requested.patient).map_or(0, |patient| patient.version);
            let version = version.max(batch.told_version(requested.patient));
            if version == 0 || version < requested.void_before {
                // Made from so old a copy, the invite would be void as soon as the news arrives.
                return Err(HandleError::Early("the patient's record has not arrived yet".to_owned()));
            }
            commands.push(self.issue(requested));
        }
        if commands.is_empty() {
            return Ok(());
        }
        for outcome in self.desk.carry_out(tx, &commands, false).await? {
            match outcome {
                // Void invites of a patient nobody here heard of: there are none.
                Ok(_) | Err(Refusal::PatientUnknown) => {}
                Err(refusal) => return Err(HandleError::Dead(refusal.code().to_owned())),
            }
        }
        Ok(())
    }

    fn void(&self, voids: &Voids) -> Command {
        let ask = Ask::Void { before: voids.before, reason: voids.reason };
        self.command(voids.patient, &voids.account, ask, voids.cause, voids.meta.clone())
    }

    fn reissue(&self, asker: &Voids) -> Command {
        let ask = Ask::Reissue { token_key_id: self.tokens.current_id() };
        self.command(asker.patient, &asker.account, ask, asker.cause, asker.meta.clone())
    }

    fn issue(&self, requested: &Requested) -> Command {
        let ask = IssueAsk {
            invite: Uuid::new_v5(&requested.import_id, requested.patient.as_bytes()),
            provider_id: requested.provider_id.clone(),
            send_email: requested.send_email,
            message: requested.message.clone(),
            expiry_days: requested.expiry_days,
            import_id: Some(requested.import_id),
            token_key_id: self.tokens.current_id(),
        };
        let ask = Ask::Issue(Box::new(ask));
        self.command(requested.patient, &requested.account, ask, requested.cause, requested.meta.clone())
    }

    fn command(&self, patient: Uuid, account: &AccountId, ask: Ask, cause: Uuid, meta: Meta) -> Command {
        Command {
            account: account.clone(),
            patient,
            cause: Some(cause),
            meta,
            at: self.desk.clock.now(),
            // An import's invitations go by its own pace; what follows from an event is outside all limits.
            counts: if matches!(ask, Ask::Issue(_)) { Counts::AsJob } else { Counts::Nothing },
            ask,
            repeatable: None,
        }
    }
}
