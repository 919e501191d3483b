//! Reads a database's error: is it worth trying again?

use sqlx::Error;

/// Whether the same work may succeed later without anything being changed: the server is away,
/// starting or full of connections, or another transaction was in the way.
pub fn is_transient(error: &Error) -> bool {
    match error {
        Error::Io(_) | Error::PoolTimedOut | Error::PoolClosed | Error::WorkerCrashed | Error::Tls(_) => true,
        Error::Database(refusal) => match refusal.code().as_deref() {
            // PostgreSQL's classes: connection, resources, operator intervention; serialisation, deadlock.
            Some(code) if code.len() == 5 => {
                ["08", "53", "57"].contains(&&code[..2])
                    || ["40001", "40P01", "55P03", "25006"].contains(&code)
            }
            // SQLite: 5 busy, 6 locked, 10 I/O, 13 full; the low byte of an extended code says which.
            Some(code) => code.parse::<i32>().is_ok_and(|code| [5, 6, 10, 13].contains(&(code & 0xff))),
            None => false,
        },
        _ => false,
    }
}

/// Whether a unique constraint refused a row.
pub fn is_unique_violation(error: &Error) -> bool {
    error.as_database_error().is_some_and(|refusal| refusal.is_unique_violation())
}
