//! Many invited at once: whom, with what, and what became of each.

use crate::bulk_world::BULK;
use crate::events::{created, details, record, updated};
use crate::world::{BORN, CLINIC, World, archived};
use chrono::TimeDelta;
use reqwest::Method;
use serde_json::{Value, json};
use shared_events::Event;
use shared_events::clinic::{ClinicSettings, InviteSystem, OpenInvitePolicy};
use shared_events::patient::{Origin, PatientCreated, PatientDetails, PatientStatus};
use shared_http::Role;
use shared_runtime::consume::Incoming;
use std::collections::BTreeSet;
use testkit::databases::Door;
use uuid::Uuid;

testkit::on_both_databases!(
    a_list_and_its_outcomes,
    a_filter_finds_who_may_be_invited,
    filters,
    an_import_is_known_in_any_order,
    bodies_that_are_none,
    what_the_invites_are_issued_with,
    a_clinic_of_the_old_system,
    lists_of_jobs,
    followed_to_its_end,
);

async fn a_list_and_its_outcomes(door: Door) {
    let world = World::new(door).await;
    world.policy(OpenInvitePolicy::Reject, 1).await;
    let fine = world.patients(12).await;
    let (gone, signed_up, invited) = (world.patient().await, world.patient().await, world.patient().await);
    world.hear(&[world.incoming(gone, 2, archived(details(gone), 2))]).await.expect("heard");
    let link = world.issue(signed_up).await.token();
    world.accept(&link, BORN).await.is(201, "");
    world.issue(invited).await.is(201, "");
    let stranger = world.patients_of("clinic-2", 1, created).await[0];
    let nobody = world.clock.new_id();
    let failed = [
        (gone, "patient_inactive"),
        (signed_up, "patient_already_registered"),
        (invited, "open_invite_exists"),
        (stranger, "patient_unknown"),
        (nobody, "patient_unknown"),
    ];
    let mut named: Vec<Uuid> = fine.iter().copied().chain(failed.map(|(id, _)| id)).collect();
    named.push(fine[0]);
    let job = world.bulk(json!({ "patient_ids": named })).await;
    assert_eq!(world.stands(job).await, ("running".into(), [17, 17, 0, 0, 0]));
    assert_eq!(world.outcomes(job, "&outcome=waiting").await.len(), 17);

    assert_eq!(world.drain().await, 2);
    assert_eq!(world.stands(job).await, ("done".into(), [17, 0, 12, 5, 0]));
    let all = world.outcomes(job, "").await;
    assert_eq!(all.len(), 17);
    for patient in &fine {
        let item = &all[patient];
        assert_eq!(item["outcome"], "issued");
        let invite = world.get(&format!("/api/invites/{}", item["invite_id"].as_str().expect("an id"))).await;
        assert_eq!(invite.is(200, "").text("patient_id"), patient.to_string());
        assert_eq!(world.statuses(*patient).await, ["pending"]);
    }
    let told = world.job(job).await["failures"].clone();
    for (patient, code) in failed {
        let item = &all[&patient];
        assert_eq!((&item["outcome"], &item["code"]), (&json!("failed"), &json!(code)));
        assert_eq!(item.get("invite_id"), None);
        let failure =
            told.as_array().expect("failures").iter().find(|one| one["patient_id"] == item["patient_id"]);
        assert_eq!(
            failure.map(|one| (&one["code"], &one["message"])),
            Some((&item["code"], &item["message"]))
        );
        // The words are those of the one refusal, and say what to do.
        assert!(item["message"].as_str().is_some_and(|words| words.len() > 40), "{item}");
    }
    assert_eq!(world.outcomes(job, "&outcome=failed").await.len(), 5);
    assert_eq!(world.outcomes(job, "&outcome=issued").await.len(), 12);
    assert_eq!(world.outcomes(job, "&outcome=cancelled").await.len(), 0);
    world.rows_are_their_streams().await;
}

