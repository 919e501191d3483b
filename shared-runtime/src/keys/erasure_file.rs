//! The file of erasures: a line for each key that was destroyed, on a disk that no backup of a database holds.
//!
//! A restored database brings destroyed keys back; this file says which they were. Each line ends with a hash
//! over the line and the one before of the same service, so that a line that is missing is found out.

use aws_lc_rs::digest::{SHA256, digest};
use chrono::{DateTime, SecondsFormat, Utc};
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// What the first line of a service is chained to.
const BEGINNING: [u8; 32] = [0; 32];

/// Why the file is of no use, in words for the person who starts the service.
#[derive(Debug, thiserror::Error)]
pub enum ErasuresError {
    /// It cannot be read or written.
    #[error("cannot use the file of erasures {path}: {cause}")]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// A line is not what was written.
    #[error("line {line} of the file of erasures {path} was changed: put the file back as it was")]
    Changed {
        /// Which file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
    },
    /// The key database knows of erasures that the file does not.
    #[error(
        "{recorded} keys of {service} were destroyed, but the file of erasures {path} tells of {found}: it was lost or replaced. \
         Put the file back. Where it is lost for good and the key database was never restored from a backup, \
         `patient-first keys rebuild-erasures` writes it anew from there"
    )]
    Behind {
        /// Which file.
        path: PathBuf,
        /// Whose keys.
        service: String,
        /// How many the key database knows.
        recorded: usize,
        /// How many the file knows, of those that agree.
        found: usize,
    },
}

/// A key that was destroyed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tombstone {
    /// The key.
    pub key: Uuid,
    /// The erasure it was destroyed for.
    pub erasure: Uuid,
    /// When.
    pub at: DateTime<Utc>,
    /// The hash that chains it to the one before.
    pub chain: [u8; 32],
}

/// The file. Several services may share one; each has a chain of its own in it.
#[derive(Debug, Clone)]
pub struct ErasureFile {
    path: PathBuf,
}

/// The file, kept from other writers until it is dropped.
pub struct Held {
    path: PathBuf,
    file: Option<File>,
    text: String,
}

impl Tombstone {
    /// The one that follows `before` (none: the first of the service).
    pub fn after(
        before: Option<&Tombstone>,
        service: &str,
        key: Uuid,
        erasure: Uuid,
        at: DateTime<Utc>,
    ) -> Tombstone {
        let mut chained = before.map_or(BEGINNING, |before| before.chain).to_vec();
        chained.extend_from_slice(words(service, key, erasure, at).as_bytes());
        let mut chain = [0; 32];
        chain.copy_from_slice(digest(&SHA256, &chained).as_ref());
        Tombstone { key, erasure, at, chain }
    }

    fn line(&self, service: &str) -> String {
        let chain: String = self.chain.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{} {chain}\n", words(service, self.key, self.erasure, self.at))
    }
}

fn words(service: &str, key: Uuid, erasure: Uuid, at: DateTime<Utc>) -> String {
    format!("{service} {key} {erasure} {}", at.to_rfc3339_opts(SecondsFormat::Micros, true))
}

impl ErasureFile {
    /// The file at `path`, which is made with its first line.
    pub fn at(path: &Path) -> ErasureFile {
        ErasureFile { path: path.to_owned() }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens it to be read, and to be written where `write` says so; other writers wait meanwhile.
    pub fn hold(&self, write: bool) -> Result<Held, ErasuresError> {
        let mut held = Held { path: self.path.clone(), file: None, text: String::new() };
        if !write && !self.path.exists() {
            return Ok(held);
        }
        held.open(write).map_err(|cause| ErasuresError::File { path: self.path.clone(), cause })?;
        Ok(held)
    }
}

impl Held {
    fn open(&mut self, write: bool) -> std::io::Result<()> {
        let new = !self.path.exists();
        let mut file = OpenOptions::new()
            .read(true)
            .write(write)
            .create(write)
            .truncate(false)
            .mode(0o600)
            .open(&self.path)?;
        if write {
            file.lock()?;
        }
        if new && let Some(folder) = self.path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            // The name, too, must outlive a power cut.
            File::open(folder)?.sync_all()?;
        }
        file.read_to_string(&mut self.text)?;
        // A line that was torn by a power cut was never relied upon.
        let whole = self.text.rfind('\n').map_or(0, |last| last + 1);
        self.text.truncate(whole);
        self.file = Some(file);
        Ok(())
    }

