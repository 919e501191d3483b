//! Undoing an import: what it had made and nobody has touched since is archived, the rest is listed.

use super::worker::{Stepped, Worker};
use crate::desk::{Decided, fold};
use crate::domain::Patient;
use crate::domain::patient::{Ask, Place, decide};
use crate::store::clinics;
use crate::store::imports::ends::{self, Left};
use crate::store::imports::{AtWork, invitations};
use chrono::{DateTime, Utc};
use shared_events::patient::{ArchiveReason, ImportUndone, PatientStatus};
use shared_events::{AccountId, Event};
use shared_runtime::Tx;
use shared_runtime::group::Abort;
use shared_runtime::log::{Meta, NewEvent, Stream};
use std::collections::HashSet;
use uuid::Uuid;

/// Patients of one step.
const BATCH: i64 = 500;

/// The next step: some of the patients the import had made, or, after the last of them, the end.
pub(super) async fn step(worker: &Worker, tx: &mut Tx, import: &AtWork) -> Result<Stepped, Abort> {
    let now = worker.core.clock.now();
    let made = ends::made(tx, &import.account_id, import.id, import.undo_after, BATCH).await?;
    let Some(last) = made.last().copied() else { return finish(worker, tx, import, now).await };
    let invited = invitations::ever_invited(tx.conn(), &made).await?;
    let mut streams = worker.core.log.load(tx.conn(), &made).await?;
    let (mut decided, mut left) = (Vec::new(), Vec::<Left>::new());
    for id in &made {
        let stream = streams.remove(id).unwrap_or_default();
        let patient = fold(&stream);
        match kept_because(*id, &patient, &invited, touched(import.id, &stream)) {
            Some(reason) => left.push((*id, reason)),
            None => decided.extend(archive(worker, import, *id, patient, now)),
        }
    }
    let sharing = clinics::sharing(tx, &decided).await?;
    worker.patients.write(tx, &decided, &sharing).await?;
    let archived = i64::try_from(decided.len()).unwrap_or(i64::MAX);
    ends::undid(tx, import.id, last, archived, &left, now).await?;
    Ok(Stepped::Rows(made.len()))
}

/// Why a patient is left alone.
fn kept_because(id: Uuid, patient: &Patient, invited: &HashSet<Uuid>, touched: bool) -> Option<&'static str> {
    match patient {
        Patient::Absent | Patient::Erased { .. } => Some("erased"),
        Patient::Known(known) if known.user_id.is_some() => Some("registered"),
        Patient::Known(known) => match known.status {
            PatientStatus::Active => Some("registered"),
            PatientStatus::Inactive => Some("archived"),
            PatientStatus::Erased => Some("erased"),
            PatientStatus::Pending if invited.contains(&id) => Some("invited"),
            PatientStatus::Pending => touched.then_some("updated"),
        },
    }
}

/// Whether anybody else than the import did anything to the record.
fn touched(import: Uuid, stream: &Stream) -> bool {
    stream.iter().any(|recorded| {
        let by = match &recorded.event {
            Event::PatientCreated(e) => e.import_id,
            Event::PatientUpdated(e) => e.import_id,
            Event::InvitationRequested(e) => Some(e.import_id),
            _ => None,
        };
        by != Some(import)
    })
}

fn archive(
    worker: &Worker,
    import: &AtWork,
    id: Uuid,
    before: Patient,
    now: DateTime<Utc>,
) -> Option<Decided> {
    let event = decide(&before, &Ask::Archive { reason: ArchiveReason::ImportUndone }).ok().flatten()?;
    let known = before.known()?;
    let (account, key, version) = (known.account.clone(), Some(known.key), known.version + 1);
    let place = Place { account: account.clone(), version, at: now, key };
    let after = before.clone().evolve(&place, &event);
    let id_of_event = worker.core.clock.new_id();
    let meta = meta(import);
    let event =
        NewEvent { id: id_of_event, stream: id, version, account, key, occurred_at: now, meta, event };
    Some(Decided { before, after, event })
}

fn meta(import: &AtWork) -> Meta {
    let actor = import.undo_actor.clone().unwrap_or_else(|| import.actor.clone());
    Meta { actor, correlation: Some(import.id), ..Meta::default() }
}

async fn finish(worker: &Worker, tx: &mut Tx, import: &AtWork, now: DateTime<Utc>) -> Result<Stepped, Abort> {
    let account = AccountId::parse(&import.account_id).map_err(|_| Abort::Conflict)?;
    let undone = ImportUndone { archived: import.undo_archived, kept: import.undo_kept };
    let event = NewEvent {
        id: Uuid::new_v5(&import.id, b"ImportUndone"),
        stream: import.id,
        version: 1,
        account,
        key: None,
        occurred_at: now,
        meta: meta(import),
        event: Event::ImportUndone(undone),
    };
    worker.core.log.append(tx, &[event]).await?;
    ends::undone(tx, import.id, now).await?;
    Ok(Stepped::Finished(import.id))
}
