//! Named 256-bit keys of a file, newest last.
//!
//! Every key opens; the newest whose time has come seals. Rotating adds a key that opens at once and seals a little
//! later: copies of a service look at the file every few seconds, and at once where they meet a key they do not know,
//! so that all know a key before anybody uses it. Retiring removes one.

use super::key_file::{self, Entry, Mark};
use super::seal::{self, Unopened};
use crate::clock::Clock;
use aws_lc_rs::hmac;
use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

/// How often the file is looked at, at most.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Named keys, newest last; never empty. Cheap to clone: clones learn of a new key together.
#[derive(Clone)]
pub struct Keyring {
    path: Option<PathBuf>,
    clock: Clock,
    ring: Arc<RwLock<Ring>>,
}

struct Ring {
    keys: Vec<Entry>,
    mark: Option<Mark>,
    looked: Instant,
}

/// What may be said of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// Its id.
    pub id: String,
    /// From when it seals; none for a file's first key.
    pub active: Option<DateTime<Utc>>,
    /// Whether it is the one that seals now.
    pub seals: bool,
    /// Whether it will seal, but not yet.
    pub waits: bool,
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
    /// Two keys of one name: what one sealed, the other would be asked to open.
    #[error("the key file {path} holds two keys named {id}: give each a name of its own")]
    Twice {
        /// Which file.
        path: PathBuf,
        /// The name.
        id: String,
    },
    /// It holds nothing.
    #[error("the key file {0} holds no key")]
    Empty(PathBuf),
    /// No key of that name.
    #[error("there is no key named {0}: `patient-first keys list` shows them")]
    Unknown(String),
    /// The key seals, or is about to.
    #[error("the key {0} seals what is written now: rotate first, and wait until the new key seals")]
    InUse(String),
    /// Another key waits to seal.
    #[error("the key {0} was added a moment ago and does not seal yet: wait for it")]
    Waits(String),
    /// Keys that live in no file.
    #[error("these keys are in no file")]
    NoFile,
}

impl Keyring {
    /// One new random key, for tests and first starts.
    pub fn generate(id: &str) -> Keyring {
        Keyring::of(None, vec![Entry { id: id.to_owned(), key: random(), active: None }], None)
    }

    fn of(path: Option<PathBuf>, keys: Vec<Entry>, mark: Option<Mark>) -> Keyring {
        let ring = Ring { keys, mark, looked: Instant::now() };
        Keyring { path, clock: Clock::System, ring: Arc::new(RwLock::new(ring)) }
    }

    /// Reads a key file.
    pub fn load(path: &Path) -> Result<Keyring, KeyringError> {
        // The mark first: what is changed while it is read is then read again.
        let mark = Mark::of(path);
        Ok(Keyring::of(Some(path.to_owned()), key_file::read(path)?, mark))
    }

    /// Reads a key file, or makes one with one new key (mode 0600, synced before it is used).
    pub fn load_or_create(path: &Path) -> Result<Keyring, KeyringError> {
        if !path.exists() {
            key_file::create(path, &[Entry { id: "k1".to_owned(), key: random(), active: None }])?;
        }
        Keyring::load(path)
    }

    /// The same keys under another clock.
    #[must_use]
    pub fn under(self, clock: &Clock) -> Keyring {
        Keyring { clock: clock.clone(), ..self }
    }

    /// The id of the key that seals.
    pub fn current_id(&self) -> String {
        self.sealing().id
    }

    /// The key that seals, for use beside sealing (deriving tokens, keyed hashes).
    pub fn current(&self) -> [u8; 32] {
        self.sealing().key
    }

