//! Asks that patients be invited, in the transaction in which they are put on record.

use super::{Batch, Done};
use crate::domain::Patient;
use crate::domain::patient::{Ask, decide};
use crate::import::register::Register;
use crate::store::imports::invitations;
use shared_events::patient::PatientStatus;
use shared_runtime::Tx;
use shared_runtime::group::Abort;
use std::collections::{BTreeSet, HashSet};
use uuid::Uuid;

impl Batch<'_> {
    /// Asks that patients be invited: those made, and, where it was said, those met who have no account and
    /// no open invite. How many.
    pub(super) async fn invite(
        &self,
        tx: &mut Tx,
        register: &mut Register,
        done: &mut Done,
    ) -> Result<i64, Abort> {
        let Some(how) = &self.import.options.invite else { return Ok(0) };
        let mut wanted = std::mem::take(&mut done.created);
        if how.matched && !done.matched.is_empty() {
            wanted.extend(self.met(tx, register, &done.matched, &wanted).await?);
        }
        if wanted.is_empty() {
            return Ok(0);
        }
        if !invitations::request(tx, self.import.id, &wanted).await? {
            return Err(Abort::Conflict);
        }
        let ask = Ask::Invite(Box::new(how.invitation(self.import.id, self.words.clone())));
        for id in &wanted {
            let Some(before) = register.patient(*id).cloned() else { continue };
            if let Ok(Some(event)) = decide(&before, &ask) {
                let key = before.known().map(|known| known.key);
                self.apply(*id, before, event, key, (register, None), done);
            }
        }
        Ok(i64::try_from(wanted.len()).unwrap_or(i64::MAX))
    }

    /// Patients the rows met who may be invited and were not asked for yet.
    async fn met(
        &self,
        tx: &mut Tx,
        register: &Register,
        matched: &BTreeSet<Uuid>,
        made: &[Uuid],
    ) -> Result<Vec<Uuid>, Abort> {
        let made: HashSet<&Uuid> = made.iter().collect();
        let pending = |id: &&Uuid| {
            let known = register.patient(**id).and_then(Patient::known);
            !made.contains(*id) && known.is_some_and(|known| known.status == PatientStatus::Pending)
        };
        let met: Vec<Uuid> = matched.iter().filter(pending).copied().collect();
        let requested = invitations::requested(tx.conn(), self.import.id, &met).await?;
        let open = invitations::with_open_invite(tx.conn(), &met, self.now).await?;
        Ok(met.into_iter().filter(|id| !requested.contains(id) && !open.contains(id)).collect())
    }
}
