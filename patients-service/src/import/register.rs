//! Live patients by what they hold: those on record, those a dry run would have made, and those of the
//! batch at hand.

use super::decide::Holder;
use crate::desk::fold;
use crate::domain::erasure::Traces;
use crate::domain::fields::{Claim, ClaimKind, claims};
use crate::domain::patient::Place;
use crate::domain::{Draft, Patient};
use crate::store::imports::rehearsal::{self, Rehearsed};
use aws_lc_rs::digest::{SHA256, digest};
use chrono::{DateTime, Utc};
use shared_events::patient::{Origin, PatientCreated, PatientRecord};
use shared_events::{AccountId, Event};
use shared_runtime::Tx;
use shared_runtime::group::Abort;
use shared_runtime::keys::{DataKey, KeysError};
use shared_runtime::log::Log;
use std::collections::{HashMap, HashSet};
use uuid::Uuid;

/// Who holds what, as far as a batch's rows can meet it.
#[derive(Default)]
pub struct Register {
    patients: HashMap<Uuid, Patient>,
    by_claim: HashMap<(ClaimKind, String), Vec<Uuid>>,
    /// Patients who are on record, whatever a dry run would make of them.
    on_record: HashSet<Uuid>,
    /// The last row about a patient, in this batch or before it in a dry run.
    rows: HashMap<Uuid, i64>,
}

/// A dry run, over what is on record.
#[derive(Clone, Copy)]
pub struct Rehearsal<'a> {
    /// The import.
    pub import: Uuid,
    /// The clinic.
    pub account: &'a AccountId,
    /// The import's key.
    pub key: &'a DataKey,
    /// The present.
    pub at: DateTime<Utc>,
}

impl Register {
    /// Reads whoever holds what the drafts name.
    pub async fn load(
        log: &Log,
        tx: &mut Tx,
        account: &AccountId,
        drafts: impl Iterator<Item = &Draft>,
        rehearsal: Option<Rehearsal<'_>>,
    ) -> Result<Register, Abort> {
        let wanted: HashSet<Claim> = drafts
            .flat_map(|draft| claims(account, Some(&draft.email), draft.external_id.as_deref()))
            .collect();
        let mut ids = Vec::new();
        for kind in [ClaimKind::Email, ClaimKind::ExternalId] {
            let of_kind = wanted.iter().filter(|claim| claim.kind == kind);
            let values: Vec<String> = of_kind.map(|claim| claim.value.clone()).collect();
            ids.extend(crate::store::claims::holders(tx, account, kind, &values).await?);
        }
        ids.sort_unstable();
        ids.dedup();
        let streams = log.load(tx.conn(), &ids).await?;
        let mut register = Register::default();
        for (id, stream) in streams {
            register.put(id, fold(&stream));
            register.on_record.insert(id);
        }
        if let Some(rehearsal) = rehearsal {
            register.lay_over(tx, rehearsal, ids, &wanted).await?;
        }
        Ok(register)
    }

    /// Lays what a dry run has done so far over what is on record.
    async fn lay_over(
        &mut self,
        tx: &mut Tx,
        rehearsal: Rehearsal<'_>,
        mut ids: Vec<Uuid>,
        wanted: &HashSet<Claim>,
    ) -> Result<(), Abort> {
        let hashes: Vec<Vec<u8>> = wanted.iter().map(hash).collect();
        ids.extend(rehearsal::claimants(tx, rehearsal.import, &hashes).await?);
        for kept in rehearsal::find(tx, rehearsal.import, &ids).await? {
            self.rows.insert(kept.patient_id, kept.row_no);
            let patient = rehearsal.open(&kept)?;
            self.put(kept.patient_id, patient);
        }
        Ok(())
    }

    fn put(&mut self, id: Uuid, patient: Patient) {
        for Claim { kind, value, .. } in patient.claims() {
            let holders = self.by_claim.entry((kind, value)).or_default();
            if !holders.contains(&id) {
                holders.push(id);
            }
        }
        self.patients.insert(id, patient);
    }

