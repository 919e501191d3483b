//! New links for open invites whose links were made with one key: for a key that leaked.
//!
//! Each gets a new issue under the key that makes links now, by the command that staff give; the key is retired
//! afterwards, and with it every link it made. Killed at any point it may be begun again: what has a new link is no
//! longer found.

use crate::desk::{Command, Counts, Done, Invites};
use crate::domain::Ask;
use crate::store;
use crate::tokens::Tokens;
use shared_events::AccountId;
use shared_host::keys::Reissued;
use shared_runtime::Db;
use shared_runtime::clock::Clock;
use shared_runtime::group::{Abort, Group, Unanswered};
use shared_runtime::log::Meta;
use tokio::task::JoinSet;
use uuid::Uuid;

/// How many invites get a new link at once.
const BATCH: i64 = 200;

/// Makes links anew.
#[derive(Clone)]
pub struct NewLinks {
    /// Where the invites are.
    pub db: Db,
    /// Where they are sent again.
    pub group: Group<Invites>,
    /// Names the key that makes links now.
    pub tokens: Tokens,
    /// Tells when.
    pub clock: Clock,
}

impl NewLinks {
    /// One batch of the open invites of a key, after `after` in the order of their ids.
    ///
    /// # Errors
    /// The key makes links now, so that new ones would be no better; or the database is away.
    pub async fn batch(&self, key: &str, after: Uuid) -> Result<Reissued, Unanswered> {
        let current = self.tokens.current_id();
        if current == key {
            return Err(Unanswered::Busy(format!("the key {key} still makes links: rotate first")));
        }
        let now = self.clock.now();
        let mut reader = self.db.read().await.map_err(Abort::from)?;
        let open =
            store::links::open_under(reader.conn(), key, after, now, BATCH).await.map_err(Abort::from)?;
        drop(reader);
        let whole = i64::try_from(open.len()).unwrap_or(i64::MAX) == BATCH;
        let next = open.last().map(|(invite, _, _)| *invite).filter(|_| whole);
        let mut sending = JoinSet::new();
        for (invite, patient, account) in open {
            // A stored clinic id was parsed before it was stored.
            let Ok(account) = AccountId::parse(&account) else { continue };
            let command = Command {
                account,
                patient,
                ask: Ask::Resend { invite, token_key_id: current.clone() },
                cause: None,
                meta: Meta { actor: "system".to_owned(), ..Meta::default() },
                at: now,
                counts: Counts::Nothing,
                repeatable: None,
            };
            let group = self.group.clone();
            sending.spawn(async move { group.submit(command).await });
        }
        let mut done = Reissued { reissued: 0, refused: 0, next };
        while let Some(sent) = sending.join_next().await {
            match sent.map_err(|_| Unanswered::Failed("sending an invite again panicked".to_owned()))?? {
                Ok(Done::Now { .. } | Done::Before(_)) => done.reissued += 1,
                Err(_) => done.refused += 1,
            }
        }
        Ok(done)
    }
}
