//! Clinics' settings.

use crate::desk::Decided;
use chrono::{DateTime, Utc};
use shared_events::AccountId;
use shared_events::clinic::ClinicSettings;
use shared_runtime::db::{Conn, Tx};
use shared_runtime::{execute, fetch_optional};
use sqlx::types::Json;
use std::collections::HashSet;
use uuid::Uuid;

/// Clinics that let patients share an address.
#[derive(Debug, Default)]
pub struct Sharing(HashSet<AccountId>);

impl Sharing {
    /// Of one clinic, whose settings the caller keeps from changing.
    pub fn of(account: &AccountId, allowed: bool) -> Sharing {
        Sharing(allowed.then(|| account.clone()).into_iter().collect())
    }

    /// Whether the clinic does.
    pub fn allowed(&self, account: &AccountId) -> bool {
        self.0.contains(account)
    }
}

/// Settings as they are kept: version 0 and the defaults for a clinic nobody configured.
#[derive(Debug, Clone, Default)]
pub struct Clinic {
    /// The stream's version.
    pub version: i64,
    /// The settings.
    pub settings: ClinicSettings,
}

/// Which of the clinics concerned share addresses. Their rows stay locked against a change of settings
/// until the transaction ends, so that sharing cannot be switched off under a claim being made.
pub async fn sharing(tx: &mut Tx, decided: &[Decided]) -> sqlx::Result<Sharing> {
    let accounts: HashSet<&AccountId> = decided.iter().map(|one| &one.event.account).collect();
    let mut sharing = Sharing::default();
    for account in accounts {
        if locked(tx, account, Lock::AgainstChange).await?.settings.allow_shared_email {
            sharing.0.insert(account.clone());
        }
    }
    Ok(sharing)
}

/// How a clinic's row is locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lock {
    /// Others may read it so too.
    AgainstChange,
    /// It is about to be changed.
    ForChange,
}

/// Reads a clinic's settings and keeps them as they are until the transaction ends.
pub async fn locked(tx: &mut Tx, account: &AccountId, lock: Lock) -> sqlx::Result<Clinic> {
    // SQLite has one writer, and this transaction is it.
    let sql = match (&tx, lock) {
        (Tx::Sqlite(_), _) => "select version, settings from clinics where account_id = $1",
        (Tx::Postgres(_), Lock::AgainstChange) => {
            "select version, settings from clinics where account_id = $1 for share"
        }
        (Tx::Postgres(_), Lock::ForChange) => {
            "select version, settings from clinics where account_id = $1 for update"
        }
    };
    read_with(tx.conn(), account, sql).await
}

/// Reads a clinic's settings.
pub async fn read(conn: Conn<'_>, account: &AccountId) -> sqlx::Result<Clinic> {
    read_with(conn, account, "select version, settings from clinics where account_id = $1").await
}

async fn read_with(conn: Conn<'_>, account: &AccountId, sql: &'static str) -> sqlx::Result<Clinic> {
    let row = fetch_optional!(conn, (i64, Json<ClinicSettings>), sql, account.as_str())?;
    Ok(row.map(|(version, settings)| Clinic { version, settings: settings.0 }).unwrap_or_default())
}

/// Writes a clinic's settings. `false` where another change came first.
pub async fn put(
    tx: &mut Tx,
    account: &AccountId,
    version: i64,
    settings: &ClinicSettings,
    now: DateTime<Utc>,
) -> sqlx::Result<bool> {
    let written = execute!(
        tx.conn(),
        "insert into clinics (account_id, version, settings, updated_at) values ($1, $2, $3, $4)
         on conflict (account_id) do update
            set version = excluded.version, settings = excluded.settings, updated_at = excluded.updated_at
          where clinics.version < excluded.version",
        account.as_str(),
        version,
        Json(settings),
        now
    )?;
    Ok(written == 1)
}

/// Patients that share an address with another of the clinic, at most 100.
pub async fn sharers(tx: &mut Tx, account: &AccountId) -> sqlx::Result<Vec<Uuid>> {
    let rows = shared_runtime::fetch_all!(
        tx.conn(),
        (Uuid,),
        "select patient_id from claims where account_id = $1 and kind = 'email' and value in (
            select value from claims where account_id = $1 and kind = 'email' group by value having count(*) > 1
         ) order by value, patient_id limit 100",
        account.as_str()
    )?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}

/// Makes every address of the clinic exclusive again; nobody may share one at this point.
pub async fn make_exclusive(tx: &mut Tx, account: &AccountId) -> sqlx::Result<()> {
    execute!(
        tx.conn(),
        "update claims set slot = $2 where account_id = $1 and kind = 'email'",
        account.as_str(),
        Uuid::nil()
    )
    .map(drop)
}
