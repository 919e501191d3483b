//! Many at the same moment.

use crate::common::client::{Reply, at, person};
use crate::common::{Served, World, number, on_both_databases};
use patients_service::desk::{Command, Done};
use patients_service::domain::{Ask, Patch};
use serde_json::{Value, json};
use shared_events::patient::ArchiveReason;
use shared_events::{AccountId, Email};
use shared_runtime::group::Desk;
use shared_runtime::log::Meta;
use tokio::task::JoinSet;
use uuid::Uuid;

on_both_databases!(
    fifty_with_one_address_make_one_patient_and_leave_nothing_of_the_others,
    sixty_four_different_patients_are_all_put_on_record,
    one_archived_patient_of_many_with_one_address_is_restored,
    two_commands_of_one_group_to_one_patient_leave_its_last_claims,
    addresses_swapped_to_and_fro_end_with_one_holder_each,
);

async fn at_once(bodies: impl Iterator<Item = Value>, served: &Served) -> Vec<Reply> {
    let mut asked = JoinSet::new();
    for body in bodies {
        let staff = served.staff();
        asked.spawn(async move { staff.post("/api/patients", &body).await });
    }
    asked.join_all().await
}

async fn fifty_with_one_address_make_one_patient_and_leave_nothing_of_the_others(world: World) {
    let served = world.serve().await;
    let same = (0..50).map(|number| {
        let mut body = person(number);
        body["email"] = json!(if number % 2 == 0 { "one@example.org" } else { " ONE@Example.org" });
        body
    });
    let (won, lost): (Vec<_>, Vec<_>) =
        at_once(same, &served).await.into_iter().partition(|reply| reply.status == 201);
    assert_eq!((won.len(), lost.len()), (1, 49));
    for reply in lost {
        let body = reply.refused_at(409, "email_taken", "/email");
        assert_eq!(body["patient_id"], won[0].id().to_string());
    }
    assert_eq!(number!(served, "select count(*) from events"), 1);
    assert_eq!(number!(served, "select count(*) from patients"), 1);
    assert_eq!(number!(served, "select count(*) from claims"), 1);
}

async fn sixty_four_different_patients_are_all_put_on_record(world: World) {
    let served = world.serve().await;
    let mut ids: Vec<Uuid> =
        at_once((0..64).map(person), &served).await.into_iter().map(|reply| reply.is(201).id()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 64);
    let mut changes = JoinSet::new();
    for (number, id) in ids.iter().copied().enumerate() {
        let staff = served.staff();
        let patch = json!({ "phone": format!("0800 {number:04}") });
        changes.spawn(async move { staff.patch(&at(id), "\"1\"", &patch).await.is(200).etag() });
    }
    assert!(changes.join_all().await.iter().all(|etag| etag == "\"2\""));
    let gaps = number!(
        served,
        "select count(*) from (select stream_id from events group by stream_id
          having min(version) <> 1 or max(version) <> 2 or count(*) <> 2) broken"
    );
    assert_eq!((gaps, number!(served, "select count(*) from events")), (0, 128));
    assert_eq!(served.viewer().all("/api/patients?limit=30").await.len(), 64);
}

async fn one_archived_patient_of_many_with_one_address_is_restored(world: World) {
    let served = world.serve().await;
    let staff = served.staff();
    let mut ids = Vec::new();
    for _ in 0..8 {
        let id = staff.create(&person(1)).await;
        staff.delete(&at(id), "*").await.is(200);
        ids.push(id);
    }
    let mut asked = JoinSet::new();
    for id in ids {
        let staff = served.staff();
        asked.spawn(async move { staff.post(&format!("{}/restore", at(id)), &json!({})).await });
    }
    let replies = asked.join_all().await;
    assert_eq!(replies.iter().filter(|reply| reply.status == 200).count(), 1);
    for reply in replies.into_iter().filter(|reply| reply.status != 200) {
        reply.refused(409, "email_taken");
    }
    assert_eq!(number!(served, "select count(*) from patients where status = 'pending'"), 1);
}

fn command(served: &Served, patient: Uuid, ask: Ask) -> Command {
    Command {
        account: AccountId::parse("clinic-1").unwrap(),
        patient,
        ask,
        expected: None,
        event_id: None,
        meta: Meta { actor: "staff:staff-1".to_owned(), ..Meta::default() },
        at: served.world.clock().now(),
        repeatable: None,
    }
}

fn moved_to(email: &str) -> Ask {
    let patch = Patch { email: Some(Email::parse(email).unwrap()), ..Patch::default() };
    Ask::Change { patch: Box::new(patch), reissue_invites: false, import_id: None }
}

async fn group(served: &Served, commands: Vec<Command>) {
    let desk = served.service.import_worker().patients;
    let mut tx = served.service.core().db.begin().await.unwrap();
    let outcomes = desk.execute(&mut tx, &commands, 0).await.unwrap();
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Ok(Done::Now(_, true)))), "{outcomes:?}");
    tx.commit().await.unwrap();
}

async fn two_commands_of_one_group_to_one_patient_leave_its_last_claims(world: World) {
    let served = world.serve().await;
    let staff = served.staff();
    let id = staff.create(&person(1)).await;
    let there_and_back = [moved_to("away@example.org"), moved_to("person1@example.org")];
    group(&served, there_and_back.map(|ask| command(&served, id, ask)).into()).await;
    assert_eq!(number!(served, "select count(*) from claims where value = 'person1@example.org'"), 1);
    assert_eq!(number!(served, "select count(*) from claims"), 1);

    let archive = || Ask::Archive { reason: ArchiveReason::Staff };
    group(&served, [archive(), Ask::Restore, archive()].map(|ask| command(&served, id, ask)).into()).await;
    assert_eq!(number!(served, "select count(*) from claims"), 0);
    staff.create(&person(1)).await;
    assert_eq!(staff.get(&at(id)).await.is(200).etag(), "\"6\"");
}

async fn addresses_swapped_to_and_fro_end_with_one_holder_each(world: World) {
    let served = world.serve().await;
    let ids = [served.staff().create(&person(0)).await, served.staff().create(&person(1)).await];
    let mut asked = JoinSet::new();
    for number in 0..60 {
        let staff = served.staff();
        let (id, email) = (ids[number % 2], format!("person{}@example.org", number % 3));
        asked.spawn(async move { staff.patch(&at(id), "*", &json!({ "email": email })).await });
    }
    for reply in asked.join_all().await {
        assert!([200, 409].contains(&reply.status), "{}", reply.text);
    }
    let strays = number!(
        served,
        "select count(*) from claims c where not exists
          (select 1 from patients p where p.id = c.patient_id and p.email = c.value)"
    );
    assert_eq!((strays, number!(served, "select count(*) from claims")), (0, 2));
}
