//! What every public route begins with: a limit for whoever asks, signed in or not.

use super::Api;
use super::refusals::too_many;
use crate::limits::Limits;
use shared_host::requests::lost;
use shared_http::{Client, Problem};
use shared_runtime::limits::{Limit, take};
use std::time::Duration;
use tokio::time::Instant;

/// Answers that must not tell what was found come no sooner than this: longer than the work usually takes, so that
/// the time does not tell it either.
const ALIKE_AFTER: Duration = Duration::from_millis(250);

impl Api {
    /// How often what may be done.
    pub(super) fn limits(&self) -> &Limits {
        &self.logins.counter.limits
    }

    /// Counts a request of a client. 429 where there were too many.
    pub(super) async fn admit(&self, limit: &Limit, client: &Client) -> Result<(), Problem> {
        self.count(limit, &client.subject()).await
    }

    /// Counts a request about an address, whoever asks and whether or not anybody has it. 429 where there were too
    /// many.
    pub(super) async fn admit_address(&self, limit: &Limit, address: &str) -> Result<(), Problem> {
        self.count(limit, address.as_bytes()).await
    }

    async fn count(&self, limit: &Limit, subject: &[u8]) -> Result<(), Problem> {
        let bucket = self.logins.counter.limiter.bucket(limit, subject);
        let mut tx = self.core.db.begin().await.map_err(lost)?;
        let taken = take(&mut tx, &bucket, self.core.clock.now()).await.map_err(lost)?;
        tx.commit().await.map_err(lost)?;
        taken.map_err(|wait| too_many(limit.name, wait))
    }
}

/// Waits until an answer may go out that was asked for at `since`.
pub(super) async fn alike(since: Instant) {
    tokio::time::sleep_until(since + ALIKE_AFTER).await;
}
