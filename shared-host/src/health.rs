//! What every service leans on, for the readiness page.

use shared_http::Health;
use shared_runtime::consume::count_parked;
use shared_runtime::core::Core;

/// What the checks of a service are called: services in one process share a page.
#[derive(Debug, Clone, Copy)]
pub struct Names {
    /// Its database.
    pub database: &'static str,
    /// Its database of keys.
    pub keys: &'static str,
    /// Its parked messages.
    pub parked: &'static str,
}

/// Adds a service's databases, without which requests fail; and the bus and parked messages, without
/// which they do not: what is to be said waits in the log, and what was parked waits for a person.
pub fn of_core(health: Health, core: &Core, names: Names) -> Health {
    let (db, keys, parked, bus) = (core.db.clone(), core.keys_db.clone(), core.db.clone(), core.bus.clone());
    health
        .check(names.database, true, move || {
            let db = db.clone();
            async move { answers(db.ping().await.is_ok()) }
        })
        .check(names.keys, true, move || {
            let db = keys.clone();
            async move { answers(db.ping().await.is_ok()) }
        })
        .check(names.parked, false, move || {
            let db = parked.clone();
            async move {
                match count_parked(&db).await {
                    Ok(0) => Ok("none".to_owned()),
                    Ok(some) => Err(format!("{some} messages could not be handled and wait for a person")),
                    Err(_) => Err("cannot be counted".to_owned()),
                }
            }
        })
        .check("bus", false, move || {
            let bus = bus.clone();
            async move { answers(bus.ping().await.is_ok()) }
        })
}

fn answers(it_does: bool) -> Result<String, String> {
    if it_does { Ok("answers".to_owned()) } else { Err("does not answer".to_owned()) }
}
