//! Says that what lapsed has lapsed.
//!
//! Only the history depends on it: an invite past its expiry is refused and listed as expired whether
//! or not the sweeper came by.

use crate::desk::{Command, Counts, Invites};
use crate::domain::Ask;
use crate::store;
use shared_events::AccountId;
use shared_runtime::Db;
use shared_runtime::clock::Clock;
use shared_runtime::group::{Abort, Group, Unanswered};
use shared_runtime::log::Meta;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How many invites are ended at once.
const BATCH: i64 = 200;
/// How often it looks when there was nothing to do.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Ends lapsed invites.
#[derive(Clone)]
pub struct Sweeper {
    /// Where they are.
    pub db: Db,
    /// Where they are ended: under the patient's lock, like everything else.
    pub group: Group<Invites>,
    /// Tells when.
    pub clock: Clock,
}

impl Sweeper {
    /// Sweeps until `stop`.
    ///
    /// # Errors
    /// What kept it from sweeping, in words; it may simply be started again.
    pub async fn run(&self, stop: &CancellationToken) -> Result<(), String> {
        while !stop.is_cancelled() {
            let expired = self.sweep_once().await.map_err(|error| error.to_string())?;
            if expired == 0 {
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = tokio::time::sleep(LOOK_EVERY) => {}
                }
            }
        }
        Ok(())
    }

    /// One batch; how many invites it ended. Two sweepers at once do no harm: the second finds each invite ended.
    ///
    /// # Errors
    /// The database is away or in the way.
    pub async fn sweep_once(&self) -> Result<usize, Unanswered> {
        let now = self.clock.now();
        let mut reader = self.db.read().await.map_err(Abort::from)?;
        let lapsed = store::invites::lapsed(reader.conn(), now, BATCH).await.map_err(Abort::from)?;
        drop(reader);
        let mut ending = JoinSet::new();
        for (invite, patient, account) in lapsed {
            let Ok(account) = AccountId::parse(&account) else { continue };
            let group = self.group.clone();
            let command = Command {
                account,
                patient,
                ask: Ask::Expire { invite },
                cause: None,
                meta: Meta { actor: "system".to_owned(), ..Meta::default() },
                at: now,
                counts: Counts::Nothing,
                repeatable: None,
            };
            ending.spawn(async move { group.submit(command).await });
        }
        let mut expired = 0;
        while let Some(ended) = ending.join_next().await {
            let outcome = ended.map_err(|_| Unanswered::Failed("ending an invite panicked".to_owned()))??;
            expired += usize::from(matches!(outcome, Ok(crate::desk::Done::Now { changed: true, .. })));
        }
        Ok(expired)
    }
}
