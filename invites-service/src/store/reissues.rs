//! Changes of address after which staff want invites issued again, each kept once, in whatever order they are heard of.

use crate::domain::Reissue;
use chrono::{DateTime, Utc};
use shared_runtime::Tx;
use shared_runtime::db::{Conn, Rows};
use shared_runtime::fetch_by_ids;
use std::collections::HashMap;
use uuid::Uuid;

/// Those of patients.
pub async fn of(conn: Conn<'_>, patients: &[Uuid]) -> sqlx::Result<HashMap<Uuid, Vec<Reissue>>> {
    let rows = fetch_by_ids!(
        conn,
        (Uuid, i64, i64, Uuid, DateTime<Utc>),
        patients,
        "select patient_id, version, since, cause, at from reissues where patient_id",
        "order by patient_id, version"
    )?;
    let mut of: HashMap<Uuid, Vec<Reissue>> = HashMap::new();
    for (patient, version, from, cause, at) in rows {
        of.entry(patient).or_default().push(Reissue { cause, version, from, at });
    }
    Ok(of)
}

/// Keeps what was told.
pub async fn put(tx: &mut Tx, told: &[(Uuid, Reissue)]) -> sqlx::Result<()> {
    let rows = Rows::of("reissues")
        .from(told, "patient_id", |(patient, _)| *patient)
        .from(told, "version", |(_, reissue)| reissue.version)
        .from(told, "since", |(_, reissue)| reissue.from)
        .from(told, "cause", |(_, reissue)| reissue.cause)
        .from(told, "at", |(_, reissue)| reissue.at);
    // The same, heard twice in one batch.
    tx.insert(rows, "on conflict do nothing").await.map(drop)
}
