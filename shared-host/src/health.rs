//! What every service leans on, for the readiness page.

use shared_http::Health;
use shared_runtime::core::Core;

/// Adds a service's databases, without which requests fail, and the bus, without which they do not: what
/// is to be said waits in the log.
pub fn of_core(health: Health, core: &Core) -> Health {
    let (database, keys) = match core.log.source() {
        "patients" => ("patients_database", "patients_keys"),
        _ => ("invites_database", "invites_keys"),
    };
    let health = [(database, core.db.clone()), (keys, core.keys_db.clone())].into_iter().fold(
        health,
        |health, (name, db)| {
            health.check(name, true, move || {
                let db = db.clone();
                async move { finding(db.ping().await.is_ok()) }
            })
        },
    );
    let bus = core.bus.clone();
    health.check("bus", false, move || {
        let bus = bus.clone();
        async move { finding(bus.ping().await.is_ok()) }
    })
}

fn finding(answers: bool) -> Result<String, String> {
    if answers { Ok("answers".to_owned()) } else { Err("does not answer".to_owned()) }
}
