//! Proofs made from the service's own description; see `testkit::api`.

use crate::common::client::{at, person};
use crate::common::{Served, World, csv, on_both_databases};
use serde_json::json;
use testkit::api::{Stage, access, audited, foreign, public};
use uuid::Uuid;

on_both_databases!(
    everybody_is_let_in_where_the_document_says_so,
    another_clinics_ids_are_ids_that_nobody_has,
    another_clinics_cursors_lead_nowhere,
    another_clinics_keys_are_free,
    all_that_staff_do_or_see_is_written_down,
    following_links_changes_nothing,
);

/// Operations that leave no row in the audit, each with its reason.
const UNWRITTEN: [(&str, &str); 0] = [];

/// A clinic with patients, an archived one among them, and two imports, one with a row that failed.
async fn stage(served: &Served) -> Stage {
    let mut things = Vec::new();
    for number in 1..=3 {
        things.push(served.staff().create(&person(number)).await);
    }
    served.staff().delete(&at(things[2]), "*").await.is(200);
    served.admin().patch("/api/clinic", "*", &json!({ "name": "Ours" })).await.is(200);
    for file in
        ["email,first,last\na@example.org,A,B\nc@example.org,C,\n", "email,first,last\nd@example.org,D,E\n"]
    {
        let done = csv::import(served, file).await;
        things.push(done["id"].as_str().and_then(|id| id.parse::<Uuid>().ok()).unwrap());
    }
    Stage::new(&served.url, "/openapi/patients.json", &served.world.issuer(), things).await
}

async fn everybody_is_let_in_where_the_document_says_so(world: World) {
    let served = world.serve().await;
    access::matrix(&stage(&served).await).await;
}

async fn another_clinics_ids_are_ids_that_nobody_has(world: World) {
    let served = world.serve().await;
    let stage = stage(&served).await;
    foreign::ids(&stage).await;
    let archived = served.staff().get(&at(stage.things[2])).await.is(200);
    assert_eq!((&archived.body["status"], archived.etag().as_str()), (&json!("inactive"), "\"2\""));
}

async fn another_clinics_cursors_lead_nowhere(world: World) {
    let served = world.serve().await;
    foreign::cursors(&stage(&served).await).await;
}

async fn another_clinics_keys_are_free(world: World) {
    let served = world.serve().await;
    foreign::keys(&stage(&served).await).await;
}

async fn all_that_staff_do_or_see_is_written_down(world: World) {
    let served = world.serve().await;
    audited::everything_is_written_down(&stage(&served).await, "/api/audit/patients", &UNWRITTEN).await;
}

async fn following_links_changes_nothing(world: World) {
    let served = world.serve().await;
    let stage = stage(&served).await;
    public::reading_changes_nothing(&stage, &served.service.core().db).await;
}
