//! Claims: what only one live patient of a clinic may have. Enforced by the table's primary key, in the
//! transaction of the event.

use super::clinics::Sharing;
use crate::desk::Decided;
use crate::domain::Refusal;
use crate::domain::fields::{Claim, ClaimKind};
use shared_runtime::db::{Conn, Rows, Tx};
use shared_runtime::group::Abort;
use shared_runtime::{execute, fetch_optional};
use std::collections::HashSet;
use uuid::Uuid;

struct Taking {
    claim: Claim,
    slot: Uuid,
    patient: Uuid,
}

/// Releases what patients no longer hold and takes what they now hold. [`Abort::Conflict`] where
/// something is held by another.
pub async fn exchange(tx: &mut Tx, decided: &[Decided], sharing: &Sharing) -> Result<(), Abort> {
    for one in decided.iter().filter(|one| !released(one).is_empty()) {
        for claim in released(one) {
            execute!(
                tx.conn(),
                "delete from claims where account_id = $1 and kind = $2 and value = $3 and patient_id = $4",
                claim.account.as_str(),
                claim.kind.as_str(),
                &claim.value,
                one.event.stream
            )?;
        }
    }
    let taking: Vec<Taking> = decided.iter().flat_map(|one| taken_by(one, sharing)).collect();
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
    for one in decided {
        for taking in taken_by(one, sharing) {
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

fn released(one: &Decided) -> Vec<Claim> {
    let kept: HashSet<Claim> = one.after.claims().into_iter().collect();
    one.before.claims().into_iter().filter(|claim| !kept.contains(claim)).collect()
}

fn taken_by(one: &Decided, sharing: &Sharing) -> Vec<Taking> {
    let held: HashSet<Claim> = one.before.claims().into_iter().collect();
    let fresh = one.after.claims().into_iter().filter(|claim| !held.contains(claim));
    fresh
        .map(|claim| {
            let shared = claim.kind == ClaimKind::Email && sharing.allowed(&claim.account);
            let slot = if shared { one.event.stream } else { Uuid::nil() };
            Taking { claim, slot, patient: one.event.stream }
        })
        .collect()
}
