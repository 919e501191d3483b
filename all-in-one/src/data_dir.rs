//! The directory everything lives in: databases, keys, and what tells commands where the server is.
//!
//! | path | what |
//! |---|---|
//! | `patients.db`, `invites.db` | each service's own |
//! | `patients-keys.db`, `invites-keys.db` | their keys per person; back these up apart, and not for long |
//! | `bus.db` | the embedded bus |
//! | `secrets/` | key files and the file of erasures; never inside a backup of the databases |
//! | `server-url`, `admin-url`, `service-token` | for commands, while a server runs |

use anyhow::{Context, Result};
use chrono::TimeDelta;
use shared_events::AccountId;
use shared_http::{Claims, Minter, Role, generate_signing_key};
use shared_runtime::clock::Clock;
use shared_runtime::secrets::{Missing, Secrets, keyring};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The issuer and audience of the tokens this program makes.
pub const ISSUER: &str = "patient-first";
/// How long a token of the `token` command is good.
const TOKEN_LIVES: TimeDelta = TimeDelta::hours(12);

/// A data directory.
#[derive(Debug, Clone)]
pub struct DataDir(PathBuf);

impl DataDir {
    /// The directory at `path`; made where there is none.
    pub fn open(path: &Path) -> Result<DataDir> {
        // Read models hold personal data in the clear: only the owner looks in.
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .with_context(|| format!("cannot make the data directory {}", path.display()))?;
        Ok(DataDir(path.to_owned()))
    }

    /// A file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// A file in it, as a database URL.
    pub fn sqlite(&self, name: &str) -> String {
        format!("sqlite:{}", self.file(name).display())
    }

    /// The directory itself.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The keys in it.
    pub fn secrets_dir(&self) -> PathBuf {
        self.file("secrets")
    }

    /// Removes what told commands where the server is.
    pub fn forget_server(&self) {
        for name in ["server-url", "admin-url", "service-token"] {
            let _ = std::fs::remove_file(self.file(name));
        }
    }

    /// Writes a file that only its owner may read, whole or not at all.
    pub fn write_private(&self, name: &str, text: &str) -> Result<()> {
        write_private(&self.file(name), text)
    }
}

/// Makes every key that is missing in a secrets directory.
pub fn make_keys(secrets: &Path) -> Result<()> {
    for service in [patients_service::service::NAME, invites_service::service::NAME] {
        Secrets::open(secrets, service, Missing::Make)?;
    }
    keyring(secrets, "tokens", Missing::Make)?;
    let private = secrets.join("jwt-private.pem");
    if !private.exists() {
        let (private_pem, _) = generate_signing_key().context("cannot make a signing key")?;
        put_first(&private, &private_pem)?;
    }
    // The public half is made from the private one, so that two who start at once write the same.
    let public = minter(secrets, &Clock::System)?.public_pem().to_owned();
    let path = secrets.join("jwt-public.pem");
    if std::fs::read_to_string(&path).is_ok_and(|kept| kept == public) {
        return Ok(());
    }
    write_private(&path, &public)
}

/// Writes a private file that must not be there yet; where another process was first, its file stays.
fn put_first(path: &Path, text: &str) -> Result<()> {
    let draft = path.with_extension(format!("draft{}", std::process::id()));
    write_private(&draft, text)?;
    let linked = std::fs::hard_link(&draft, path);
    std::fs::remove_file(&draft).with_context(|| format!("cannot remove {}", draft.display()))?;
    match linked {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            Err(error).with_context(|| format!("cannot write {}", path.display()))
        }
        _ => Ok(()),
    }
}

/// Makes tokens with the signing key of a secrets directory.
pub fn minter(secrets: &Path, clock: &Clock) -> Result<Minter> {
    let path = secrets.join("jwt-private.pem");
    let pem = std::fs::read_to_string(&path)
        .with_context(|| format!("cannot read the signing key {}", path.display()))?;
    let clock = clock.clone();
    Minter::new(&pem, ISSUER, ISSUER, Arc::new(move || clock.now()))
        .with_context(|| format!("{} is no signing key", path.display()))
}

/// One token.
pub fn token(secrets: &Path, account: &AccountId, role: Role) -> Result<String> {
    let claims = Claims { account: account.clone(), subject: "operator".to_owned(), role, name: None };
    Ok(minter(secrets, &Clock::System)?.mint(&claims, TOKEN_LIVES)?)
}

fn write_private(path: &Path, text: &str) -> Result<()> {
    let write = || -> std::io::Result<()> {
        let part = path.with_extension(format!("part{}", std::process::id()));
        let mut file =
            std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&part)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&part, path)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}