async fn a_filter_finds_who_may_be_invited(door: Door) {
    let world = World::new(door).await;
    let fine = world.patients(9).await;
    let (gone, signed_up) = (world.patient().await, world.patient().await);
    world.hear(&[world.incoming(gone, 2, archived(details(gone), 2))]).await.expect("heard");
    let link = world.issue(signed_up).await.token();
    world.accept(&link, BORN).await.is(201, "");
    world.patients_of("clinic-2", 3, created).await;
    let job = world.bulk(json!({ "filter": {} })).await;
    assert_eq!(world.stands(job).await, ("gathering".into(), [0; 5]));
    world.drain().await;
    assert_eq!(world.stands(job).await, ("done".into(), [9, 0, 9, 0, 0]));
    assert_eq!(world.outcomes(job, "").await.into_keys().collect::<Vec<_>>(), fine);
    // All of them have an open invite now.
    let again = world.bulk(json!({ "filter": {} })).await;
    world.drain().await;
    assert_eq!(world.stands(again).await, ("done".into(), [0; 5]));
}

/// A patient as an import of the tests makes one.
fn imported(details: PatientDetails, import: Uuid, clinician: Option<&str>, language: Option<&str>) -> Event {
    let mut record = record(details, PatientStatus::Pending, 0);
    record.clinician_id = clinician.map(str::to_owned);
    record.preferred_language = language.map(str::to_owned);
    Event::PatientCreated(PatientCreated { record, origin: Origin::Import, import_id: Some(import) })
}

async fn filters(door: Door) {
    let world = World::new(door).await;
    let (first, second) = (world.clock.new_id(), world.clock.new_id());
    let a = world.patients_of(CLINIC, 1, |d| imported(d, first, Some("dr-grey"), Some("de-AT"))).await[0];
    let b = world.patients_of(CLINIC, 1, |d| imported(d, first, None, None)).await[0];
    let c = world.patients_of(CLINIC, 1, |d| imported(d, second, Some("dr-no"), Some("de-at"))).await[0];
    let d = world.patient().await;
    // One is invited, another was: it lapsed, and the sweeper has not come by.
    let short = json!({ "patient_id": b, "provider_id": "x", "expiry_days": 1 });
    world.post("/api/generate_invite", short).await.is(201, "");
    world.clock.advance(TimeDelta::days(2));
    world.issue(a).await.is(201, "");
    let cases: [(Value, &[Uuid]); 12] = [
        (json!({}), &[b, c, d]),
        (json!({ "has_pending_invite": null }), &[a, b, c, d]),
        (json!({ "has_pending_invite": true }), &[a]),
        (json!({ "import_id": first, "has_pending_invite": null }), &[a, b]),
        (json!({ "import_id": second }), &[c]),
        (json!({ "import_id": Uuid::nil() }), &[]),
        (json!({ "clinician_id": " dr-no " }), &[c]),
        (json!({ "preferred_language": "DE-at", "has_pending_invite": null }), &[a, c]),
        (json!({ "preferred_language": "de" }), &[]),
        (json!({ "ever_invited": true }), &[b]),
        (json!({ "ever_invited": false }), &[c, d]),
        (json!({ "clinician_id": "dr-grey", "import_id": second }), &[]),
    ];
    for (filter, expected) in cases {
        let job = world.bulk(json!({ "filter": filter })).await;
        // Only gathered: an invite would change what the next one finds.
        world.service.bulk_worker().step().await.expect("a step");
        let found: BTreeSet<Uuid> = world.outcomes(job, "").await.into_keys().collect();
        assert_eq!(found, expected.iter().copied().collect(), "{filter}");
        world.order(job, "cancel").await.is(202, "");
        world.drain().await;
    }
}

