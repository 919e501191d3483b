//! Copies of patients, fed by the bus: the newest version of each. A patient's row is also the lock
//! under which everything about the patient's invites is decided.

use crate::domain::Patient;
use crate::domain::patient::ERASED_VERSION;
use chrono::NaiveDate;
use shared_events::AccountId;
use shared_events::patient::PatientStatus;
use shared_events::values::normalise;
use shared_runtime::db::{Conn, Rows, Tx};
use shared_runtime::{execute, fetch_all, fetch_by_ids, fetch_one, fetch_optional};
use std::collections::{BTreeMap, HashMap};
use uuid::Uuid;

/// A patient's record as an event told it.
#[derive(Debug, Clone)]
pub struct Told {
    /// The patient.
    pub id: Uuid,
    /// The clinic.
    pub account: AccountId,
    /// The event's place in the patient's stream; [`ERASED_VERSION`] for a tombstone.
    pub version: i64,
    /// Where the patient stands.
    pub status: PatientStatus,
    /// Who cares for the patient.
    pub clinician_id: Option<String>,
    /// The import that put the patient on record: only the first event of the stream says so.
    pub import_id: Option<Uuid>,
    /// The personal fields; all empty for a tombstone.
    pub personal: Personal,
    /// Open invites made from an older version are void.
    pub void_before: i64,
}

/// The personal fields kept here: what acceptance and mails need, and no more.
#[derive(Clone, Default)]
#[expect(missing_docs, reason = "the fields are the brief's own")]
pub struct Personal {
    pub email: Option<String>,
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    pub date_of_birth: Option<NaiveDate>,
    pub preferred_language: Option<String>,
}

impl std::fmt::Debug for Personal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("<personal>")
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    account_id: String,
    version: i64,
    void_before: i64,
    status: String,
    email: Option<String>,
    first_name: Option<String>,
    last_name: Option<String>,
    date_of_birth: Option<NaiveDate>,
    key_id: Uuid,
    user_id: Option<Uuid>,
}

impl Row {
    fn patient(self) -> Option<Patient> {
        Some(Patient {
            id: self.id,
            // Stored clinic ids were parsed before they were stored.
            account: AccountId::parse(&self.account_id).ok()?,
            version: self.version,
            void_before: self.void_before,
            status: status(&self.status),
            email: self.email,
            first_name: self.first_name,
            last_name: self.last_name,
            date_of_birth: self.date_of_birth,
            key: self.key_id,
            user_id: self.user_id,
        })
    }
}

fn status(word: &str) -> PatientStatus {
    use PatientStatus::{Active, Erased, Inactive, Pending};
    // A word from a newer program counts as archived: nothing can be begun, nothing is lost.
    [Pending, Active, Inactive, Erased].into_iter().find(|s| s.as_str() == word).unwrap_or(Inactive)
}

/// Locks the rows of patients until the transaction ends, and reads them.
///
/// A statement of its own, before anything else is read: what the next statement sees was committed
/// before the lock was had. Rows are locked in the order of their ids by everybody, so that no two
/// transactions wait for each other in a circle.
pub async fn lock(tx: &mut Tx, ids: &[Uuid]) -> sqlx::Result<HashMap<Uuid, Patient>> {
    const POSTGRES: &str =
        "select id, account_id, version, void_before, status, email, first_name, last_name, date_of_birth,
                key_id, user_id
           from known_patients where id = any($1) order by id for update";
    let rows = match tx {
        Tx::Postgres(postgres) => {
            sqlx::query_as::<_, Row>(POSTGRES).bind(ids.to_vec()).fetch_all(&mut **postgres).await?
        }
        // SQLite has one writer, and this transaction is it.
        Tx::Sqlite(_) => fetch_by_ids!(
            tx.conn(),
            Row,
            ids,
            "select id, account_id, version, void_before, status, email, first_name, last_name, date_of_birth, key_id, user_id
               from known_patients where id",
            "order by id"
        )?,
    };
    Ok(rows.into_iter().filter_map(|row| Some((row.id, row.patient()?))).collect())
}

/// Reads a patient.
pub async fn find(conn: Conn<'_>, id: Uuid) -> sqlx::Result<Option<Patient>> {
    let row = fetch_optional!(
        conn,
        Row,
        "select id, account_id, version, void_before, status, email, first_name, last_name, date_of_birth, key_id, user_id
           from known_patients where id = $1",
        id
    )?;
    Ok(row.and_then(Row::patient))
}

/// Reads several patients; one that is not known is not in the answer.
pub async fn find_all(conn: Conn<'_>, ids: &[Uuid]) -> sqlx::Result<Vec<Patient>> {
    let rows = fetch_by_ids!(
        conn,
        Row,
        ids,
        "select id, account_id, version, void_before, status, email, first_name, last_name, date_of_birth, key_id, user_id
           from known_patients where id",
        "order by id"
    )?;
    Ok(rows.into_iter().filter_map(Row::patient).collect())
}

/// Whether another live patient of the same clinic has the patient's address, as far as is known here.
pub async fn share(conn: Conn<'_>, patient: &Patient, address: &str) -> sqlx::Result<bool> {
    let (others,) = fetch_one!(
        conn,
        (i64,),
        "select count(*) from known_patients
          where email_norm = $1 and account_id = $2 and id <> $3 and status in ('pending', 'active')",
        address,
        patient.account.as_str(),
        patient.id
    )?;
    Ok(others > 0)
}

