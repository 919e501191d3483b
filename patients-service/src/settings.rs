//! Changing a clinic's settings: rare, so each change is a transaction of its own.

use crate::domain::Refusal;
use crate::domain::clinic::{SettingsPatch, decide, stream};
use crate::store::clinics::{self, Clinic, Lock};
use shared_events::{AccountId, Event};
use shared_runtime::Tx;
use shared_runtime::audit::{self, Entry};
use shared_runtime::core::Core;
use shared_runtime::group::{Abort, Unanswered};
use shared_runtime::log::{Meta, NewEvent};

/// A change that is asked for.
#[derive(Debug, Clone)]
pub struct Change {
    /// The clinic.
    pub account: AccountId,
    /// What is to change.
    pub patch: SettingsPatch,
    /// The version the caller read.
    pub expected: Option<i64>,
    /// Who asks.
    pub meta: Meta,
}

/// Changes settings; answers them as they stand afterwards.
pub async fn change(core: &Core, change: &Change) -> Result<Result<Clinic, Refusal>, Unanswered> {
    // Twice: two first changes of one clinic have no row to lock, and one of them finds the other's.
    match attempt(core, change).await {
        Err(Abort::Conflict | Abort::Log(shared_runtime::log::LogError::Conflict)) => {
            attempt(core, change).await
        }
        other => other,
    }
    .map_err(Unanswered::from)
}

async fn attempt(core: &Core, change: &Change) -> Result<Result<Clinic, Refusal>, Abort> {
    let mut tx = core.db.begin().await?;
    let clinic = clinics::locked(&mut tx, &change.account, Lock::ForChange).await?;
    if change.expected.is_some_and(|expected| expected != clinic.version) {
        return Ok(Err(Refusal::Stale { current: clinic.version }));
    }
    let event = match decide(&clinic.settings, &change.patch) {
        Err(errors) => return Ok(Err(Refusal::Invalid(errors))),
        Ok(None) => {
            note(core, &mut tx, change, &[]).await?;
            tx.commit().await?;
            return Ok(Ok(clinic));
        }
        Ok(Some(event)) => event,
    };
    let Event::ClinicSettingsChanged(changed) = &event else { return Ok(Ok(clinic)) };
    let settings = changed.settings.clone();
    if clinic.settings.allow_shared_email && !settings.allow_shared_email {
        let patients = clinics::sharers(&mut tx, &change.account).await?;
        if !patients.is_empty() {
            return Ok(Err(Refusal::AddressesShared { patients }));
        }
        clinics::make_exclusive(&mut tx, &change.account).await?;
    }
    let now = core.clock.now();
    let version = clinic.version + 1;
    let event = NewEvent {
        id: core.clock.new_id(),
        stream: stream(&change.account),
        version,
        account: change.account.clone(),
        key: None,
        occurred_at: now,
        meta: change.meta.clone(),
        event,
    };
    let events = [event];
    core.log.append(&mut tx, &events).await?;
    note(core, &mut tx, change, &events).await?;
    if !clinics::put(&mut tx, &change.account, version, &settings, now).await? {
        return Err(Abort::Conflict);
    }
    tx.commit().await?;
    core.log.nudge();
    Ok(Ok(Clinic { version, settings }))
}

async fn note(core: &Core, tx: &mut Tx, change: &Change, events: &[NewEvent]) -> Result<(), Abort> {
    let place = (&change.account, core.clock.now());
    let entry = Entry::of_events(&change.meta, place, stream(&change.account), events, "clinic.read");
    Ok(audit::write(tx, entry.as_slice()).await?)
}
