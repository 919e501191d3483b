//! Bulk jobs retried, cancelled, repeated, and asked for by those who may not.

use crate::bulk_world::BULK;
use crate::events::created;
use crate::world::{CLINIC, World};
use invites_service::bulk::worker::{BATCH, Stepped};
use reqwest::Method;
use serde_json::{Value, json};
use shared_events::clinic::OpenInvitePolicy;
use shared_http::Role;
use testkit::databases::Door;
use uuid::Uuid;

testkit::on_both_databases!(
    the_failed_are_tried_again,
    cancelled_half_way,
    cancelled_while_tried_again,
    cancelled_while_gathering,
    repeated_requests,
    two_of_the_same_at_once,
    another_clinic_finds_nothing,
    roles,
);

async fn the_failed_are_tried_again(door: Door) {
    let world = World::new(door).await;
    world.policy(OpenInvitePolicy::Reject, 1).await;
    let patients = world.patients(3).await;
    let open = world.issue(patients[1]).await.id();
    let job = world.bulk(json!({ "patient_ids": patients })).await;
    world.order(job, "retry").await.is(409, "bulk_running");
    world.drain().await;
    assert_eq!(world.stands(job).await, ("done".into(), [3, 0, 2, 1, 0]));
    // Nothing has changed yet: it fails again, and nobody else is invited twice.
    assert_eq!(world.order(job, "retry").await.is(202, "").id(), job);
    assert_eq!(world.stands(job).await, ("running".into(), [3, 1, 2, 0, 0]));
    let waiting = world.outcomes(job, "&outcome=waiting").await;
    assert_eq!(waiting, [(patients[1], json!({ "patient_id": patients[1], "outcome": "waiting" }))].into());
    assert_eq!(world.job(job).await["failures"], json!([]));
    world.drain().await;
    assert_eq!(world.job(job).await["failures"][0]["code"], "open_invite_exists");
    world.post(&format!("/api/invites/{open}/revoke"), json!({})).await.is(200, "");
    world.order(job, "retry").await.is(202, "");
    world.drain().await;
    assert_eq!(world.stands(job).await, ("done".into(), [3, 0, 3, 0, 0]));
    assert_eq!(world.job(job).await["failures"], json!([]));
    for patient in &patients {
        assert_eq!(world.statuses(*patient).await.iter().filter(|status| *status == "pending").count(), 1);
    }
    // Nobody failed: there is nothing to do, and that is no error.
    world.order(job, "retry").await.is(202, "");
    assert_eq!((world.drain().await, world.stands(job).await.0), (0, "done".into()));
}

async fn cancelled_half_way(door: Door) {
    let world = World::new(door).await;
    let count = usize::try_from(BATCH).expect("a count") + 50;
    let mut patients = world.patients(count).await;
    // The first in the order of ids: it fails in the first batch.
    patients.insert(0, Uuid::from_u128(1));
    let job = world.bulk(json!({ "patient_ids": patients })).await;
    let worker = world.service.bulk_worker();
    assert_eq!(worker.step().await.expect("a step"), Stepped::Decided(200));
    world.order(job, "cancel").await.is(202, "");
    let stands = ("cancelled".to_owned(), [251, 0, 199, 1, 51]);
    assert_eq!(world.stands(job).await, stands);
    // So it looks from the first moment on, though nobody is marked yet.
    assert_eq!(world.outcomes(job, "&outcome=cancelled").await.len(), 51);
    assert_eq!(world.outcomes(job, "&outcome=waiting").await.len(), 0);
    world.order(job, "retry").await.is(409, "bulk_running");
    assert_eq!(worker.step().await.expect("a step"), Stepped::Marked(51));
    world.drain().await;
    assert_eq!(world.stands(job).await, stands);
    assert_eq!(world.outcomes(job, "&outcome=cancelled").await.len(), 51);
    assert_eq!(world.number("select count(*) from invites where status = 'pending'").await, 199);
    let finished = world.job(job).await["finished_at"].clone();
    world.clock.advance(chrono::TimeDelta::hours(1));
    world.order(job, "cancel").await.is(202, "");
    assert_eq!((world.drain().await, world.job(job).await["finished_at"].clone()), (0, finished));
    // Who was cancelled is not among the failed.
    world.order(job, "retry").await.is(202, "");
    world.drain().await;
    assert_eq!(world.stands(job).await, ("done".into(), [251, 0, 199, 1, 51]));
    assert_eq!(world.number("select count(*) from invites").await, 199);
}

async fn cancelled_while_tried_again(door: Door) {
    let world = World::new(door).await;
    let (fine, nobody) = (world.patient().await, world.clock.new_id());
    let job = world.bulk(json!({ "patient_ids": [fine, nobody] })).await;
    world.drain().await;
    assert_eq!(world.stands(job).await, ("done".into(), [2, 0, 1, 1, 0]));
    world.order(job, "retry").await.is(202, "");
    world.order(job, "cancel").await.is(202, "");
    for steps in [2, 0] {
        assert_eq!(world.stands(job).await, ("cancelled".into(), [2, 0, 1, 0, 1]));
        let cancelled = world.outcomes(job, "&outcome=cancelled").await;
        assert_eq!(cancelled.values().map(|item| item.get("code")).collect::<Vec<_>>(), [None]);
        assert_eq!(world.outcomes(job, "&outcome=failed").await.len(), 0);
        assert_eq!(world.drain().await, steps);
    }
    world.order(job, "retry").await.is(202, "");
    assert_eq!((world.drain().await, world.stands(job).await.0), (0, "cancelled".into()));
    assert_eq!(world.invites_each().await, [(fine, 1)].into());
}

