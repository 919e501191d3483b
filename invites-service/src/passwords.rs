//! Hashing passwords: argon2id with the crate's parameters (19 MiB, two passes: what OWASP asks for), off the threads
//! that answer requests, two at a time: more would only wait for memory.

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use std::sync::Arc;
use tokio::sync::Semaphore;

/// How many passwords are worked on at once.
const AT_ONCE: usize = 2;

/// A hash of nothing anybody knows, with the parameters of ours: compared where there is no login, so that the
/// time an answer takes does not tell whether there is one.
const NOBODYS: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$m0xXw1m3cQ0b8s4T2yqkLg$8yq3Zk1n0wq4b7c5s2tH9JvX6mLd0pRfAeGuYiKoNzE";

/// Hashes and checks passwords. Cheap to clone; clones share the limit.
#[derive(Debug, Clone)]
pub struct Passwords {
    room: Arc<Semaphore>,
}

/// Hashing did not come to an end: out of memory, or the service is stopping.
#[derive(Debug, thiserror::Error)]
#[error("a password could not be hashed")]
pub struct Unhashed;

impl Default for Passwords {
    fn default() -> Self {
        Passwords { room: Arc::new(Semaphore::new(AT_ONCE)) }
    }
}

impl Passwords {
    /// A hash to be kept, salted anew each time.
    pub async fn hash(&self, password: String) -> Result<String, Unhashed> {
        self.work(move || {
            let hash = Argon2::default().hash_password(password.as_bytes());
            hash.map(|hash| hash.to_string()).map_err(|_| Unhashed)
        })
        .await?
    }

    /// Whether the password is the one that was hashed. Where there is no hash none is right, and it takes as
    /// long to say so.
    pub async fn is_right(&self, password: String, hash: Option<String>) -> Result<bool, Unhashed> {
        self.work(move || {
            let is_one_of_ours = hash.is_some();
            let hash = hash.as_deref().unwrap_or(NOBODYS);
            let right = PasswordHash::new(hash)
                .is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok());
            right && is_one_of_ours
        })
        .await
    }

    async fn work<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> Result<T, Unhashed> {
        let place = self.room.clone().acquire_owned().await.map_err(|_| Unhashed)?;
        // The place goes with the work, which goes on even if the caller does not wait for it.
        let placed = move || {
            let done = job();
            drop(place);
            done
        };
        tokio::task::spawn_blocking(placed).await.map_err(|_| Unhashed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_is_known_again_and_another_is_not() {
        let passwords = Passwords::default();
        let hash = passwords.hash("correct horse battery".into()).await.expect("hashed");
        let parameters = |hash: &str| hash.split('$').take(4).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(parameters(&hash), parameters(NOBODYS), "or the time would tell whether there is a login");
        assert!(PasswordHash::new(NOBODYS).is_ok());
        let right = passwords.is_right("correct horse battery".into(), Some(hash.clone())).await;
        assert!(right.expect("checked"));
        assert!(!passwords.is_right("correct horse".into(), Some(hash)).await.expect("checked"));
        assert!(!passwords.is_right(String::new(), None).await.expect("checked"));
    }
}
