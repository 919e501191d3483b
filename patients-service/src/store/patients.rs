//! One row per patient: the record as it stands, for reading and searching.

use crate::desk::Decided;
use crate::domain::{Known, Patient};
use chrono::{DateTime, NaiveDate, Utc};
use shared_events::AccountId;
use shared_events::patient::PatientDetails;
use shared_events::values::normalise;
use shared_runtime::db::{Conn, Rows, Tx};
use shared_runtime::{execute, fetch_optional};
use std::collections::HashMap;
use uuid::Uuid;

/// A patient's row, with the answer of the other side beside it.
#[derive(Debug, Clone, sqlx::FromRow)]
#[expect(missing_docs, reason = "the fields are the brief's own")]
pub struct Row {
    pub id: Uuid,
    pub account_id: String,
    pub version: i64,
    pub status: String,
    pub email: String,
    pub first_name: String,
    pub last_name: String,
    pub phone: Option<String>,
    pub date_of_birth: Option<NaiveDate>,
    pub notes: Option<String>,
    pub external_id: Option<String>,
    pub clinician_id: Option<String>,
    pub clinician_name: Option<String>,
    pub preferred_language: Option<String>,
    pub incomplete: bool,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub has_pending_invite: bool,
    pub sort_name: String,
}

/// The columns of [`Row`]; `$2` is now, so that an invite that lapsed counts as ended before the
/// sweeper says so.
#[macro_export]
macro_rules! patient_columns {
    () => {
        "p.id, p.account_id, p.version, p.status, p.email, p.first_name, p.last_name, p.phone, p.date_of_birth,
         p.notes, p.external_id, p.clinician_id, p.clinician_name, p.preferred_language, p.incomplete,
         p.created_at, p.updated_at, p.sort_name,
         exists (select 1 from patient_invite i
                  where i.patient_id = p.id and i.account_id = p.account_id and i.pending and i.expires_at > $2) as has_pending_invite"
    };
}

/// Reads a patient of the clinic.
pub async fn find(
    conn: Conn<'_>,
    account: &AccountId,
    id: Uuid,
    now: DateTime<Utc>,
) -> sqlx::Result<Option<Row>> {
    fetch_optional!(
        conn,
        Row,
        concat!("select ", patient_columns!(), " from patients p where p.account_id = $1 and p.id = $3"),
        account.as_str(),
        now,
        id
    )
}

/// Writes the rows of patients that were decided about: the last state of each.
pub async fn put(tx: &mut Tx, decided: &[Decided]) -> sqlx::Result<()> {
    let mut last: HashMap<Uuid, &Patient> = HashMap::new();
    for one in decided {
        last.insert(one.event.stream, &one.after);
    }
    let mut known: Vec<(Uuid, &Known)> = Vec::new();
    for (id, patient) in last {
        match patient {
            Patient::Known(record) => known.push((id, record)),
            Patient::Erased { .. } => drop(execute!(tx.conn(), "delete from patients where id = $1", id)?),
            Patient::Absent => {}
        }
    }
    known.sort_by_key(|(id, _)| *id);
    tx.insert(
        rows(&known),
        "on conflict (id) do update set
            version = excluded.version, status = excluded.status, email = excluded.email,
            first_name = excluded.first_name, last_name = excluded.last_name, phone = excluded.phone,
            date_of_birth = excluded.date_of_birth, notes = excluded.notes,
            external_id = excluded.external_id, clinician_id = excluded.clinician_id,
            clinician_name = excluded.clinician_name, preferred_language = excluded.preferred_language,
            incomplete = excluded.incomplete, user_id = excluded.user_id, sort_name = excluded.sort_name,
            search = excluded.search, updated_at = excluded.updated_at
          where patients.version < excluded.version",
    )
    .await
    .map(drop)
}

fn rows(known: &[(Uuid, &Known)]) -> Rows {
    Rows::of("patients")
        .from(known, "id", |(id, _)| *id)
        .from(known, "account_id", |(_, k)| k.account.as_str().to_owned())
        .from(known, "version", |(_, k)| k.version)
        .from(known, "status", |(_, k)| k.status.as_str().to_owned())
        .from(known, "email", |(_, k)| k.details.email.clone())
        .from(known, "first_name", |(_, k)| k.details.first_name.clone())
        .from(known, "last_name", |(_, k)| k.details.last_name.clone())
        .from(known, "phone", |(_, k)| k.details.phone.clone())
        .from(known, "date_of_birth", |(_, k)| k.details.date_of_birth)
        .from(known, "notes", |(_, k)| k.details.notes.clone())
        .from(known, "external_id", |(_, k)| k.details.external_id.clone())
        .from(known, "clinician_id", |(_, k)| k.clinician_id.clone())
        .from(known, "clinician_name", |(_, k)| k.details.clinician_name.clone())
        .from(known, "preferred_language", |(_, k)| k.preferred_language.clone())
        .from(known, "incomplete", |(_, k)| k.incomplete)
        .from(known, "user_id", |(_, k)| k.user_id)
        .from(known, "import_id", |(_, k)| k.import_id)
        .from(known, "key_id", |(_, k)| k.key)
        .from(known, "sort_name", |(_, k)| sort_name(k))
        .from(known, "search", |(_, k)| search(k))
        .from(known, "created_at", |(_, k)| k.created_at)
        .from(known, "updated_at", |(_, k)| k.updated_at)
}

/// Last name, first name: the order of a register.
fn sort_name(known: &Known) -> String {
    normalise(&format!("{} {}", known.details.last_name, known.details.first_name))
}

/// What a search looks through: names both ways round, address, external id.
fn search(known: &Known) -> String {
    let details = &known.details;
    let external = details.external_id.as_deref().unwrap_or_default();
    normalise(&format!(
        "{} {} {}\n{}\n{external}",
        details.first_name, details.last_name, details.first_name, details.email
    ))
}

#[derive(sqlx::FromRow)]
struct Details {
    email: String,
    first_name: String,
    last_name: String,
    phone: Option<String>,
    external_id: Option<String>,
}

/// By what a patient's row is recognised; none where there is no row.
pub async fn details(conn: Conn<'_>, id: Uuid) -> sqlx::Result<Option<PatientDetails>> {
    let row = fetch_optional!(
        conn,
        Details,
        "select email, first_name, last_name, phone, external_id from patients where id = $1",
        id
    )?;
    Ok(row.map(|row| PatientDetails {
        email: row.email,
        first_name: row.first_name,
        last_name: row.last_name,
        phone: row.phone,
        external_id: row.external_id,
        date_of_birth: None,
        notes: None,
        clinician_name: None,
    }))
}