/// Patients at an address, of any clinic, since whoever asks from outside names none.
pub async fn at_address(conn: Conn<'_>, address: &str, most: i64) -> sqlx::Result<Vec<(Uuid, String)>> {
    fetch_all!(
        conn,
        (Uuid, String),
        "select id, account_id from known_patients where email_norm = $1 order by id limit $2",
        address,
        most
    )
}

/// Keeps the newest of what was told. `new_keys` are for patients heard of for the first time, one each;
/// a known patient keeps its key.
pub async fn put(tx: &mut Tx, told: &[Told], new_keys: &HashMap<Uuid, Uuid>) -> sqlx::Result<()> {
    let (told, made_by) = newest(told);
    // A key is always there for a new row; for a known one what stands here is not looked at.
    let key = |t: &&Told| new_keys.get(&t.id).copied().unwrap_or_default();
    let rows = Rows::of("known_patients")
        .from(&told, "id", |t| t.id)
        .from(&told, "account_id", |t| t.account.as_str().to_owned())
        .from(&told, "version", |t| t.version)
        .from(&told, "status", |t| t.status.as_str().to_owned())
        .from(&told, "email", |t| t.personal.email.clone())
        .from(&told, "email_norm", |t| t.personal.email.as_deref().map(normalise))
        .from(&told, "first_name", |t| t.personal.first_name.clone())
        .from(&told, "last_name", |t| t.personal.last_name.clone())
        .from(&told, "date_of_birth", |t| t.personal.date_of_birth)
        .from(&told, "preferred_language", |t| t.personal.preferred_language.clone())
        .from(&told, "void_before", |t| t.void_before)
        .from(&told, "clinician_id", |t| t.clinician_id.clone())
        .from(&told, "import_id", |t| made_by.get(&t.id).copied())
        .from(&told, "key_id", key);
    let kept = tx
        .insert(
            rows,
            "on conflict (id) do update set
            version = excluded.version, status = excluded.status, email = excluded.email,
            email_norm = excluded.email_norm,
            first_name = excluded.first_name, last_name = excluded.last_name,
            date_of_birth = excluded.date_of_birth, preferred_language = excluded.preferred_language,
            void_before = excluded.void_before, clinician_id = excluded.clinician_id,
            import_id = coalesce(known_patients.import_id, excluded.import_id)
          where known_patients.version < excluded.version",
        )
        .await?;
    if kept < told.len() as u64 {
        // Something newer stood there; it does not know what only the first event says.
        came_late(tx, &made_by).await?;
    }
    Ok(())
}

/// Notes which import made patients of whom newer events were heard before the first one.
async fn came_late(tx: &mut Tx, made_by: &BTreeMap<Uuid, Uuid>) -> sqlx::Result<()> {
    let made: Vec<(&Uuid, &Uuid)> = made_by.iter().collect();
    // An upsert of rows that are all there, because it is the one form of update that takes many rows.
    let rows = Rows::of("known_patients")
        .from(&made, "id", |(id, _)| **id)
        .from(&made, "account_id", |_| String::new())
        .from(&made, "version", |_| 0_i64)
        .from(&made, "status", |_| String::new())
        .from(&made, "void_before", |_| 0_i64)
        .from(&made, "key_id", |_| Uuid::nil())
        .from(&made, "import_id", |(_, import)| Some(**import));
    tx.insert(
        rows,
        "on conflict (id) do update set import_id = excluded.import_id
          where known_patients.import_id is null",
    )
    .await
    .map(drop)
}

/// The newest of each patient, in the order of ids, since one statement may touch a row once; and the
/// import that made each, whichever event told it.
fn newest(told: &[Told]) -> (Vec<&Told>, BTreeMap<Uuid, Uuid>) {
    let mut newest: BTreeMap<Uuid, &Told> = BTreeMap::new();
    let mut made_by = BTreeMap::new();
    for one in told {
        made_by.extend(one.import_id.map(|import| (one.id, import)));
        let kept = newest.entry(one.id).or_insert(one);
        if kept.version < one.version {
            *kept = one;
        }
    }
    (newest.into_values().collect(), made_by)
}

/// Notes which login accepted a patient's invite.
pub async fn registered(tx: &mut Tx, patient: Uuid, user_id: Uuid) -> sqlx::Result<()> {
    execute!(tx.conn(), "update known_patients set user_id = $2 where id = $1", patient, user_id).map(drop)
}

impl Told {
    /// What is left of a patient who was erased.
    pub fn tombstone(id: Uuid, account: AccountId) -> Told {
        Told {
            id,
            account,
            version: ERASED_VERSION,
            status: PatientStatus::Erased,
            clinician_id: None,
            import_id: None,
            personal: Personal::default(),
            void_before: ERASED_VERSION,
        }
    }
}

/// Forgets which login accepted an erased patient's invite.
pub async fn unregistered(tx: &mut Tx, patient: Uuid) -> sqlx::Result<()> {
    execute!(tx.conn(), "update known_patients set user_id = null where id = $1", patient).map(drop)
}