    /// What it says of a service's keys, in order.
    pub fn tombstones(&self, service: &str) -> Result<Vec<Tombstone>, ErasuresError> {
        let mut found: Vec<Tombstone> = Vec::new();
        for (place, line) in self.text.lines().enumerate() {
            let changed = || ErasuresError::Changed { path: self.path.clone(), line: place + 1 };
            let mut parts = line.split(' ');
            if parts.next().ok_or_else(changed)? != service {
                continue;
            }
            let mut id = || parts.next().and_then(|part| Uuid::parse_str(part).ok()).ok_or_else(changed);
            let (key, erasure) = (id()?, id()?);
            let at = parts.next().and_then(|part| part.parse().ok()).ok_or_else(changed)?;
            let tombstone = Tombstone::after(found.last(), service, key, erasure, at);
            if tombstone.line(service).trim_end() != line {
                return Err(changed());
            }
            found.push(tombstone);
        }
        Ok(found)
    }

    /// Adds lines; they are on the disk when this returns.
    pub fn append(&mut self, service: &str, tombstones: &[Tombstone]) -> Result<(), ErasuresError> {
        if tombstones.is_empty() {
            return Ok(());
        }
        let added: String = tombstones.iter().map(|tombstone| tombstone.line(service)).collect();
        self.write(&added).map_err(|cause| ErasuresError::File { path: self.path.clone(), cause })?;
        self.text.push_str(&added);
        Ok(())
    }

    fn write(&mut self, added: &str) -> std::io::Result<()> {
        let Some(file) = &mut self.file else { return Err(std::io::ErrorKind::NotFound.into()) };
        let end = self.text.len() as u64;
        file.set_len(end)?;
        file.seek(SeekFrom::Start(end))?;
        file.write_all(added.as_bytes())?;
        file.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> ErasureFile {
        let path = std::env::temp_dir().join(format!("erasures-{name}-{}", std::process::id()));
        let _ = std::fs::remove_file(&path);
        ErasureFile::at(&path)
    }

    fn keep(file: &ErasureFile, service: &str, key: u128) {
        let mut held = file.hold(true).expect("held");
        let before = held.tombstones(service).expect("read");
        let at = DateTime::from_timestamp_micros(1_700_000_000_123_456).expect("a time");
        let one = Tombstone::after(before.last(), service, Uuid::from_u128(key), Uuid::from_u128(9), at);
        held.append(service, &[one]).expect("kept");
    }

    #[test]
    fn each_service_reads_its_own_lines_again() {
        let file = scratch("lines");
        assert!(file.hold(false).expect("none yet").tombstones("patients").expect("none").is_empty());
        for (service, key) in [("patients", 1), ("invites", 2), ("patients", 3)] {
            keep(&file, service, key);
        }
        let held = file.hold(false).expect("held");
        let keys = |service| {
            held.tombstones(service).expect("read").iter().map(|t| t.key.as_u128()).collect::<Vec<_>>()
        };
        assert_eq!((keys("patients"), keys("invites")), (vec![1, 3], vec![2]));
    }

    #[test]
    fn a_line_that_is_gone_or_changed_is_found_out_and_a_torn_one_is_none() {
        let file = scratch("changed");
        for key in 1..=3 {
            keep(&file, "patients", key);
        }
        let text = std::fs::read_to_string(file.path()).expect("read");
        let lines: Vec<&str> = text.lines().collect();
        let read = |text: &str| {
            std::fs::write(file.path(), text).expect("written");
            file.hold(false).expect("held").tombstones("patients").map(|all| all.len())
        };
        assert!(matches!(
            read(&format!("{}\n{}\n", lines[0], lines[2])),
            Err(ErasuresError::Changed { line: 2, .. })
        ));
        assert!(matches!(read(&text.replacen('0', "1", 1)), Err(ErasuresError::Changed { line: 1, .. })));
        assert_eq!(read(&text[..text.len() - 5]).expect("the torn line is none"), 2);
        keep(&file, "patients", 4);
        assert_eq!(file.hold(false).expect("held").tombstones("patients").expect("read").len(), 3);
    }
}
