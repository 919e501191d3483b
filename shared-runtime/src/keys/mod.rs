//! Keys, and what is sealed with them. Nothing here ever prints a key.
//!
//! * [`Keyring`]: a file of named keys outside the database: wrapping keys, the bus key, token keys.
//! * [`seal`]: AES-256-GCM over a block of personal fields.
//! * [`DataKeys`]: one key per person, wrapped, in a database of their own. Destroying it forgets them.
//! * [`Erasures`]: destroying keys for good; [`ErasureFile`]: what tells a restored database which they were.

mod data_keys;
mod erasure_file;
mod erasures;
mod key_file;
mod keyring;
mod rewrap;
pub mod seal;

pub use data_keys::{DataKey, DataKeys, Found, KeysError};
pub use erasure_file::{ErasureFile, ErasuresError, Tombstone};
pub use erasures::Erasures;
pub use keyring::{Described, Keyring, KeyringError};