async fn an_import_is_known_in_any_order(door: Door) {
    let world = World::new(door).await;
    let import = world.clock.new_id();
    let orders: [&[&[usize]]; 6] =
        [&[&[0, 1]], &[&[1, 0]], &[&[0], &[1]], &[&[1], &[0]], &[&[1], &[0], &[1]], &[&[1], &[1, 0]]];
    let mut expected = Vec::new();
    for batches in orders {
        let patient = world.clock.new_id();
        let mut moved = match updated(details(patient), 0) {
            Event::PatientUpdated(event) => event,
            _ => unreachable!(),
        };
        moved.record.clinician_id = Some("dr-new".into());
        let events = [
            world.incoming(patient, 1, imported(details(patient), import, Some("dr-old"), None)),
            world.incoming(patient, 2, Event::PatientUpdated(moved)),
        ];
        for batch in batches {
            let batch: Vec<Incoming> = batch.iter().map(|place| events[*place].clone()).collect();
            world.hear(&batch).await.expect("heard");
        }
        expected.push(patient);
    }
    expected.sort_unstable();
    let filter = json!({ "filter": { "import_id": import, "clinician_id": "dr-new" } });
    let job = world.bulk(filter).await;
    world.drain().await;
    assert_eq!(world.outcomes(job, "&outcome=issued").await.into_keys().collect::<Vec<_>>(), expected);
}

async fn bodies_that_are_none(door: Door) {
    let world = World::new(door).await;
    let id = world.clock.new_id();
    let many: Vec<Uuid> = (0..10_001).map(Uuid::from_u128).collect();
    let cases: [(Value, &str); 12] = [
        (json!({ "provider_id": "x" }), "/patient_ids"),
        (json!({ "provider_id": "x", "patient_ids": [] }), "/patient_ids"),
        (json!({ "provider_id": "x", "patient_ids": many }), "/patient_ids"),
        (json!({ "provider_id": "x", "patient_ids": [id], "filter": {} }), "/filter"),
        (json!({ "patient_ids": [id] }), "/provider_id"),
        (json!({ "provider_id": " ", "patient_ids": [id] }), "/provider_id"),
        (json!({ "provider_id": "x", "patient_ids": [id], "expiry_days": 91 }), "/expiry_days"),
        (
            json!({ "provider_id": "x", "patient_ids": [id], "custom_message": "x".repeat(2001) }),
            "/custom_message",
        ),
        (json!({ "provider_id": "x", "patient_ids": [id], "patients": [] }), "/patients"),
        (json!({ "provider_id": "x", "filter": { "status": "pending" } }), "/filter/status"),
        (json!({ "provider_id": "x", "filter": { "clinician_id": "" } }), "/filter/clinician_id"),
        (json!({ "provider_id": "x", "patient_ids": [id, "y"] }), "/patient_ids/1"),
    ];
    for (body, pointer) in cases {
        let answer = world.post(BULK, body).await;
        answer.is(422, "invalid_body");
        assert_eq!(answer.body["errors"][0]["pointer"], pointer, "{}", answer.body);
    }
    let most: Vec<Uuid> = (0..10_000).map(Uuid::from_u128).collect();
    let job = world.bulk(json!({ "patient_ids": most })).await;
    assert_eq!(world.stands(job).await.1[0], 10_000);
    for query in ["?limit=0", "?outcome=open", "?state=done"] {
        world.get(&format!("{BULK}/{job}/patients{query}")).await.is(400, "invalid_query");
    }
}

