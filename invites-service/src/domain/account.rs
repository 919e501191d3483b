//! Accounts: persons' logins, as far as accepting an invite needs them.

use uuid::Uuid;

/// The login at a patient's address, as it stands when an acceptance is decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The login.
    pub user_id: Uuid,
    /// Version of its stream: one more for each patient it stands for. A password checked at one
    /// version is not believed at another.
    pub version: i64,
}

/// What the person who accepts signs in with, worked out before the transaction: hashing a password
/// takes longer than any transaction should.
#[derive(Clone, PartialEq, Eq)]
pub enum Login {
    /// A new login: nobody had one at this address.
    Register {
        /// Its id.
        user_id: Uuid,
        /// The password's hash.
        hash: String,
    },
    /// The login at this address, whose password was right.
    Link(Account),
}

impl Login {
    /// The login's id.
    pub fn user_id(&self) -> Uuid {
        match self {
            Login::Register { user_id, .. } => *user_id,
            Login::Link(account) => account.user_id,
        }
    }
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Login::Register { user_id, .. } => write!(f, "Register({user_id})"),
            Login::Link(account) => write!(f, "Link({})", account.user_id),
        }
    }
}
