//! The secrets directory: keys that live outside every database and its backups.
//!
//! | file | what it does | who reads it |
//! |---|---|---|
//! | `wrapping-<service>.keys` | wraps the service's data keys | that service |
//! | `bus.keys` | seals personal fields on the bus | patients and invites |
//! | `http.keys` | keyed hashes of repeated requests, sealed cursors | every service |
//! | `tokens.keys` | derives invite links | invites |
//! | `erasures.log` | tells which keys were destroyed; may be elsewhere | patients and invites |

use crate::keys::{Keyring, KeyringError};
use std::path::{Path, PathBuf};

/// What one service needs of it.
#[derive(Debug, Clone)]
pub struct Secrets {
    /// Wraps data keys.
    pub wrapping: Keyring,
    /// Seals personal fields on the bus.
    pub bus: Keyring,
    /// For keyed hashes and cursors.
    pub http: Keyring,
    /// The file of erasures: one for each key database, on a disk that its backups do not hold.
    pub erasures: PathBuf,
}

/// Whether a missing key file is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// Make it: the first start of the embedded default, and `keys init`.
    Make,
    /// Refuse: a service that made its own keys could not read what its copies wrote.
    Refuse,
}

impl Secrets {
    /// Reads what `service` needs from `dir`.
    pub fn open(dir: &Path, service: &str, missing: Missing) -> Result<Secrets, KeyringError> {
        Ok(Secrets {
            wrapping: keyring(dir, &format!("wrapping-{service}"), missing)?,
            bus: keyring(dir, "bus", missing)?,
            http: keyring(dir, "http", missing)?,
            erasures: dir.join("erasures.log"),
        })
    }
}

/// Reads one key file of the directory, `<name>.keys`.
pub fn keyring(dir: &Path, name: &str, missing: Missing) -> Result<Keyring, KeyringError> {
    let path = dir.join(format!("{name}.keys"));
    match missing {
        Missing::Make => Keyring::load_or_create(&path),
        Missing::Refuse => Keyring::load(&path),
    }
}
