//! Proofs made from the service's own description; see `testkit::api`.

use crate::world::World;
use testkit::api::{Stage, access, audited, foreign, public, tables};
use testkit::databases::Door;

testkit::on_both_databases!(
    everybody_is_let_in_where_the_document_says_so,
    another_clinics_ids_are_ids_that_nobody_has,
    another_clinics_cursors_lead_nowhere,
    another_clinics_keys_are_free,
    all_that_staff_do_or_see_is_written_down,
    following_links_changes_nothing,
    forms_without_a_fact_change_nothing,
);

/// Operations that leave no row in the audit, each with its reason.
const UNWRITTEN: [(&str, &str); 0] = [];

/// A clinic with patients, open and ended invites and a bulk job.
async fn stage(world: &World) -> Stage {
    let mut things = Vec::new();
    for _ in 0..3 {
        things.push(world.patient().await);
    }
    let kept = world.issue(things[0]).await;
    let revoked = world.issue(things[1]).await;
    things.extend([kept.id(), revoked.id()]);
    world.post(&format!("/api/invites/{}/revoke", revoked.id()), serde_json::json!({})).await.is(200, "");
    // Two jobs: one is at its end, one is still to be carried out.
    for _ in 0..2 {
        world.drain().await;
        let body = serde_json::json!({ "patient_ids": [things[2]], "provider_id": "dr-grey" });
        things.push(world.post("/api/invites/bulk", body).await.is(202, "").id());
    }
    // Its first look is a fact; the next ones are not.
    world.verify(&kept.token()).await.is(200, "");
    let link = Some(kept.token());
    Stage { link, ..Stage::new(&world.url, "/openapi/invites.json", &world.issuer(), things).await }
}

async fn everybody_is_let_in_where_the_document_says_so(door: Door) {
    let world = World::new(door).await;
    access::matrix(&stage(&world).await).await;
}

async fn another_clinics_ids_are_ids_that_nobody_has(door: Door) {
    let world = World::new(door).await;
    let stage = stage(&world).await;
    let ours = "select count(*) from events where account_id = 'clinic-1'";
    let before = world.number(ours).await;
    foreign::ids(&stage).await;
    // Jobs that name our patients are taken in as jobs that name nobody: they come to nothing.
    world.drain().await;
    assert_eq!(world.number("select count(*) from events where account_id = 'clinic-2'").await, 0);
    let issued = world.number("select count(*) from invites where account_id = 'clinic-2'").await;
    assert_eq!((issued, world.number(ours).await >= before), (0, true));
}

async fn another_clinics_cursors_lead_nowhere(door: Door) {
    let world = World::new(door).await;
    foreign::cursors(&stage(&world).await).await;
}

async fn another_clinics_keys_are_free(door: Door) {
    let world = World::new(door).await;
    foreign::keys(&stage(&world).await).await;
}

async fn all_that_staff_do_or_see_is_written_down(door: Door) {
    let world = World::new(door).await;
    audited::everything_is_written_down(&stage(&world).await, "/api/audit/invites", &UNWRITTEN).await;
}

async fn following_links_changes_nothing(door: Door) {
    let world = World::new(door).await;
    let stage = stage(&world).await;
    public::reading_changes_nothing(&stage, &world.service.core().db).await;
}

async fn forms_without_a_fact_change_nothing(door: Door) {
    let world = World::new(door).await;
    let stage = stage(&world).await;
    let db = &world.service.core().db;
    public::forms_without_a_fact_change_nothing(&stage, db).await;
    // The proof sees what a whole form does.
    let before = tables::state(db, &[]).await;
    let link = stage.link.clone().expect("a link");
    assert_eq!(world.accept(&link, "1999-09-09").await.status, 403);
    assert_ne!(tables::state(db, &[]).await, before);
}
