//! A file of named 256-bit keys, newest last. A line is an id, a blank, the key in base64.
//!
//! The newest seals; every one opens. Rotating adds a line, retiring removes one.

use super::seal::{self, Unopened};
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::fmt;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Named keys, newest last; never empty.
#[derive(Clone)]
pub struct Keyring {
    keys: Vec<(String, [u8; 32])>,
}

/// Why a key file is of no use, in words for the person who starts the service.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// It cannot be read or written.
    #[error("cannot use the key file {path}: {cause}")]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// A line is not a key.
    #[error("line {line} of the key file {path} is no key: expected an id, a blank and 32 bytes in base64")]
    Line {
        /// Which file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
    },
    /// It holds nothing.
    #[error("the key file {0} holds no key")]
    Empty(PathBuf),
}

impl Keyring {
    /// One new random key, for tests and first starts.
    pub fn generate(id: &str) -> Keyring {
        Keyring { keys: vec![(id.to_owned(), random())] }
    }

    /// Reads a key file.
    pub fn load(path: &Path) -> Result<Keyring, KeyringError> {
        let text = std::fs::read_to_string(path)
            .map_err(|cause| KeyringError::File { path: path.to_owned(), cause })?;
        let mut keys = Vec::new();
        for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let key = line.split_once(' ').and_then(|(id, key)| Some((id.to_owned(), decode(key)?)));
            keys.push(key.ok_or(KeyringError::Line { path: path.to_owned(), line: number + 1 })?);
        }
        if keys.is_empty() {
            return Err(KeyringError::Empty(path.to_owned()));
        }
        Ok(Keyring { keys })
    }

    /// Reads a key file, or makes one with one new key (mode 0600, synced before it is used).
    pub fn load_or_create(path: &Path) -> Result<Keyring, KeyringError> {
        if !path.exists() {
            let ring = Keyring::generate("k1");
            ring.create(path).map_err(|cause| KeyringError::File { path: path.to_owned(), cause })?;
        }
        Keyring::load(path)
    }

    fn create(&self, path: &Path) -> std::io::Result<()> {
        use std::os::unix::fs::OpenOptionsExt;
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        for (id, key) in &self.keys {
            writeln!(file, "{id} {}", STANDARD.encode(key))?;
        }
        file.sync_all()
    }

    /// The id of the key that seals.
    pub fn current_id(&self) -> &str {
        &self.newest().0
    }

    /// The key that seals, for use beside sealing (deriving tokens, keyed hashes).
    pub fn current(&self) -> &[u8; 32] {
        &self.newest().1
    }

    /// A key for one purpose, made from the newest: one file serves several purposes, and none of them
    /// can be turned into another.
    pub fn derived(&self, purpose: &str) -> [u8; 32] {
        let mut derived = [0; 32];
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, self.current()), purpose.as_bytes());
        derived.copy_from_slice(tag.as_ref());
        derived
    }

    /// A key by its id.
    pub fn get(&self, id: &str) -> Option<&[u8; 32]> {
        self.keys.iter().find(|(known, _)| known == id).map(|(_, key)| key)
    }

    /// Seals under the newest key; returns its id and the sealed bytes.
    pub fn seal(&self, aad: &[u8], plain: Vec<u8>) -> (String, Vec<u8>) {
        let (id, key) = self.newest();
        (id.clone(), seal::seal(key, aad, plain))
    }

    /// Opens what [`Keyring::seal`] sealed.
    pub fn open(&self, id: &str, aad: &[u8], sealed: &[u8]) -> Result<Vec<u8>, Unopened> {
        let key = self.get(id).ok_or(Unopened::NoKey)?;
        seal::open(key, aad, sealed)
    }

    fn newest(&self) -> &(String, [u8; 32]) {
        #[expect(clippy::expect_used, reason = "every constructor leaves at least one key")]
        self.keys.last().expect("a keyring is never empty")
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.keys.iter().map(|(id, _)| id)).finish()
    }
}

/// 32 bytes from the operating system.
pub(crate) fn random() -> [u8; 32] {
    let mut bytes = [0; 32];
    #[expect(clippy::expect_used, reason = "without randomness nothing may be sealed")]
    aws_lc_rs::rand::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}

fn decode(text: &str) -> Option<[u8; 32]> {
    STANDARD.decode(text.trim()).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_made_file_is_read_again_and_private() {
        use std::os::unix::fs::PermissionsExt;
        let dir = std::env::temp_dir().join(format!("keyring-{}", std::process::id()));
        let path = dir.join("bus.keys");
        let made = Keyring::load_or_create(&path).expect("made");
        let read = Keyring::load_or_create(&path).expect("read");
        assert_eq!(made.current(), read.current());
        let mode = std::fs::metadata(&path).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        std::fs::remove_dir_all(dir).expect("removed");
    }

    #[test]
    fn a_line_that_is_no_key_is_named() {
        let path = std::env::temp_dir().join(format!("bad-{}.keys", std::process::id()));
        std::fs::write(&path, "k1 tooshort\n").expect("written");
        let error = Keyring::load(&path).expect_err("refused").to_string();
        assert!(error.starts_with("line 1 of the key file"), "{error}");
        std::fs::remove_file(path).expect("removed");
    }

    #[test]
    fn debug_output_holds_no_key() {
        assert_eq!(format!("{:?}", Keyring::generate("k1")), "[\"k1\"]");
    }
}
