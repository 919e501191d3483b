//! A key file: a line is an id, a blank, the key in base64, and, for one that was added while services ran, a blank
//! and the time from which it seals. It is changed whole or not at all, by one at a time.

use super::keyring::{KeyringError, random};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, SecondsFormat, Utc};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

/// A key of a file.
#[derive(Clone)]
pub(super) struct Entry {
    pub(super) id: String,
    pub(super) key: [u8; 32],
    /// From when it seals; none: from its beginning.
    pub(super) active: Option<DateTime<Utc>>,
}

/// By what a file that was changed is told from what it was.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    inode: u64,
    length: u64,
    changed: (i64, i64),
}

impl Mark {
    pub(super) fn of(path: &Path) -> Option<Mark> {
        let found = std::fs::metadata(path).ok()?;
        Some(Mark { inode: found.ino(), length: found.len(), changed: (found.mtime(), found.mtime_nsec()) })
    }
}

impl Entry {
    fn parse(line: &str) -> Option<Entry> {
        let mut parts = line.split_whitespace();
        let (id, key) = (parts.next()?, STANDARD.decode(parts.next()?).ok()?);
        let active = parts.next().map(|at| at.parse().ok()).map_or(Some(None), |at| at.map(Some))?;
        let entry = Entry { id: id.to_owned(), key: key.try_into().ok()?, active };
        parts.next().is_none().then_some(entry)
    }

    fn line(&self) -> String {
        let key = STANDARD.encode(self.key);
        match self.active {
            None => format!("{} {key}", self.id),
            Some(at) => format!("{} {key} {}", self.id, at.to_rfc3339_opts(SecondsFormat::Secs, true)),
        }
    }
}

fn failed(path: &Path) -> impl Fn(std::io::Error) -> KeyringError + '_ {
    |cause| KeyringError::File { path: path.to_owned(), cause }
}

/// Reads a file; it holds at least one key.
pub(super) fn read(path: &Path) -> Result<Vec<Entry>, KeyringError> {
    let text = std::fs::read_to_string(path).map_err(failed(path))?;
    let mut keys: Vec<Entry> = Vec::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let bad = || KeyringError::Line { path: path.to_owned(), line: number + 1 };
        let entry = Entry::parse(line).ok_or_else(bad)?;
        if keys.iter().any(|known| known.id == entry.id) {
            return Err(KeyringError::Twice { path: path.to_owned(), id: entry.id });
        }
        keys.push(entry);
    }
    if keys.is_empty() { Err(KeyringError::Empty(path.to_owned())) } else { Ok(keys) }
}

/// Puts a file there: a start that is killed half way leaves none without a key in it, and of two starts at once the
/// first gives the key to both.
pub(super) fn create(path: &Path, keys: &[Entry]) -> Result<(), KeyringError> {
    let put = || {
        let folder = folder(path);
        std::fs::create_dir_all(folder)?;
        let draft = draft(path, keys)?;
        let linked = std::fs::hard_link(&draft, path);
        std::fs::remove_file(&draft)?;
        match linked {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error),
            // The name, too, must outlive a power cut: without this key nothing it sealed can be read.
            _ => File::open(folder)?.sync_all(),
        }
    };
    put().map_err(failed(path))
}

/// Changes a file: read, changed and put in its place while nobody else changes it.
pub(super) fn change<T>(
    path: &Path,
    change: impl FnOnce(&mut Vec<Entry>) -> Result<T, KeyringError>,
) -> Result<T, KeyringError> {
    let folder = File::open(folder(path)).map_err(failed(path))?;
    folder.lock().map_err(failed(path))?;
    let mut keys = read(path)?;
    let changed = change(&mut keys)?;
    let put = || {
        std::fs::rename(draft(path, &keys)?, path)?;
        folder.sync_all()
    };
    put().map_err(failed(path))?;
    Ok(changed)
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Writes the file under another name, readable by its owner alone.
fn draft(path: &Path, keys: &[Entry]) -> std::io::Result<std::path::PathBuf> {
    let unique = u64::from_ne_bytes(random()[..8].try_into().unwrap_or_default());
    let draft = path.with_extension(format!("{unique:016x}.draft"));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    for entry in keys {
        writeln!(file, "{}", entry.line())?;
    }
    file.sync_all()?;
    Ok(draft)
}
