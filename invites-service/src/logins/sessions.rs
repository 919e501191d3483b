//! Sessions: a random token for the person, its SHA-256 for us.

use super::{Logins, ROUNDS, Undone};
use crate::store::accounts;
use crate::store::sessions::{self, Session};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// How long a session may lie unused.
pub const IDLE: TimeDelta = TimeDelta::minutes(30);
/// How long a session lasts, however much it is used.
pub const LONGEST: TimeDelta = TimeDelta::hours(12);
/// A use is written down no more often than this: reading should seldom write.
const NOTED_EVERY: TimeDelta = TimeDelta::minutes(1);
/// What a token begins with, so that it is told from others.
const PREFIX: &str = "ps1.";
const TOKEN_BYTES: usize = 32;
/// How often ended sessions are dropped. None of them opens anything meanwhile.
const PRUNE_EVERY: Duration = Duration::from_secs(600);

/// A session that has just begun. The token is handed to the person and to nobody else.
pub struct SignedIn {
    /// The token; nothing here keeps it.
    pub token: String,
    /// The session.
    pub session: Session,
}

impl Logins {
    /// Signs a person in with the login whose password it is. None where it is nobody's.
    pub async fn sign_in(&self, address: &str, password: &str) -> Result<Option<SignedIn>, Undone> {
        for _ in 0..ROUNDS {
            let Some(right) = self.check(address, password).await? else { return Ok(None) };
            let signed_in = begun(right.login.user_id, self.core.clock.now())?;
            let mut tx = self.core.db.begin().await?;
            if accounts::attempt_was_right(&mut tx, &right.login, &right.counted).await? {
                sessions::insert(&mut tx, &signed_in.session).await?;
                tx.commit().await?;
                return Ok(Some(signed_in));
            }
            // The password was changed since it was looked up: look again.
            tx.rollback().await?;
        }
        Ok(None)
    }

    /// The session of a token, its idle time begun again. None where there is none, or no longer.
    pub async fn session(&self, token: &str) -> Result<Option<Session>, Undone> {
        let now = self.core.clock.now();
        let Some(hash) = hash(token) else { return Ok(None) };
        let mut reader = self.core.db.read().await?;
        let found = sessions::find(reader.conn(), &hash, now).await?;
        drop(reader);
        let Some(mut session) = found else { return Ok(None) };
        let idle_until = (now + IDLE).min(session.ends_at);
        if idle_until - session.idle_until >= NOTED_EVERY {
            let mut tx = self.core.db.begin().await?;
            sessions::used(&mut tx, &hash, idle_until).await?;
            tx.commit().await?;
            session.idle_until = idle_until;
        }
        Ok(Some(session))
    }

    /// Ends a session, or every one of its login.
    pub async fn sign_out(&self, session: &Session, everywhere: bool) -> Result<(), Undone> {
        let mut tx = self.core.db.begin().await?;
        if everywhere {
            sessions::end_all(&mut tx, session.user_id).await?;
        } else {
            sessions::end(&mut tx, &session.token_hash).await?;
        }
        Ok(tx.commit().await?)
    }

    /// Drops sessions that have ended, until `stop`.
    pub async fn prune(&self, stop: &CancellationToken) -> Result<(), Undone> {
        while !stop.is_cancelled() {
            self.prune_once().await?;
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(PRUNE_EVERY) => {}
            }
        }
        Ok(())
    }

    /// Drops sessions that have ended; returns how many.
    pub async fn prune_once(&self) -> Result<u64, Undone> {
        let mut tx = self.core.db.begin().await?;
        let pruned = sessions::prune(&mut tx, self.core.clock.now()).await?;
        tx.commit().await?;
        Ok(pruned)
    }
}

fn begun(user_id: Uuid, now: DateTime<Utc>) -> Result<SignedIn, Undone> {
    let mut bytes = [0; TOKEN_BYTES];
    rand::fill(&mut bytes).map_err(|_| crate::passwords::Unhashed)?;
    let token = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes));
    let session = Session {
        token_hash: digest(&SHA256, &bytes).as_ref().to_vec(),
        user_id,
        created_at: now,
        idle_until: now + IDLE,
        ends_at: now + LONGEST,
    };
    Ok(SignedIn { token, session })
}

/// What a token is kept as; none for what is no token of ours.
fn hash(token: &str) -> Option<Vec<u8>> {
    let bytes = URL_SAFE_NO_PAD.decode(token.strip_prefix(PREFIX)?).ok()?;
    (bytes.len() == TOKEN_BYTES).then(|| digest(&SHA256, &bytes).as_ref().to_vec())
}