async fn what_the_invites_are_issued_with(door: Door) {
    let world = World::new(door).await;
    let patients = world.patients(2).await;
    let body = json!({
        "patient_ids": patients, "send_email": false, "custom_message": "findme-words", "expiry_days": 30
    });
    let nobody = world.clock.new_id();
    let job = world.bulk(body).await;
    let words = async || {
        let mut reader = world.service.core().db.read().await.expect("a reader");
        let sql = "select words from bulk_invites where id = $1";
        let rows = shared_runtime::fetch_all!(reader.conn(), (Option<Vec<u8>>,), sql, job);
        rows.expect("rows").remove(0).0
    };
    let sealed = words().await.expect("words");
    assert!(!sealed.windows(6).any(|window| window == b"findme"));
    world.drain().await;
    for patient in &patients {
        let item = &world.outcomes(job, "").await[patient];
        let invite = item["invite_id"].as_str().expect("an id");
        let shown = world.get(&format!("/api/invites/{invite}")).await;
        assert_eq!(
            (shown.text("custom_message"), shown.text("channel")),
            ("findme-words".into(), "link".into())
        );
        assert_eq!(
            (shown.text("provider_id"), shown.text("expires_at")),
            ("dr-grey".into(), "2026-03-31T12:00:00Z".into())
        );
    }
    // Nobody is left to be told them.
    assert_eq!(words().await, None);
    let actors = "select count(*) from events where type = 'InviteIssued' and cast(meta as text) like '%staff:staff-7%'";
    assert_eq!(world.number(actors).await, 2);
    // They stay for those who may be tried again.
    let job = world.bulk(json!({ "patient_ids": [nobody], "custom_message": "Welcome" })).await;
    world.drain().await;
    world.hear(&[world.incoming(nobody, 1, created(details(nobody)))]).await.expect("heard");
    world.order(job, "retry").await.is(202, "");
    world.drain().await;
    let invite = world.outcomes(job, "").await[&nobody]["invite_id"].clone();
    let shown = world.get(&format!("/api/invites/{}", invite.as_str().expect("an id"))).await;
    assert_eq!(shown.text("custom_message"), "Welcome");
}

async fn a_clinic_of_the_old_system(door: Door) {
    let world = World::new(door).await;
    let patients = world.patients(2).await;
    let legacy = ClinicSettings { invite_system: InviteSystem::Legacy, ..ClinicSettings::default() };
    let body = json!({ "patient_ids": patients, "provider_id": "x" });
    let job = world.bulk(body.clone()).await;
    world.settings(legacy, 1).await;
    world.post(BULK, body).await.is(409, "invite_system_is_legacy");
    // Switched while a job waits: its patients are told so, and may be tried again.
    world.drain().await;
    assert_eq!(world.job(job).await["failures"][0]["code"], "invite_system_is_legacy");
    world.settings(ClinicSettings::default(), 2).await;
    world.order(job, "retry").await.is(202, "");
    world.drain().await;
    assert_eq!(world.stands(job).await, ("done".into(), [2, 0, 2, 0, 0]));
}

async fn lists_of_jobs(door: Door) {
    let world = World::new(door).await;
    let patient = world.patient().await;
    let mut made = Vec::new();
    for _ in 0..5 {
        made.push(world.bulk(json!({ "patient_ids": [patient] })).await.to_string());
        world.clock.advance(TimeDelta::seconds(1));
    }
    made.reverse();
    let (mut listed, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = world.get(&format!("{BULK}?limit=2{cursor}")).await;
        for item in page.is(200, "").body["items"].as_array().expect("items") {
            assert_eq!((&item["state"], item.get("failures")), (&json!("running"), None));
            listed.push(item["id"].as_str().expect("an id").to_owned());
        }
        match page.body["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(listed, made);
    let stranger = world.token("clinic-2", Role::Viewer);
    let theirs = world.ask(Method::GET, BULK, Some(&stranger), &[], None).await;
    assert_eq!(theirs.is(200, "").body["items"], json!([]));
}

async fn followed_to_its_end(door: Door) {
    let world = World::new(door).await;
    let patients = world.patients(3).await;
    let job = world.bulk(json!({ "patient_ids": patients })).await;
    let mut stream = world.stream(&format!("{BULK}/{job}/events")).await;
    let first = stream.next().await.expect("an event");
    assert_eq!((first.0.as_str(), &first.1), ("progress", &world.job(job).await));
    world.drain().await;
    let mut last = first;
    while let Some(event) = stream.next().await {
        assert_eq!(last.0, "progress");
        last = event;
    }
    assert_eq!((last.0.as_str(), &last.1), ("end", &world.job(job).await));
    assert_eq!(last.1["state"], "done");
    // Of a job that is over only the end is told.
    let mut stream = world.stream(&format!("{BULK}/{job}/events")).await;
    assert_eq!(stream.next().await.map(|event| event.0).as_deref(), Some("end"));
    assert_eq!(stream.next().await, None);
}
