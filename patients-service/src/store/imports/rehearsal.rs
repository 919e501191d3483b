//! A dry run's register: patients it would have made or changed, laid over those on record. Gone when the
//! dry run is done.

use shared_runtime::db::{Rows, Tx};
use shared_runtime::{execute, fetch_all, fetch_by_ids};
use uuid::Uuid;

/// A patient as the dry run would have left it.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Rehearsed {
    /// Who; an id that nobody else has where the dry run would have made one.
    pub patient_id: Uuid,
    /// The row that said so last.
    pub row_no: i64,
    /// The record, sealed.
    pub sealed: Vec<u8>,
}

/// Keeps patients as they would be, in place of what was kept of them before.
pub async fn put(tx: &mut Tx, import: Uuid, patients: &[Rehearsed]) -> sqlx::Result<()> {
    let rows = Rows::of("rehearsed_patients")
        .from(patients, "import_id", |_| import)
        .from(patients, "patient_id", |patient| patient.patient_id)
        .from(patients, "row_no", |patient| patient.row_no)
        .from(patients, "sealed", |patient| patient.sealed.clone());
    let over = "on conflict (import_id, patient_id) do update set row_no = excluded.row_no, sealed = excluded.sealed";
    tx.insert(rows, over).await.map(drop)
}

/// Keeps what patients would claim. What one no longer claims stays: whoever looks checks it against the record.
pub async fn claim(tx: &mut Tx, import: Uuid, claims: &[(Vec<u8>, Uuid)]) -> sqlx::Result<()> {
    let rows = Rows::of("rehearsed_claims")
        .from(claims, "import_id", |_| import)
        .from(claims, "claim", |(claim, _)| claim.clone())
        .from(claims, "patient_id", |(_, patient)| *patient);
    tx.insert(rows, "on conflict do nothing").await.map(drop)
}

/// Who would claim any of these.
pub async fn claimants(tx: &mut Tx, import: Uuid, claims: &[Vec<u8>]) -> sqlx::Result<Vec<Uuid>> {
    let rows =
        match tx.conn() {
            shared_runtime::db::Conn::Postgres(c) => sqlx::query_as::<_, (Uuid,)>(
                "select distinct patient_id from rehearsed_claims where import_id = $1 and claim = any($2)",
            )
            .bind(import)
            .bind(claims.to_vec())
            .fetch_all(c)
            .await,
            shared_runtime::db::Conn::Sqlite(c) => {
                let words: Vec<String> = claims.iter().map(|claim| hex(claim)).collect();
                sqlx::query_as::<_, (Uuid,)>(
                    "select distinct patient_id from rehearsed_claims
                  where import_id = $1 and claim in (select unhex(value) from json_each($2))",
                )
                .bind(import)
                .bind(sqlx::types::Json(words))
                .fetch_all(c)
                .await
            }
        }?;
    Ok(rows.into_iter().map(|(patient,)| patient).collect())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Patients as they would be, of those named.
pub async fn find(tx: &mut Tx, import: Uuid, patients: &[Uuid]) -> sqlx::Result<Vec<Rehearsed>> {
    fetch_by_ids!(
        tx.conn(),
        Rehearsed,
        patients,
        "select patient_id, row_no, sealed from rehearsed_patients where patient_id",
        "and import_id = $2",
        import
    )
}

/// Deletes the first rows of a dry run in a table, by their key.
macro_rules! clear {
    ($tx:ident, $import:ident, $most:ident, $table:literal, $key:literal, $rust:ty) => {{
        let first = fetch_all!(
            $tx.conn(),
            ($rust,),
            concat!("select ", $key, " from ", $table, " where import_id = $1 order by ", $key, " limit $2"),
            $import,
            $most
        )?;
        match first.last() {
            None => 0,
            Some((last,)) => execute!(
                $tx.conn(),
                concat!("delete from ", $table, " where import_id = $1 and ", $key, " <= $2"),
                $import,
                last
            )?,
        }
    }};
}

/// Removes of a dry run that is over up to `most` patients, claims, and invitations it would have asked for; how many went.
pub async fn clear(tx: &mut Tx, import: Uuid, most: i64) -> sqlx::Result<u64> {
    let patients = clear!(tx, import, most, "rehearsed_patients", "patient_id", Uuid);
    let claims = clear!(tx, import, most, "rehearsed_claims", "claim", Vec<u8>);
    let invitations = clear!(tx, import, most, "import_invitations", "patient_id", Uuid);
    Ok(patients + claims + invitations)
}