    /// Puts a patient in as a row left it.
    pub fn add(&mut self, id: Uuid, patient: Patient, row_no: i64) {
        self.rows.insert(id, row_no);
        self.put(id, patient);
    }

    /// Whether a patient is on record, and not one that a dry run would make.
    pub fn is_on_record(&self, id: Uuid) -> bool {
        self.on_record.contains(&id)
    }

    /// Notes the row that was about a patient and left it as it is.
    pub fn met(&mut self, id: Uuid, row_no: i64) {
        self.rows.insert(id, row_no);
    }

    /// A patient as it stands.
    pub fn patient(&self, id: Uuid) -> Option<&Patient> {
        self.patients.get(&id)
    }

    /// Several hold one address where the clinic shares them.
    pub fn holders(&self, account: &AccountId, draft: &Draft) -> Vec<Holder<'_>> {
        let mut holders = Vec::new();
        for claim in claims(account, Some(&draft.email), draft.external_id.as_deref()) {
            for id in self.by_claim.get(&(claim.kind, claim.value.clone())).into_iter().flatten() {
                // A patient that was changed may have let go of it.
                let holds = self.patients.get(id).filter(|patient| patient.claims().contains(&claim));
                let known = holds.and_then(Patient::known);
                holders.extend(known.map(|known| Holder { kind: claim.kind, id: *id, known }));
            }
        }
        holders
    }

    /// The last rows before this one that were about whoever holds what it names.
    pub fn rows_of(&self, holders: &[Holder<'_>]) -> Vec<i64> {
        let mut rows: Vec<i64> =
            holders.iter().filter_map(|holder| self.rows.get(&holder.id).copied()).collect();
        rows.sort_unstable();
        rows.dedup();
        rows
    }
}

impl Rehearsal<'_> {
    /// Keeps patients as rows left them: who, as what, by which row.
    pub async fn keep(&self, tx: &mut Tx, patients: &[(Uuid, Patient, i64)]) -> Result<(), Abort> {
        let sealed = |(id, patient, row_no): &(Uuid, Patient, i64)| {
            let record = serde_json::to_vec(&patient.known()?.record()).ok()?;
            Some(Rehearsed { patient_id: *id, row_no: *row_no, sealed: self.key.seal(id.as_bytes(), record) })
        };
        let kept: Vec<Rehearsed> = patients.iter().filter_map(sealed).collect();
        rehearsal::put(tx, self.import, &kept).await?;
        let claimed = patients
            .iter()
            .flat_map(|(id, patient, _)| patient.claims().into_iter().map(|c| (hash(&c), *id)));
        rehearsal::claim(tx, self.import, &claimed.collect::<Vec<_>>()).await?;
        Ok(())
    }

    fn open(&self, kept: &Rehearsed) -> Result<Patient, KeysError> {
        let plain = self.key.open(kept.patient_id.as_bytes(), &kept.sealed)?;
        let record: PatientRecord =
            serde_json::from_slice(&plain).map_err(|_| KeysError::Unopened(self.key.id))?;
        let place = Place { account: self.account.clone(), version: 1, at: self.at, key: Some(self.key.id) };
        let event = PatientCreated { record, origin: Origin::Import, import_id: Some(self.import) };
        Ok(Patient::Absent.evolve(&place, &Event::PatientCreated(event)))
    }
}

/// What a dry run keeps of claims that a person may have made.
pub fn hashes(account: &AccountId, traces: &Traces) -> Vec<Vec<u8>> {
    let claim = |kind, value: &String| hash(&Claim { account: account.clone(), kind, value: value.clone() });
    let emails = traces.emails().map(|value| claim(ClaimKind::Email, value));
    emails.chain(traces.external_ids().map(|value| claim(ClaimKind::ExternalId, value))).collect()
}

/// A claim without what is claimed: a dry run's register says nothing to who reads the table.
fn hash(claim: &Claim) -> Vec<u8> {
    let text = format!("{}\0{}\0{}", claim.account, claim.kind.as_str(), claim.value);
    digest(&SHA256, text.as_bytes()).as_ref().to_vec()
}