async fn cancelled_while_gathering(door: Door) {
    let world = World::new(door).await;
    world.patients(5).await;
    let job = world.bulk(json!({ "filter": {} })).await;
    world.order(job, "cancel").await.is(202, "");
    world.drain().await;
    assert_eq!(world.stands(job).await, ("cancelled".into(), [0; 5]));
    let job = world.bulk(json!({ "filter": {} })).await;
    assert_eq!(world.service.bulk_worker().step().await.expect("a step"), Stepped::Gathered(5));
    world.order(job, "cancel").await.is(202, "");
    world.drain().await;
    assert_eq!(world.stands(job).await, ("cancelled".into(), [5, 0, 0, 0, 5]));
    assert_eq!(world.number("select count(*) from invites").await, 0);
}

async fn post(world: &World, path: &str, key: &str, body: Option<&Value>) -> crate::world::Answer {
    let token = world.token(CLINIC, Role::Staff);
    world.ask(Method::POST, path, Some(&token), &[("idempotency-key", key)], body.cloned()).await
}

async fn repeated_requests(door: Door) {
    let world = World::new(door).await;
    let patients = world.patients(2).await;
    let body = json!({ "patient_ids": [patients[0], Uuid::nil()], "provider_id": "x" });
    let job = post(&world, BULK, "k-1", Some(&body)).await.is(202, "").id();
    world.drain().await;
    assert_eq!(post(&world, BULK, "k-1", Some(&body)).await.is(202, "").id(), job);
    assert_eq!(world.number("select count(*) from bulk_invites").await, 1);
    let other = json!({ "patient_ids": [patients[1]], "provider_id": "x" });
    post(&world, BULK, "k-1", Some(&other)).await.is(422, "idempotency_key_reused");
    // A retry that is sent again is the same retry, though one more would be possible.
    let retry = format!("{BULK}/{job}/retry");
    post(&world, &retry, "k-2", None).await.is(202, "");
    post(&world, &retry, "k-2", None).await.is(202, "");
    assert_eq!(world.drain().await, 2);
    post(&world, &retry, "k-2", None).await.is(202, "");
    assert_eq!(world.drain().await, 0);
    post(&world, &format!("{BULK}/{job}/cancel"), "k-2", None).await.is(422, "idempotency_key_reused");
}

async fn two_of_the_same_at_once(door: Door) {
    let world = World::new(door).await;
    let patient = world.patient().await;
    let body = json!({ "patient_ids": [patient], "provider_id": "x" });
    let asking = || post(&world, BULK, "k-1", Some(&body));
    let (a, b, c, d) = tokio::join!(asking(), asking(), asking(), asking());
    let ids = [a, b, c, d].map(|answer| answer.is(202, "").id());
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    assert_eq!(world.number("select count(*) from bulk_invites").await, 1);
}

async fn another_clinic_finds_nothing(door: Door) {
    let world = World::new(door).await;
    let job = world.bulk(json!({ "patient_ids": [world.clock.new_id()] })).await;
    let stranger = world.token("clinic-2", Role::Admin);
    for path in ["", "/patients", "/events"] {
        let path = format!("{BULK}/{job}{path}");
        world.ask(Method::GET, &path, Some(&stranger), &[], None).await.is(404, "not_found");
    }
    for action in ["retry", "cancel"] {
        let path = format!("{BULK}/{job}/{action}");
        world.ask(Method::POST, &path, Some(&stranger), &[], None).await.is(404, "not_found");
    }
    // Nor does a stranger's job find our patients, by list or by filter.
    let ours = world.patients(2).await;
    world.patients_of("clinic-2", 1, created).await;
    for (whom, outcome) in [(json!({ "patient_ids": ours }), [2, 0, 2]), (json!({ "filter": {} }), [1, 1, 0])]
    {
        let mut body = whom;
        body["provider_id"] = "x".into();
        let begun = world.ask(Method::POST, BULK, Some(&stranger), &[], Some(body)).await;
        world.drain().await;
        let path = format!("{BULK}/{}", begun.is(202, "").id());
        let job = world.ask(Method::GET, &path, Some(&stranger), &[], None).await;
        assert_eq!(["total", "issued", "failed"].map(|name| job.body[name].as_i64()), outcome.map(Some));
    }
    assert_eq!(world.stands(job).await.0, "done");
    let cursor = world.get(&format!("{BULK}?limit=1")).await.body["next_cursor"].clone();
    assert_eq!(cursor, Value::Null, "the stranger's jobs are not ours");
}

async fn roles(door: Door) {
    let world = World::new(door).await;
    let job = world.bulk(json!({ "patient_ids": [world.patient().await] })).await;
    world.drain().await;
    let viewer = world.token(CLINIC, Role::Viewer);
    let body = json!({ "filter": {}, "provider_id": "x" });
    for (path, body) in [
        (BULK.to_owned(), Some(body)),
        (format!("{BULK}/{job}/retry"), None),
        (format!("{BULK}/{job}/cancel"), None),
    ] {
        world.ask(Method::POST, &path, Some(&viewer), &[], body.clone()).await.is(403, "role_insufficient");
        world.ask(Method::POST, &path, None, &[], body).await.is(401, "token_missing");
    }
    for path in ["", "/patients", "/events"] {
        let path = format!("{BULK}/{job}{path}");
        world.ask(Method::GET, &path, Some(&viewer), &[], None).await.is(200, "");
        world.ask(Method::GET, &path, None, &[], None).await.is(401, "token_missing");
    }
    world.ask(Method::GET, BULK, None, &[], None).await.is(401, "token_missing");
    assert_eq!(world.number("select count(*) from bulk_invites").await, 1);
}
