//! Bulk jobs under everything that happens to workers.

use crate::events::created;
use crate::world::{World, until};
use invites_service::bulk::worker::{Stepped, Worker};
use serde_json::json;
use shared_events::clinic::OpenInvitePolicy;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use testkit::databases::Door;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

testkit::on_both_databases!(
    cut_off_anywhere,
    nothing_by_halves,
    every_step_on_another_copy,
    two_copies_at_once,
    jobs_take_turns,
    a_large_register_is_gathered_in_pieces,
    against_single_invites,
    what_is_wrong_with_one_patient_stops_nobody,
);

/// Drops a step after so many polls: wherever it stood then, it stands no more. What it did, if it came
/// to its end.
async fn cut(worker: &Worker, polls: usize) -> Option<Stepped> {
    let mut step = Box::pin(worker.step());
    let mut left = polls;
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        step.as_mut().poll(context).map(|stepped| Some(stepped.expect("a step")))
    })
    .await
}

async fn cut_off_anywhere(door: Door) {
    let world = World::new(door).await;
    world.policy(OpenInvitePolicy::Allow, 1).await;
    let patients = world.patients(4).await;
    let whom = [json!({ "filter": {} }), json!({ "patient_ids": patients })];
    for (round, whom) in (1..).zip(whom) {
        let job = world.bulk(whom).await;
        let (mut polls, mut cuts) = (1_usize, 0);
        loop {
            match cut(&world.service.bulk_worker(), polls).await {
                Some(Stepped::Idle) if world.stands(job).await.0 == "done" => break,
                // What was cut off may hold the job's row until its connection is rolled back.
                Some(Stepped::Idle) => {}
                Some(_) => polls = 1,
                // Later each time, and at other places in the other round.
                None => (polls, cuts) = (polls + polls / 8 + round, cuts + 1),
            }
        }
        assert!(cuts > 0, "it was never cut off");
        assert_eq!(world.stands(job).await, ("done".into(), [4, 0, 4, 0, 0]));
        let each = world.invites_each().await;
        assert!(
            each.len() == 4 && each.values().all(|count| usize::try_from(*count) == Ok(round)),
            "{each:?}"
        );
    }
    assert_eq!(world.number("select count(*) from events where type = 'InviteIssued'").await, 8);
    world.rows_are_their_streams().await;
}

async fn nothing_by_halves(door: Door) {
    let world = World::new(door).await;
    let job = world.bulk(json!({ "patient_ids": world.patients(3).await })).await;
    let meddle = async |sql: &'static str| {
        let mut tx = world.service.core().db.begin().await.expect("a transaction");
        shared_runtime::execute!(tx.conn(), sql).expect(sql);
        tx.commit().await.expect("a commit");
    };
    // The invites can be written, and then their outcomes cannot.
    meddle("alter table bulk_invite_patients rename column code to elsewhere").await;
    let failed = world.service.bulk_worker().step().await.expect_err("a column is missing");
    assert!(failed.is_fault(), "{failed}");
    assert_eq!(world.number("select count(*) from events where type = 'InviteIssued'").await, 0);
    assert_eq!(world.number("select count(*) from invites").await, 0);
    meddle("alter table bulk_invite_patients rename column elsewhere to code").await;
    world.drain().await;
    assert_eq!(world.stands(job).await, ("done".into(), [3, 0, 3, 0, 0]));
    assert_eq!(world.number("select count(*) from events where type = 'InviteIssued'").await, 3);
}

async fn every_step_on_another_copy(door: Door) {
    let copies = {
        let world = World::new(door).await;
        let other = world.copy().await;
        [world, other]
    };
    let patients = copies[0].patients(450).await;
    let job = copies[0].bulk(json!({ "filter": {} })).await;
    let mut steps = Vec::new();
    for copy in copies.iter().cycle() {
        match copy.service.bulk_worker().step().await.expect("a step") {
            Stepped::Idle => break,
            stepped => steps.push(stepped),
        }
    }
    use Stepped::{Closed, Decided, Gathered};
    assert_eq!(steps, [Gathered(450), Decided(200), Decided(200), Decided(50), Closed(job)]);
    assert_eq!(copies[0].stands(job).await, ("done".into(), [450, 0, 450, 0, 0]));
    let each = copies[0].invites_each().await;
    assert!(each.keys().eq(&patients) && each.values().all(|count| *count == 1));
}

async fn two_copies_at_once(door: Door) {
    let first = World::new(door).await;
    let second = first.copy().await;
    first.policy(OpenInvitePolicy::Allow, 1).await;
    let patients = first.patients(700).await;
    let jobs = [
        first.bulk(json!({ "filter": { "has_pending_invite": null } })).await,
        first.bulk(json!({ "patient_ids": patients })).await,
        second.bulk(json!({ "patient_ids": patients[..300] })).await,
    ];
    let stop = CancellationToken::new();
    let mut working = JoinSet::new();
    for world in [&first, &first, &second, &second] {
        let (worker, stop) = (world.service.bulk_worker(), stop.clone());
        working.spawn(async move { worker.run(&stop).await });
    }
    for job in jobs {
        until("the job is done", || async { first.stands(job).await.0 == "done" }).await;
    }
    stop.cancel();
    while let Some(ended) = working.join_next().await {
        assert_eq!(ended.expect("no panic"), Ok(()));
    }
    for (job, total) in jobs.iter().zip([700, 700, 300]) {
        assert_eq!(first.stands(*job).await, ("done".into(), [total, 0, total, 0, 0]));
    }
    let each = first.invites_each().await;
    for (place, patient) in patients.iter().enumerate() {
        assert_eq!(each[patient], if place < 300 { 3 } else { 2 }, "patient {place}");
    }
    assert_eq!(first.number("select count(*) from events where type = 'InviteIssued'").await, 1700);
}

