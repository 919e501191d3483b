//! The file: made, locked, opened.

use super::super::BusError;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteLockingMode, SqliteSynchronous};
use sqlx::{ConnectOptions as _, SqliteConnection};
use std::path::Path;
use std::time::Duration;

const SCHEMA: &str = include_str!("schema.sql");

/// Opens or makes the file, and locks it for as long as the connection lives; a kill unlocks it.
pub(super) async fn open(path: &Path) -> Result<SqliteConnection, BusError> {
    // SQLite reads these two as databases that vanish with the connection.
    if path.as_os_str().is_empty() || path.as_os_str() == ":memory:" {
        return Err(BusError::Away("an embedded bus needs a file: embedded:PATH".to_owned()));
    }
    make_private(path)
        .map_err(|error| BusError::Away(format!("{} cannot be made: {error}", path.display())))?;
    let options = SqliteConnectOptions::new()
        .filename(path)
        .locking_mode(SqliteLockingMode::Exclusive)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(Duration::ZERO);
    let mut connection = options.connect().await.map_err(|error| cannot_open(path, &error))?;
    // The first write takes the lock, before anything is read into memory.
    sqlx::raw_sql(SCHEMA).execute(&mut connection).await.map_err(|error| cannot_open(path, &error))?;
    Ok(connection)
}

/// Makes a new file readable to its owner alone; SQLite gives its companions the same rights. A file that
/// is there is not touched: to open and close it would release this process's locks on it.
fn make_private(path: &Path) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

fn cannot_open(path: &Path, error: &sqlx::Error) -> BusError {
    const BUSY: &str = "5";
    let code = error.as_database_error().and_then(|error| error.code());
    let path = path.display();
    if code.as_deref() == Some(BUSY) {
        BusError::InUse(path.to_string())
    } else {
        BusError::Away(format!("{path} cannot be opened: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_would_not_be_kept_is_not_opened() {
        for path in ["", ":memory:"] {
            assert!(open(Path::new(path)).await.is_err(), "{path:?}");
        }
    }
}
