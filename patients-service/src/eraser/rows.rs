//! Rows of imports that are about an erased person. They name no patient before they are carried out, nor where they
//! failed, so they are opened and compared with what the record ever said.

use crate::domain::erasure::Traces;
use crate::import::chunk::{self, Ended, Outcome, Writer};
use crate::import::register;
use crate::import::row::Row;
use crate::store::erasures::AtWork;
use crate::store::imports::chunks::Chunk;
use crate::store::imports::persons::{self, Kept};
use shared_events::AccountId;
use shared_events::patient::PatientRecord;
use shared_runtime::Tx;
use shared_runtime::core::Core;
use shared_runtime::group::Abort;
use shared_runtime::keys::{DataKey, Found};
use uuid::Uuid;

/// Chunks, or patients of a dry run, that are gone through in one transaction.
const TOGETHER: i64 = 8;
const REHEARSED: i64 = 500;

/// Who is looked for.
struct Person<'a> {
    patient: Uuid,
    /// None where nobody can say any more how to recognise them: then every row counts as theirs.
    traces: Option<&'a Traces>,
}

/// Takes the rows of a person out of every import of the clinic. `false` where an upload that had begun before the
/// erasure is still on its way: nobody knows yet what it holds.
pub(super) async fn purge(core: &Core, erasure: &AtWork) -> Result<bool, Abort> {
    let Some(key_id) = erasure.traces_key else { return Ok(true) };
    let mut reader = core.db.read().await?;
    if persons::receiving(reader.conn(), &erasure.account_id, erasure.requested_at).await? {
        return Ok(false);
    }
    let imports = persons::imports(reader.conn(), &erasure.account_id).await?;
    drop(reader);
    let traces = traces(core, erasure, key_id).await?;
    let person = Person { patient: erasure.patient_id, traces: traces.as_ref() };
    for import in imports {
        let Some(Found::Key(key)) = core.log.keys().find(&[import.key_id]).await?.remove(&import.key_id)
        else {
            continue; // its key is gone, and with it whatever its rows said
        };
        chunks(core, &import, &key, &person).await?;
        if import.dry_run {
            rehearsal(core, erasure, &import, &key, &person).await?;
        }
    }
    Ok(true)
}

async fn traces(core: &Core, erasure: &AtWork, key: Uuid) -> Result<Option<Traces>, Abort> {
    let found = core.log.keys().find(&[key]).await?.remove(&key);
    let (Some(Found::Key(key)), Some(sealed)) = (found, &erasure.traces) else { return Ok(None) };
    Ok(serde_json::from_slice(&key.open(erasure.id.as_bytes(), sealed)?).ok())
}

async fn chunks(core: &Core, import: &Kept, key: &DataKey, person: &Person<'_>) -> Result<(), Abort> {
    let mut after = -1;
    loop {
        let mut tx = core.db.begin().await?;
        // Whoever carries out its rows writes back what was read before: not at the same time.
        persons::lock(&mut tx, import.id).await?;
        let some = persons::chunks(&mut tx, import.id, after, TOGETHER).await?;
        let Some(last) = some.last().map(|chunk| chunk.chunk_no) else { return Ok(()) };
        for chunk in some {
            one_chunk(&mut tx, import, chunk, key, person).await?;
        }
        tx.commit().await?;
        after = last;
    }
}

async fn one_chunk(
    tx: &mut Tx,
    import: &Kept,
    chunk: Chunk,
    key: &DataKey,
    person: &Person<'_>,
) -> Result<(), Abort> {
    let mut outcomes = chunk.outcomes.map(|outcomes| outcomes.0);
    let (mut kept, mut taken_out) = (Writer::default(), false);
    for ((place, block), row_no) in
        chunk::blocks(&chunk.sealed).into_iter().enumerate().zip(chunk.first_row..)
    {
        let outcome = outcomes.as_mut().and_then(|outcomes| outcomes.get_mut(place));
        match chunk::open(key, row_no, block)? {
            Some(row) if person.is_in(&row, outcome.as_deref()) => {
                kept.add_nothing();
                taken_out = true;
                if let Some(outcome) = outcome.filter(|outcome| outcome.ended == Ended::Failed) {
                    *outcome = Outcome::erased(outcome.line);
                }
            }
            _ => kept.put(block),
        }
    }
    if taken_out {
        persons::keep(tx, import.id, chunk.chunk_no, &kept.into_bytes(), outcomes.as_deref()).await?;
    }
    Ok(())
}

impl Person<'_> {
    fn is_in(&self, row: &Row, outcome: Option<&Outcome>) -> bool {
        let named = outcome.is_some_and(|outcome| {
            outcome.patient == Some(self.patient)
                || outcome.matched.as_ref().is_some_and(|found| found.patient == self.patient)
        });
        let cells = || row.values.iter().map(String::as_str);
        named || self.traces.is_none_or(|traces| traces.meet(cells(), row.broken.is_some()))
    }

    fn is_of(&self, patient: Uuid, record: &PatientRecord) -> bool {
        let Some(details) = record.personal.known() else { return true };
        let cells = [
            Some(details.email.as_str()),
            Some(&details.first_name),
            Some(&details.last_name),
            details.phone.as_deref(),
            details.external_id.as_deref(),
        ];
        patient == self.patient
            || self.traces.is_none_or(|traces| traces.meet(cells.into_iter().flatten(), false))
    }
}

/// Takes a person out of a dry run's register.
async fn rehearsal(
    core: &Core,
    erasure: &AtWork,
    import: &Kept,
    key: &DataKey,
    person: &Person<'_>,
) -> Result<(), Abort> {
    let mut after = Uuid::nil();
    loop {
        let mut tx = core.db.begin().await?;
        persons::lock(&mut tx, import.id).await?;
        let some = persons::rehearsed(&mut tx, import.id, after, REHEARSED).await?;
        let Some((last, _)) = some.last() else { break };
        after = *last;
        for (patient, sealed) in &some {
            let record = serde_json::from_slice(&key.open(patient.as_bytes(), sealed)?);
            if record.is_ok_and(|record| person.is_of(*patient, &record)) {
                persons::forget_rehearsed(&mut tx, import.id, *patient).await?;
            }
        }
        tx.commit().await?;
    }
    // A stored clinic id was parsed before it was stored.
    let account = AccountId::parse(&erasure.account_id).map_err(|_| Abort::Conflict)?;
    let mut tx = core.db.begin().await?;
    if let Some(traces) = person.traces {
        persons::forget_claims(&mut tx, import.id, &register::hashes(&account, traces)).await?;
    }
    Ok(tx.commit().await?)
}
