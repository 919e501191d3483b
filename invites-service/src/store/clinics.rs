//! Copies of clinics' settings, fed by the bus: the newest version of each.

use shared_events::AccountId;
use shared_events::clinic::ClinicSettings;
use shared_runtime::db::{Conn, Rows, Tx};
use shared_runtime::{fetch_by_texts, fetch_optional};
use sqlx::types::Json;
use std::collections::{BTreeMap, HashMap};

/// Settings as an event told them.
#[derive(Debug, Clone)]
pub struct Told {
    /// The clinic.
    pub account: AccountId,
    /// The event's place in the clinic's stream.
    pub version: i64,
    /// All settings.
    pub settings: ClinicSettings,
}

/// The settings of clinics; one that is not in the answer has the defaults.
pub async fn of(conn: Conn<'_>, accounts: &[AccountId]) -> sqlx::Result<HashMap<AccountId, ClinicSettings>> {
    let names: Vec<String> = accounts.iter().map(|account| account.as_str().to_owned()).collect();
    let rows = fetch_by_texts!(
        conn,
        (String, Json<ClinicSettings>),
        &names,
        "select account_id, settings from clinics where account_id",
        ""
    )?;
    let read =
        |(name, settings): (String, Json<ClinicSettings>)| Some((AccountId::parse(&name).ok()?, settings.0));
    Ok(rows.into_iter().filter_map(read).collect())
}

/// The settings of one clinic.
pub async fn read(conn: Conn<'_>, account: &AccountId) -> sqlx::Result<ClinicSettings> {
    let row = fetch_optional!(
        conn,
        (Json<ClinicSettings>,),
        "select settings from clinics where account_id = $1",
        account.as_str()
    )?;
    Ok(row.map(|(settings,)| settings.0).unwrap_or_default())
}

/// Keeps the newest of what was told.
pub async fn put(tx: &mut Tx, told: &[Told]) -> sqlx::Result<()> {
    // One statement may touch a row once, and rows are locked in one order by all.
    let mut newest: BTreeMap<&AccountId, &Told> = BTreeMap::new();
    for one in told {
        let kept = newest.entry(&one.account).or_insert(one);
        if kept.version < one.version {
            *kept = one;
        }
    }
    let told: Vec<&Told> = newest.into_values().collect();
    let rows = Rows::of("clinics")
        .from(&told, "account_id", |t| t.account.as_str().to_owned())
        .from(&told, "version", |t| t.version)
        .from(&told, "settings", |t| Json(serde_json::to_value(&t.settings).unwrap_or_default()));
    tx.insert(
        rows,
        "on conflict (account_id) do update set version = excluded.version, settings = excluded.settings
          where clinics.version < excluded.version",
    )
    .await
    .map(drop)
}
