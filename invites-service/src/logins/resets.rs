//! Setting a password anew: a mail is asked for by an event, and its link sets the password once.

use super::{Logins, ROUNDS, Undone};
use crate::domain::reset::Standing;
use crate::domain::{Place, Refusal, password};
use crate::store::accounts::{self, Credentials};
use crate::store::{patients, sessions};
use crate::tokens::Reset;
use shared_events::Event;
use shared_runtime::Tx;
use shared_runtime::audit::{self, Entry};
use shared_runtime::db::Conn;
use shared_runtime::limits::{Bucket, Levels};
use shared_runtime::log::{Log, LogError, Meta, NewEvent};
use uuid::Uuid;

impl Logins {
    /// Asks for a mail to each login of an address that `wanted` picks, as far as the limit allows. Says nothing of
    /// what it found.
    pub async fn request_resets(
        &self,
        address: &str,
        wanted: impl Fn(&Credentials) -> bool,
        meta: &Meta,
    ) -> Result<(), Undone> {
        for round in 1.. {
            let mut tx = self.core.db.begin().await?;
            match self.try_request(&mut tx, address, &wanted, meta).await {
                Ok(()) => {
                    tx.commit().await?;
                    break;
                }
                Err(Undone::Abort(abort)) if !abort.is_fault() && round < ROUNDS => tx.rollback().await?,
                Err(error) => return Err(error),
            }
        }
        self.core.log.nudge();
        Ok(())
    }

    async fn try_request(
        &self,
        tx: &mut Tx,
        address: &str,
        wanted: impl Fn(&Credentials) -> bool,
        meta: &Meta,
    ) -> Result<(), Undone> {
        let now = self.core.clock.now();
        let logins = accounts::lock_at(tx, address).await?;
        let logins: Vec<Uuid> =
            logins.iter().filter(|login| wanted(login)).map(|login| login.user_id).collect();
        let bucket = |id: &Uuid| self.counter.limiter.bucket(&self.counter.limits.reset, id.as_bytes());
        let buckets: Vec<Bucket> = logins.iter().map(bucket).collect();
        let mut levels = Levels::load(tx, buckets.iter().copied()).await?;
        for (id, bucket) in logins.into_iter().zip(&buckets) {
            let Some(standing) = standing(&self.core.log, tx.conn(), id).await? else { continue };
            if levels.room(bucket, now).is_err() {
                continue;
            }
            levels.take(bucket, now);
            let event = standing.request(&self.tokens.current_id(), now);
            self.say(tx, id, &standing, event, meta).await?;
            if !accounts::moved(tx, id, standing.version + 1).await? {
                return Err(LogError::Conflict.into());
            }
        }
        levels.put(tx).await?;
        Ok(())
    }

    /// Sets a password with a mailed link: the address is verified by it, the count of wrong passwords begins again
    /// and every session ends, all at once or not at all. A password that cannot be taken uses nothing up.
    pub async fn reset(
        &self,
        token: &str,
        password: &str,
        meta: &Meta,
    ) -> Result<Result<(), Refusal>, Undone> {
        let Some(reset) = self.tokens.read_reset(token) else { return Ok(Err(Refusal::ResetEnded)) };
        if let Err(refusal) = self.look(reset, password).await? {
            return Ok(Err(refusal));
        }
        let hash = self.passwords.hash(password.to_owned()).await?;
        for round in 1.. {
            let mut tx = self.core.db.begin().await?;
            match self.try_reset(&mut tx, reset, &hash, meta).await {
                Ok(Ok(())) => {
                    tx.commit().await?;
                    break;
                }
                Ok(Err(refusal)) => {
                    tx.rollback().await?;
                    return Ok(Err(refusal));
                }
                Err(Undone::Abort(abort)) if !abort.is_fault() && round < ROUNDS => tx.rollback().await?,
                Err(error) => return Err(error),
            }
        }
        self.core.log.nudge();
        Ok(Ok(()))
    }

    /// Whether the link lives and the password can be taken, before the work of hashing it.
    async fn look(&self, reset: Reset, password: &str) -> Result<Result<(), Refusal>, Undone> {
        let mut reader = self.core.db.read().await?;
        let login = accounts::find(reader.conn(), reset.user_id).await?;
        let standing = standing(&self.core.log, reader.conn(), reset.user_id).await?;
        let (Some(login), Some(standing)) = (login, standing) else { return Ok(Err(Refusal::ResetEnded)) };
        if let Err(refusal) = standing.reset(reset.reset_no, self.core.clock.now()) {
            return Ok(Err(refusal));
        }
        let stands_for = accounts::patients_of(reader.conn(), login.user_id).await?;
        let stands_for = patients::find_all(reader.conn(), &stands_for).await?;
        let mut personal = vec![login.email_norm];
        personal.extend(stands_for.iter().flat_map(crate::domain::Patient::guessable));
        let personal: Vec<&str> = personal.iter().map(String::as_str).collect();
        Ok(password::weakness(password, &personal).map_or(Ok(()), |why| Err(Refusal::PasswordWeak(why))))
    }

    async fn try_reset(
        &self,
        tx: &mut Tx,
        reset: Reset,
        hash: &str,
        meta: &Meta,
    ) -> Result<Result<(), Refusal>, Undone> {
        let Some(login) = accounts::find(tx.conn(), reset.user_id).await? else {
            return Ok(Err(Refusal::ResetEnded));
        };
        accounts::lock_at(tx, &login.email_norm).await?;
        let standing = standing(&self.core.log, tx.conn(), reset.user_id).await?;
        let Some(standing) = standing else { return Ok(Err(Refusal::ResetEnded)) };
        let event = match standing.reset(reset.reset_no, self.core.clock.now()) {
            Ok(event) => event,
            Err(refusal) => return Ok(Err(refusal)),
        };
        self.say(tx, reset.user_id, &standing, event, meta).await?;
        if !accounts::set_password(tx, reset.user_id, standing.version + 1, hash).await? {
            return Err(LogError::Conflict.into());
        }
        sessions::end_all(tx, reset.user_id).await?;
        Ok(Ok(()))
    }

    async fn say(
        &self,
        tx: &mut Tx,
        user_id: Uuid,
        standing: &Standing,
        event: Event,
        meta: &Meta,
    ) -> Result<(), LogError> {
        let clock = &self.core.clock;
        let event = NewEvent {
            id: clock.new_id(),
            stream: user_id,
            version: standing.version + 1,
            account: standing.account.clone(),
            // Nothing personal is said of a login.
            key: None,
            occurred_at: clock.now(),
            meta: meta.clone(),
            event,
        };
        let place = (&standing.account, event.occurred_at);
        let entry = Entry::of_events(meta, place, user_id, std::slice::from_ref(&event), "");
        self.core.log.append(tx, &[event]).await?;
        Ok(audit::write(tx, entry.as_slice()).await?)
    }
}

/// A login as its stream tells it.
async fn standing(log: &Log, conn: Conn<'_>, user_id: Uuid) -> Result<Option<Standing>, LogError> {
    let stream = log.load_one(conn, user_id).await?;
    Ok(stream.iter().fold(None, |standing, recorded| {
        let place = Place {
            stream: recorded.stream,
            account: recorded.account.clone(),
            version: recorded.version,
            at: recorded.occurred_at,
        };
        Some(Standing::evolve(standing, &place, &recorded.event))
    }))
}