    /// A key for one purpose, made from the one that seals now: one file serves several purposes, and none of them
    /// can be turned into another.
    pub fn derived(&self, purpose: &str) -> [u8; 32] {
        let mut derived = [0; 32];
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &self.current()), purpose.as_bytes());
        derived.copy_from_slice(tag.as_ref());
        derived
    }

    /// A key by its id.
    pub fn get(&self, id: &str) -> Option<[u8; 32]> {
        let find = |ring: &Ring| ring.keys.iter().find(|entry| entry.id == id).map(|entry| entry.key);
        self.look(LOOK_EVERY);
        let found = find(&self.read());
        found.or_else(|| {
            // Perhaps it was added this very moment.
            self.look(Duration::ZERO);
            find(&self.read())
        })
    }

    /// Seals under the newest key whose time has come; returns its id and the sealed bytes.
    pub fn seal(&self, aad: &[u8], plain: Vec<u8>) -> (String, Vec<u8>) {
        let entry = self.sealing();
        let sealed = seal::seal(&entry.key, aad, plain);
        (entry.id, sealed)
    }

    /// Opens what [`Keyring::seal`] sealed.
    pub fn open(&self, id: &str, aad: &[u8], sealed: &[u8]) -> Result<Vec<u8>, Unopened> {
        let key = self.get(id).ok_or(Unopened::NoKey)?;
        seal::open(&key, aad, sealed)
    }

    /// What may be said of each key, oldest first.
    pub fn describe(&self) -> Vec<Described> {
        self.look(Duration::ZERO);
        let now = self.clock.now();
        let ring = self.read();
        let seals = place_of_sealing(&ring.keys, now);
        let described = |(place, entry): (usize, &Entry)| Described {
            id: entry.id.clone(),
            active: entry.active,
            seals: place == seals,
            waits: place > seals,
        };
        ring.keys.iter().enumerate().map(described).collect()
    }

    /// Adds a key that opens at once and seals after `wait`, which should be more than it takes until every copy of every
    /// service has looked at the file. Its id.
    ///
    /// # Errors
    /// The file cannot be changed, or the key added before still waits.
    pub fn rotate(&self, wait: TimeDelta) -> Result<String, KeyringError> {
        let path = self.path.as_deref().ok_or(KeyringError::NoFile)?;
        let now = self.clock.now();
        let active = (now + wait).duration_trunc(TimeDelta::seconds(1)).unwrap_or(now);
        let id = key_file::change(path, |keys| {
            if let Some(waits) = keys.iter().find(|entry| entry.active.is_some_and(|at| at > now)) {
                return Err(KeyringError::Waits(waits.id.clone()));
            }
            // The newest key always stays, so no number comes twice.
            let numbers = keys.iter().filter_map(|entry| entry.id.strip_prefix('k')?.parse::<u64>().ok());
            let id = format!("k{}", numbers.max().unwrap_or(0) + 1);
            keys.push(Entry { id: id.clone(), key: random(), active: Some(active) });
            Ok(id)
        })?;
        self.look(Duration::ZERO);
        Ok(id)
    }

    /// Removes a key. Whatever it sealed opens no more.
    ///
    /// # Errors
    /// The file cannot be changed, there is no such key, or it is needed to seal.
    pub fn retire(&self, id: &str) -> Result<(), KeyringError> {
        let path = self.path.as_deref().ok_or(KeyringError::NoFile)?;
        let now = self.clock.now();
        key_file::change(path, |keys| {
            let place = keys.iter().position(|entry| entry.id == id);
            let place = place.ok_or_else(|| KeyringError::Unknown(id.to_owned()))?;
            if place >= place_of_sealing(keys, now) {
                return Err(KeyringError::InUse(id.to_owned()));
            }
            keys.remove(place);
            Ok(())
        })?;
        self.look(Duration::ZERO);
        Ok(())
    }

    fn sealing(&self) -> Entry {
        self.look(LOOK_EVERY);
        let ring = self.read();
        ring.keys[place_of_sealing(&ring.keys, self.clock.now())].clone()
    }

    /// Reads the file again where it was changed, unless it was looked at less than `every` ago. One that is of no use is
    /// said, and the keys stay.
    fn look(&self, every: Duration) {
        let Some(path) = &self.path else { return };
        if self.read().looked.elapsed() < every {
            return;
        }
        let mark = Mark::of(path);
        let mut ring = self.ring.write().unwrap_or_else(PoisonError::into_inner);
        ring.looked = Instant::now();
        if mark.is_none() || mark == ring.mark {
            return;
        }
        match key_file::read(path) {
            Ok(keys) => {
                ring.keys = keys;
                ring.mark = mark;
            }
            Err(error) => {
                tracing::error!(%error, "a key file was changed and cannot be read; going on with the keys before")
            }
        }
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Ring> {
        self.ring.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The newest whose time has come; the first where none's has.
fn place_of_sealing(keys: &[Entry], now: DateTime<Utc>) -> usize {
    keys.iter().rposition(|entry| entry.active.is_none_or(|at| at <= now)).unwrap_or(0)
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.read().keys.iter().map(|entry| &entry.id)).finish()
    }
}

/// 32 bytes from the operating system.
pub(crate) fn random() -> [u8; 32] {
    let mut bytes = [0; 32];
    #[expect(clippy::expect_used, reason = "without randomness nothing may be sealed")]
    aws_lc_rs::rand::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
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
    fn a_key_that_was_added_opens_at_once_everywhere_and_seals_from_its_time_on() {
        let dir = std::env::temp_dir().join(format!("rotated-{}", std::process::id()));
        let path = dir.join("bus.keys");
        let clock = Clock::manual(DateTime::UNIX_EPOCH);
        let one = Keyring::load_or_create(&path).expect("made").under(&clock);
        let other = Keyring::load(&path).expect("read").under(&clock);
        let later = Keyring::load(&path).expect("read").under(&Clock::System);
        assert_eq!(one.rotate(TimeDelta::seconds(60)).expect("added"), "k2");
        assert_eq!((one.current_id(), other.current_id()), ("k1".into(), "k1".into()));
        assert!(matches!(one.rotate(TimeDelta::zero()), Err(KeyringError::Waits(id)) if id == "k2"));
        assert!(matches!(one.retire("k2"), Err(KeyringError::InUse(_))));
        assert!(matches!(one.retire("k1"), Err(KeyringError::InUse(_))));
        // Another copy whose time has come: what it seals is opened by one that never looked since.
        assert_eq!(
            later.describe().iter().map(|key| (key.seals, key.waits)).collect::<Vec<_>>(),
            [(false, false), (true, false)]
        );
        let (id, sealed) = later.seal(b"", b"word".to_vec());
        assert_eq!((id.as_str(), other.open(&id, b"", &sealed).expect("opens")), ("k2", b"word".to_vec()));
        clock.advance(TimeDelta::seconds(60));
        assert_eq!((one.current_id(), other.current_id()), ("k2".into(), "k2".into()));
        one.retire("k1").expect("retired");
        assert!(matches!(one.retire("k1"), Err(KeyringError::Unknown(_))));
        assert!(one.get("k1").is_none());
        assert_eq!(one.rotate(TimeDelta::zero()).expect("added"), "k3");
        std::fs::remove_dir_all(dir).expect("removed");
    }

    #[test]
    fn debug_output_holds_no_key() {
        assert_eq!(format!("{:?}", Keyring::generate("k1")), "[\"k1\"]");
    }
}
