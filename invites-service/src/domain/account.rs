//! Accounts: persons' logins, as far as accepting an invite needs them.

use uuid::Uuid;

/// The most logins that one address may have: each attempt at a password is worth one look at every one of them.
pub const MOST_LOGINS: usize = 10;

/// A login at a patient's address, as it stands when an acceptance is decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The login.
    pub user_id: Uuid,
    /// Version of its stream: one more for each patient it stands for and for each reset of its password.
    /// A password checked at one version is not believed at another.
    pub version: i64,
}

/// The logins at a patient's address; only looked up for acceptances.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Logins {
    /// Every one.
    pub at_address: Vec<Account>,
    /// Whether another live patient of the clinic has the address, as far as is known here.
    pub shared: bool,
}

impl Logins {
    /// A login of the address.
    pub fn find(&self, user_id: Uuid) -> Option<&Account> {
        self.at_address.iter().find(|account| account.user_id == user_id)
    }

    /// Keeps a login as it stands now.
    pub fn put(&mut self, now: Account) {
        self.at_address.retain(|account| account.user_id != now.user_id);
        self.at_address.push(now);
    }
}

/// Whether a person may make a login of their own though their address has `logins` already: where the clinic
/// lets people share addresses, and this address is shared by patients or by logins.
pub fn may_make_own(clinic_shares: bool, patients_share: bool, logins: usize) -> bool {
    clinic_shares && (1..MOST_LOGINS).contains(&logins) && (patients_share || logins > 1)
}

/// What the person who accepts signs in with, worked out before the transaction: hashing a password
/// takes longer than any transaction should.
#[derive(Clone, PartialEq, Eq)]
pub enum Login {
    /// A new login.
    Register {
        /// Its id.
        user_id: Uuid,
        /// The password's hash.
        hash: String,
        /// Whether it stands beside logins that others have at the address; else it is the address's first.
        own: bool,
    },
    /// A login at this address, whose password was right.
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
            Login::Register { user_id, own, .. } => write!(f, "Register({user_id}, own: {own})"),
            Login::Link(account) => write!(f, "Link({})", account.user_id),
        }
    }
}
