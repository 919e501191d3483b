//! Persons' logins: signing in, and setting a password anew.
//!
//! An attempt at a password is counted in the database before the password is looked at; hashing happens outside of
//! any transaction; and what it found is believed only if the hash still stands when the result is written.

mod resets;
mod sessions;

pub use sessions::{IDLE, LONGEST, SignedIn};

use crate::limits::Counter;
use crate::passwords::{Passwords, Unhashed};
use crate::store::accounts::{self, Credentials};
use crate::tokens::Tokens;
use shared_runtime::core::Core;
use shared_runtime::group::Abort;
use shared_runtime::log::LogError;

/// How often something is begun again because somebody was quicker.
const ROUNDS: u32 = 3;

/// Signs persons in. Cheap to clone.
#[derive(Clone)]
pub struct Logins {
    /// Database, log, clock.
    pub core: Core,
    /// Hashes passwords.
    pub passwords: Passwords,
    /// Makes and reads the links of resets.
    pub tokens: Tokens,
    /// How often what may be done.
    pub counter: Counter,
}

/// Why something about a login came to no answer.
#[derive(Debug, thiserror::Error)]
pub enum Undone {
    /// The log, the keys or the database.
    #[error(transparent)]
    Abort(#[from] Abort),
    /// A password could not be hashed.
    #[error(transparent)]
    Unhashed(#[from] Unhashed),
}

impl From<shared_runtime::db::DbError> for Undone {
    fn from(error: shared_runtime::db::DbError) -> Self {
        Undone::Abort(error.into())
    }
}

impl From<LogError> for Undone {
    fn from(error: LogError) -> Self {
        Undone::Abort(error.into())
    }
}

/// A password that was the right one of a login, and who else of the address was counted for it.
pub struct Right {
    /// The login.
    pub login: Credentials,
    counted: Vec<Credentials>,
}

impl Logins {
    /// Whose password it is, of the logins at an address. None where it is nobody's, where the login is locked, and
    /// where there is none: in like time, as one password is always compared.
    pub async fn check(&self, address: &str, password: &str) -> Result<Option<Right>, Undone> {
        let mut tx = self.core.db.begin().await?;
        let counted = accounts::attempt(&mut tx, address).await?;
        tx.commit().await?;
        if counted.is_empty() {
            self.passwords.is_right(password.to_owned(), None).await?;
        }
        for login in &counted {
            if self.passwords.is_right(password.to_owned(), login.password_hash.clone()).await? {
                return Ok(Some(Right { login: login.clone(), counted }));
            }
        }
        Ok(None)
    }

    /// Begins the login's count again. `false` where its password was changed meanwhile.
    pub async fn settle(&self, right: &Right) -> Result<bool, Undone> {
        let mut tx = self.core.db.begin().await?;
        let still = accounts::attempt_was_right(&mut tx, &right.login, &right.counted).await?;
        tx.commit().await?;
        Ok(still)
    }
}
