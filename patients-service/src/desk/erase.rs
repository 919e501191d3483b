//! What an erasure leaves to be done, noted in the transaction of `PatientErased`.

use super::{Decided, Patients};
use crate::domain::erasure::Traces;
use crate::store::{erasures, patients};
use shared_events::Event;
use shared_events::erasure::ErasureRequested;
use shared_events::patient::PatientDetails;
use shared_runtime::Tx;
use shared_runtime::group::Abort;
use shared_runtime::log::{NewEvent, Recorded};
use uuid::Uuid;

impl Patients {
    /// Notes the erasures among what was decided; the events that say they were asked for.
    pub(super) async fn begin_erasures(
        &self,
        tx: &mut Tx,
        decided: &[Decided],
    ) -> Result<Vec<NewEvent>, Abort> {
        let mut requested = Vec::new();
        for one in decided {
            let Event::PatientErased(erased) = &one.event.event else { continue };
            let patient = one.event.stream;
            let traces = self.traces(tx, patient).await?;
            // A key of its own, so that what is recognised by it can be looked for after the person's key is gone.
            let key = self.log.keys().take(1).await?.pop().ok_or(Abort::Conflict)?;
            let sealed =
                key.seal(erased.erasure_id.as_bytes(), serde_json::to_vec(&traces).unwrap_or_default());
            let new = erasures::New {
                id: erased.erasure_id,
                account: one.event.account.clone(),
                patient,
                traces: sealed,
                traces_key: key.id,
                at: erased.erased_at,
            };
            if erasures::begin(tx, &new).await? {
                requested.push(NewEvent {
                    id: self.clock.new_id(),
                    stream: erased.erasure_id,
                    version: 1,
                    key: None,
                    event: Event::ErasureRequested(ErasureRequested { patient_id: patient }),
                    ..one.event.clone()
                });
            }
        }
        Ok(requested)
    }

    /// Everything the record ever said, and what its row says where the stream can no longer be read.
    async fn traces(&self, tx: &mut Tx, patient: Uuid) -> Result<Traces, Abort> {
        let mut traces = Traces::default();
        for recorded in self.log.load_one(tx.conn(), patient).await? {
            if let Some(details) = details(&recorded) {
                traces.add(details);
            }
        }
        if let Some(details) = patients::details(tx.conn(), patient).await? {
            traces.add(&details);
        }
        Ok(traces)
    }
}

fn details(recorded: &Recorded) -> Option<&PatientDetails> {
    match &recorded.event {
        Event::PatientCreated(e) => e.record.personal.known(),
        Event::PatientTakenOver(e) => e.record.personal.known(),
        Event::PatientUpdated(e) => e.record.personal.known(),
        Event::PatientArchived(e) => e.record.personal.known(),
        Event::PatientRestored(e) => e.record.personal.known(),
        Event::PatientActivated(e) => e.record.personal.known(),
        _ => None,
    }
}
