//! What an operator is told of the service.

use crate::common::csv::{carry_out, file, row};
use crate::common::{World, on_both_databases};
use serde_json::{Value, json};
use shared_host::status::Status;

on_both_databases!(events_and_jobs_are_counted_and_nobody_is_named,);

async fn events_and_jobs_are_counted_and_nobody_is_named(world: World) {
    let served = world.serve().await;
    let status = served.service.status(Status::new());
    let told = async || serde_json::to_value(status.read().await).unwrap();
    let counts = |told: &Value| {
        ["events", "published", "waiting", "parked"].map(|name| told[0][name].as_i64().unwrap())
    };
    assert_eq!(counts(&told().await), [0, 0, 0, 0]);
    served.staff().upload(file((0..3).map(row))).await.is(202);
    assert_eq!(told().await[0]["imports"], json!({"running": 1}));
    carry_out(&served).await;
    let now = told().await;
    assert_eq!((counts(&now), &now[0]["imports"]["running"]), ([3, 0, 3, 0], &json!(0)));
    assert!(now[0].get("relay_owner").is_none(), "nobody relays here");
    let names: Vec<&String> = now[0].as_object().unwrap().keys().collect();
    assert_eq!(
        names,
        ["erasures", "events", "imports", "log_id", "parked", "published", "service", "waiting"]
    );
}
