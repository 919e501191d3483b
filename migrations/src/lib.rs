//! The schemas of every service. Each step is one SQL file that both databases read; types that differ
//! stand as words in braces and lines for one database alone are marked (see `shared_runtime::db`).
//!
//! A step that was released is never changed: add the next one.

use shared_runtime::db::Step;

macro_rules! steps {
    ($( $number:literal $file:literal ),+ $(,)?) => {
        &[ $( Step { number: $number, name: $file, sql: include_str!(concat!("../", $file, ".sql")) } ),+ ]
    };
}

/// The database of patients-service.
pub const PATIENTS: &[Step] = steps![
    1 "core/0001_event_log", 2 "core/0002_limits", 3 "core/0003_audit",
    1001 "patients/0001_patients", 1002 "patients/0002_imports", 1003 "patients/0003_erasures",
];

/// The database of invites-service.
pub const INVITES: &[Step] = steps![
    1 "core/0001_event_log", 2 "core/0002_limits", 3 "core/0003_audit",
    1001 "invites/0001_invites", 1002 "invites/0002_bulk", 1003 "invites/0003_deliveries",
    1004 "invites/0004_sessions", 1005 "invites/0005_erasures",
];

/// The event log alone, for tests of the core.
pub const CORE: &[Step] = steps![1 "core/0001_event_log", 2 "core/0002_limits", 3 "core/0003_audit"];

/// A service's database of keys.
pub const KEYS: &[Step] = steps![1 "keys/0001_data_keys", 2 "keys/0002_erased_keys"];
