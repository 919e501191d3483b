//! The relay beside raw confirmed publishing of the very same bytes, on the same broker, one after the
//! other.

use anyhow::Result;
use serde_json::json;
use shared_events::patient::{Origin, PatientCreated, PatientDetails, PatientRecord, PatientStatus};
use shared_events::{AccountId, Event, Secret};
use shared_runtime::Db;
use shared_runtime::bus::{Bus, Message, Topology};
use shared_runtime::clock::Clock;
use shared_runtime::core::Core;
use shared_runtime::keys::Keyring;
use shared_runtime::log::{Meta, NewEvent};
use shared_runtime::relay::RelayStatus;
use shared_runtime::secrets::Secrets;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// Where, how many.
#[derive(clap::Args)]
pub struct Flags {
    /// An empty database.
    #[arg(long, env = "BENCH_DATABASE_URL")]
    database_url: String,
    /// Another.
    #[arg(long, env = "BENCH_KEYS_URL")]
    keys_url: String,
    /// The broker.
    #[arg(long, env = "BENCH_BUS_URL")]
    bus_url: String,
    /// How many events.
    #[arg(long, default_value_t = 50_000)]
    events: usize,
}

/// Prints events per second of both.
pub async fn run(flags: Flags) -> Result<()> {
    let topology = Topology::prefixed("bench.");
    let bus = Bus::open(&flags.bus_url, topology).await?;
    let key = || Keyring::generate("k1");
    let secrets = Secrets {
        wrapping: key(),
        bus: key(),
        http: key(),
        erasures: std::env::temp_dir().join("bench-erasures.log"),
    };
    let db = Db::open(&flags.database_url, 8, migrations::CORE).await?;
    let keys_db = Db::open(&flags.keys_url, 4, migrations::KEYS).await?;
    let core = Core::new("patients", db, keys_db, bus.clone(), &secrets, Clock::System).await?;
    fill(&core, flags.events).await?;

    let stop = CancellationToken::new();
    let started = Instant::now();
    let relay = core.relay(&stop);
    while RelayStatus::read(&core.db).await?.waiting() > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let relayed = started.elapsed();
    stop.cancel();
    relay.await?;

    let bodies = bodies(&core, &secrets, flags.events).await?;
    bus.delete_topology().await?;
    let mut publisher = bus.publisher().await?;
    let started = Instant::now();
    for window in bodies.chunks(1000) {
        let published = publisher.publish(window, Duration::from_secs(30)).await;
        anyhow::ensure!(
            published.confirmed == window.len(),
            "raw publishing failed: {:?}",
            published.failure
        );
    }
    let raw = started.elapsed();
    bus.delete_topology().await?;
    let rate = |took: Duration| flags.events as f64 / took.as_secs_f64();
    println!(
        "{}",
        json!({ "events": flags.events, "relay_per_second": rate(relayed), "raw_per_second": rate(raw) })
    );
    Ok(())
}

async fn fill(core: &Core, events: usize) -> Result<()> {
    let account = AccountId::parse("bench")?;
    let mut left = events;
    while left > 0 {
        let count = left.min(1000);
        left -= count;
        let keys = core.log.keys().take(count).await?;
        let batch: Vec<NewEvent> = keys.iter().map(|key| created(core, &account, key.id)).collect();
        let mut tx = core.db.begin().await?;
        core.log.append(&mut tx, &batch).await?;
        tx.commit().await?;
    }
    Ok(())
}

fn created(core: &Core, account: &AccountId, key: uuid::Uuid) -> NewEvent {
    let details = PatientDetails {
        email: format!("{key}@example.org"),
        first_name: "Ada".to_owned(),
        last_name: "Lovelace".to_owned(),
        phone: Some("+44 20 7946 0018".to_owned()),
        date_of_birth: None,
        notes: None,
        external_id: Some(key.to_string()),
        clinician_name: None,
    };
    let record = PatientRecord {
        status: PatientStatus::Pending,
        clinician_id: None,
        preferred_language: None,
        incomplete: false,
        user_id: None,
        invites_void_before: 0,
        personal: Secret::Known(details),
    };
    NewEvent {
        id: core.clock.new_id(),
        stream: core.clock.new_id(),
        version: 1,
        account: account.clone(),
        key: Some(key),
        occurred_at: core.clock.now(),
        meta: Meta { actor: "staff:bench".to_owned(), ..Meta::default() },
        event: Event::PatientCreated(PatientCreated { record, origin: Origin::Staff, import_id: None }),
    }
}

/// The messages that the relay sent, made before the clock starts.
async fn bodies(core: &Core, secrets: &Secrets, events: usize) -> Result<Vec<Message>> {
    let mut messages = Vec::with_capacity(events);
    let mut after = 0;
    while messages.len() < events {
        let mut reader = core.db.read().await?;
        let window = core.log.window(reader.conn(), uuid::Uuid::nil(), &secrets.bus, after, 1000).await?;
        after += i64::try_from(window.len())?;
        for unsent in window {
            messages.push(Message {
                id: unsent.envelope.id,
                routing_key: unsent.routing_key,
                body: serde_json::to_vec(&unsent.envelope)?,
                traceparent: None,
            });
        }
    }
    Ok(messages)
}
