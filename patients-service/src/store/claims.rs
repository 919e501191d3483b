//! Claims: what only one live patient of a clinic may have. Enforced by the table's primary key, in the
//! transaction of the event.

use super::clinics::Sharing;
use crate::desk::Decided;
use crate::domain::fields::{Claim, ClaimKind};
use crate::domain::{Patient, Refusal};
use shared_events::AccountId;
use shared_runtime::db::{Conn, Rows, Tx};
use shared_runtime::group::Abort;
use shared_runtime::{execute, fetch_by_texts, fetch_optional};
use std::collections::{HashMap, HashSet};
use uuid::Uuid;

struct Taking {
    claim: Claim,
    slot: Uuid,
    patient: Uuid,
}

/// Releases what patients no longer hold and takes what they now hold. [`Abort::Conflict`] where
/// something is held by another.
pub async fn exchange(tx: &mut Tx, decided: &[Decided], sharing: &Sharing) -> Result<(), Abort> {
    let moves = moves(decided);
    for one in &moves {
        if matches!(one.after, Patient::Erased { .. }) {
            // Whatever it holds: where only the key is gone, the stream no longer says what that is.
            execute!(tx.conn(), "delete from claims where patient_id = $1", one.patient)?;
            continue;
        }
        for claim in one.released() {
            execute!(
                tx.conn(),
                "delete from claims where account_id = $1 and kind = $2 and value = $3 and patient_id = $4",
                claim.account.as_str(),
                claim.kind.as_str(),
                &claim.value,
                one.patient
            )?;
        }
    }
    let mut taking: Vec<Taking> = moves.iter().flat_map(|one| one.taken(sharing)).collect();
    // In one order for all writers, so that no two wait for each other.
    taking.sort_by(|a, b| {
        (a.claim.kind.as_str(), &a.claim.value).cmp(&(b.claim.kind.as_str(), &b.claim.value))
    });
    let rows = Rows::of("claims")
        .from(&taking, "account_id", |t| t.claim.account.as_str().to_owned())
        .from(&taking, "kind", |t| t.claim.kind.as_str().to_owned())
        .from(&taking, "value", |t| t.claim.value.clone())
        .from(&taking, "slot", |t| t.slot)
        .from(&taking, "patient_id", |t| t.patient);
    let inserted = tx.insert(rows, "on conflict do nothing").await?;
    if inserted == taking.len() as u64 { Ok(()) } else { Err(Abort::Conflict) }
}

/// Says which claim another patient holds, if any.
pub async fn taken(tx: &mut Tx, decided: &[Decided], sharing: &Sharing) -> Result<Option<Refusal>, Abort> {
    for one in moves(decided) {
        for taking in one.taken(sharing) {
            if taking.slot != Uuid::nil() {
                continue;
            }
            if let Some(holder) = holder(tx.conn(), &taking.claim, taking.patient).await? {
                return Ok(Some(match taking.claim.kind {
                    ClaimKind::Email => Refusal::EmailTaken { holder },
                    ClaimKind::ExternalId => Refusal::ExternalIdTaken { holder },
                }));
            }
        }
    }
    Ok(None)
}

async fn holder(conn: Conn<'_>, claim: &Claim, but: Uuid) -> sqlx::Result<Option<Uuid>> {
    let found = fetch_optional!(
        conn,
        (Uuid,),
        "select patient_id from claims
          where account_id = $1 and kind = $2 and value = $3 and slot = $4 and patient_id <> $5",
        claim.account.as_str(),
        claim.kind.as_str(),
        &claim.value,
        Uuid::nil(),
        but
    )?;
    Ok(found.map(|(holder,)| holder))
}

/// What a group of commands does to one patient's claims. A group may hold several commands to one
/// patient: only where the first began and where the last ended counts, or an address held in between
/// would stay claimed.
struct Move<'a> {
    patient: Uuid,
    before: &'a Patient,
    after: &'a Patient,
}

fn moves(decided: &[Decided]) -> Vec<Move<'_>> {
    let mut moves: Vec<Move<'_>> = Vec::new();
    let mut places: HashMap<Uuid, usize> = HashMap::new();
    for one in decided {
        let place = *places.entry(one.event.stream).or_insert(moves.len());
        match moves.get_mut(place) {
            Some(begun) => begun.after = &one.after,
            None => moves.push(Move { patient: one.event.stream, before: &one.before, after: &one.after }),
        }
    }
    moves
}

impl Move<'_> {
    fn released(&self) -> Vec<Claim> {
        let kept: HashSet<Claim> = self.after.claims().into_iter().collect();
        self.before.claims().into_iter().filter(|claim| !kept.contains(claim)).collect()
    }

    fn taken(&self, sharing: &Sharing) -> Vec<Taking> {
        let held: HashSet<Claim> = self.before.claims().into_iter().collect();
        let fresh = self.after.claims().into_iter().filter(|claim| !held.contains(claim));
        fresh
            .map(|claim| {
                let shared = claim.kind == ClaimKind::Email && sharing.allowed(&claim.account);
                let slot = if shared { self.patient } else { Uuid::nil() };
                Taking { claim, slot, patient: self.patient }
            })
            .collect()
    }
}

/// Patients of the clinic who hold any of the values, all of one kind: the index begins with clinic and kind, and
/// without the kind every claim of the clinic would be read.
pub async fn holders(
    tx: &mut Tx,
    account: &AccountId,
    kind: ClaimKind,
    values: &[String],
) -> sqlx::Result<Vec<Uuid>> {
    let rows = fetch_by_texts!(
        tx.conn(),
        (Uuid,),
        values,
        "select patient_id from claims where account_id = $2 and kind = $3 and value",
        "order by patient_id",
        account.as_str(),
        kind.as_str()
    )?;
    Ok(rows.into_iter().map(|(patient,)| patient).collect())
}