async fn jobs_take_turns(door: Door) {
    let world = World::new(door).await;
    let many = world.patients(1100).await;
    let large = world.bulk(json!({ "patient_ids": many })).await;
    let worker = world.service.bulk_worker();
    for _ in 0..2 {
        worker.step().await.expect("a step");
    }
    let few = world.patients_of("clinic-1", 250, created).await;
    let small = world.bulk(json!({ "patient_ids": few })).await;
    // The small one begins at once; then each has every second step.
    let mut issued = Vec::new();
    for _ in 0..4 {
        worker.step().await.expect("a step");
        issued.push((world.stands(large).await.1[2], world.stands(small).await.1[2]));
    }
    assert_eq!(issued, [(400, 200), (600, 200), (600, 250), (800, 250)]);
    world.drain().await;
    assert_eq!(world.stands(large).await, ("done".into(), [1100, 0, 1100, 0, 0]));
}

async fn a_large_register_is_gathered_in_pieces(door: Door) {
    let world = World::new(door).await;
    // More than a glance, and only ids matter here.
    world.patient().await;
    let mut tx = world.service.core().db.begin().await.expect("a transaction");
    let ids: Vec<Uuid> = (1..=5_500).map(Uuid::from_u128).collect();
    let rows = shared_runtime::db::Rows::of("known_patients")
        .from(&ids, "id", |id| *id)
        .from(&ids, "account_id", |_| crate::world::CLINIC.to_owned())
        .from(&ids, "version", |_| 1_i64)
        .from(&ids, "status", |_| "inactive".to_owned())
        .from(&ids, "void_before", |_| 0_i64)
        .from(&ids, "key_id", |_| Uuid::nil());
    tx.insert(rows, "").await.expect("rows");
    tx.commit().await.expect("a commit");
    let job = world.bulk(json!({ "filter": {} })).await;
    let worker = world.service.bulk_worker();
    assert_eq!(worker.step().await.expect("a step"), Stepped::Gathered(5_000));
    assert_eq!(world.stands(job).await, ("gathering".into(), [0; 5]));
    assert_eq!(worker.step().await.expect("a step"), Stepped::Gathered(501));
    world.drain().await;
    assert_eq!(world.stands(job).await, ("done".into(), [1, 0, 1, 0, 0]));
}

async fn against_single_invites(door: Door) {
    let world = Arc::new(World::new(door).await);
    world.policy(OpenInvitePolicy::Reject, 1).await;
    let patients = world.patients(60).await;
    let job = world.bulk(json!({ "patient_ids": patients })).await;
    let mut asking = JoinSet::new();
    for patient in patients.clone() {
        let world = world.clone();
        asking.spawn(async move { (patient, world.issue(patient).await) });
    }
    let (stop, worker) = (CancellationToken::new(), world.service.bulk_worker());
    let until_stop = stop.clone();
    let working = tokio::spawn(async move { worker.run(&until_stop).await });
    let mut single = std::collections::HashMap::new();
    while let Some(answered) = asking.join_next().await {
        let (patient, answer) = answered.expect("answered");
        single.insert(patient, answer);
    }
    until("the job is done", || async { world.stands(job).await.0 == "done" }).await;
    stop.cancel();
    working.await.expect("no panic").expect("worked");
    let outcomes = world.outcomes(job, "").await;
    for patient in patients {
        assert_eq!(world.statuses(patient).await, ["pending"]);
        match outcomes[&patient]["outcome"].as_str() {
            Some("issued") => drop(single[&patient].is(409, "open_invite_exists")),
            _ => {
                assert_eq!(outcomes[&patient]["code"], "open_invite_exists");
                single[&patient].is(201, "");
            }
        }
    }
    world.rows_are_their_streams().await;
}

async fn what_is_wrong_with_one_patient_stops_nobody(door: Door) {
    let world = World::new(door).await;
    let patients = world.patients(5).await;
    // The key of the third is gone, as after a restore of an older backup of the keys.
    world.meddle("update known_patients set key_id = id where id = $1", patients[2]).await;
    let job = world.bulk(json!({ "patient_ids": patients })).await;
    let (stop, worker) = (CancellationToken::new(), world.service.bulk_worker());
    let until_stop = stop.clone();
    let working = tokio::spawn(async move { worker.run(&until_stop).await });
    until("the job is done", || async { world.stands(job).await.0 == "done" }).await;
    stop.cancel();
    working.await.expect("no panic").expect("worked");
    assert_eq!(world.stands(job).await, ("done".into(), [5, 0, 4, 1, 0]));
    let failures = world.job(job).await["failures"].clone();
    assert_eq!((&failures[0]["code"], &failures[0]["patient_id"]), (&json!("internal"), &json!(patients[2])));
    // Mended, it is tried again.
    world
        .meddle(
            "update known_patients set key_id = (select key_id from events limit 1) where id = $1",
            patients[2],
        )
        .await;
    world.order(job, "retry").await.is(202, "");
    world.drain().await;
    assert_eq!(world.stands(job).await, ("done".into(), [5, 0, 5, 0, 0]));
}
