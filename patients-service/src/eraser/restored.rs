//! After a restore: patients on record whose keys the file of erasures tells to be destroyed are erased again, by the
//! same command that staff give.

use crate::desk::{Command, Patients};
use crate::domain::{Ask, erasure};
use crate::store::erasures;
use shared_events::AccountId;
use shared_runtime::core::{Core, StartError};
use shared_runtime::group::Group;
use shared_runtime::log::Meta;

/// Erases again whom a restored database brought back; run before anything is served.
///
/// # Errors
/// A database that is away.
pub async fn erase_again(core: &Core, patients: &Group<Patients>) -> Result<(), StartError> {
    let mut place = 0;
    loop {
        let (last, told) = core.erasures.told_after(place).await?;
        if last == place {
            return Ok(());
        }
        place = last;
        let keys: Vec<_> = told.into_iter().map(|(key, _)| key).collect();
        let mut reader = core.db.read().await?;
        let back = erasures::with_keys(reader.conn(), &keys).await?;
        drop(reader);
        for (patient, account) in back {
            // A stored clinic id was parsed before it was stored.
            let Ok(account) = AccountId::parse(&account) else { continue };
            let at = core.clock.now();
            let command = Command {
                account,
                patient,
                ask: Ask::Erase { at, erasure_id: erasure::id_of(patient) },
                expected: None,
                event_id: None,
                meta: Meta { actor: "system".to_owned(), ..Meta::default() },
                at,
                repeatable: None,
            };
            let erased = patients.submit(command).await.map_err(StartError::Unerased)?;
            tracing::warn!(%patient, erased = erased.is_ok(), "a restored database brought an erased patient back");
        }
    }
}
