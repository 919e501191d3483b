//! What invites-service says, and what patients-service makes of it.

use crate::common::client::{at, person};
use crate::common::told::{Invite, hand_over, message, publish};
use crate::common::{Served, World, number, on_both_databases, until};
use chrono::TimeDelta;
use serde_json::{Value, json};
use shared_runtime::bus::topology;
use shared_runtime::consume::{Incoming, list_parked};
use uuid::Uuid;

on_both_databases!(
    an_open_invite_is_seen_from_the_patients_side,
    the_bus_brings_it_and_takes_it_away,
    a_history_in_any_order_and_twice_ends_the_same,
    one_open_invite_of_several_is_enough,
    an_invite_past_its_expiry_no_longer_counts,
    an_acceptance_makes_the_patient_active_once,
    an_acceptance_after_archiving_leaves_the_patient_inactive,
    an_acceptance_for_nobody_is_parked_and_its_neighbours_go_on,
    another_clinics_acceptance_changes_nothing,
    another_clinics_invite_is_not_counted,
);

async fn pending(served: &Served, id: Uuid) -> bool {
    served.staff().get(&at(id)).await.is(200).body["has_pending_invite"].as_bool().unwrap()
}

async fn an_open_invite_is_seen_from_the_patients_side(world: World) {
    let served = world.serve().await;
    let id = served.staff().create(&person(1)).await;
    let invite = Invite::to(id, world.clock());
    hand_over(&served, &[invite.issued(1)]).await.unwrap();
    let read = served.staff().get(&at(id)).await.is(200);
    assert_eq!((&read.body["has_pending_invite"], read.etag().as_str()), (&json!(true), "\"1\""));
    let endings: [fn(&Invite) -> Incoming; 3] =
        [|invite| invite.revoked(2), |invite| invite.expired(2), |invite| invite.accepted(2, invite.id)];
    for (number, ended) in endings.into_iter().enumerate() {
        let id = served.staff().create(&person(10 + number)).await;
        let invite = Invite::to(id, world.clock());
        hand_over(&served, &[invite.issued(1)]).await.unwrap();
        assert!(pending(&served, id).await);
        hand_over(&served, &[ended(&invite)]).await.unwrap();
        assert!(!pending(&served, id).await, "{number}");
    }
}

async fn the_bus_brings_it_and_takes_it_away(world: World) {
    let served = world.work().await;
    let id = served.staff().create(&person(1)).await;
    let invite = Invite::to(id, world.clock());
    publish(&served, &[invite.issued(1)]).await;
    until("the invite", || async { pending(&served, id).await.then_some(()) }).await;
    publish(&served, &[invite.issued(1), invite.revoked(2), invite.issued(1)]).await;
    until("its end", || async { (!pending(&served, id).await).then_some(()) }).await;
    served.close().await;
}

async fn a_history_in_any_order_and_twice_ends_the_same(world: World) {
    let served = world.serve().await;
    for (number, order) in orders(4).into_iter().enumerate() {
        let id = served.staff().create(&person(number)).await;
        let invite = Invite::to(id, world.clock());
        let said = [invite.issued(1), invite.extended(2, 30), invite.extended(3, 60), invite.accepted(4, id)];
        let told: Vec<Incoming> = order.iter().map(|place| said[*place].clone()).collect();
        if number % 2 == 0 {
            hand_over(&served, &told).await.unwrap();
        } else {
            for one in &told {
                hand_over(&served, std::slice::from_ref(one)).await.unwrap();
                hand_over(&served, std::slice::from_ref(one)).await.unwrap();
            }
        }
        hand_over(&served, &[told[0].clone(), told[0].clone(), told[1].clone()]).await.unwrap();
        let read = served.staff().get(&at(id)).await.is(200);
        let brief = (&read.body["has_pending_invite"], &read.body["status"], read.etag());
        assert_eq!(brief, (&json!(false), &json!("active"), "\"2\"".to_owned()), "{order:?}");
    }
    assert_eq!(number!(served, "select count(*) from patient_invite where version = 4"), 24);
}

/// Every order of so many things.
fn orders(count: usize) -> Vec<Vec<usize>> {
    if count == 0 {
        return vec![Vec::new()];
    }
    let shorter = orders(count - 1);
    let insert = |order: &Vec<usize>, place| {
        let mut longer = order.clone();
        longer.insert(place, count - 1);
        longer
    };
    shorter.iter().flat_map(|order| (0..count).map(move |place| insert(order, place))).collect()
}

async fn one_open_invite_of_several_is_enough(world: World) {
    let served = world.serve().await;
    let id = served.staff().create(&person(1)).await;
    let (first, second) = (Invite::to(id, world.clock()), Invite::to(id, world.clock()));
    hand_over(&served, &[first.issued(1), second.issued(1), first.revoked(2)]).await.unwrap();
    assert!(pending(&served, id).await);
    assert_eq!(served.staff().all("/api/patients?has_pending_invite=true").await.len(), 1);
    hand_over(&served, &[second.revoked(2)]).await.unwrap();
    assert!(!pending(&served, id).await);
}

async fn an_invite_past_its_expiry_no_longer_counts(world: World) {
    let served = world.serve().await;
    let id = served.staff().create(&person(1)).await;
    let invite = Invite::to(id, world.clock());
    hand_over(&served, &[invite.issued(1)]).await.unwrap();
    world.clock().advance(TimeDelta::days(7) - TimeDelta::microseconds(1));
    assert!(pending(&served, id).await);
    world.clock().advance(TimeDelta::microseconds(1));
    assert!(!pending(&served, id).await);
    assert!(served.staff().all("/api/patients?has_pending_invite=true").await.is_empty());
    hand_over(&served, &[invite.extended(2, 8)]).await.unwrap();
    assert!(pending(&served, id).await);
}

async fn an_acceptance_makes_the_patient_active_once(world: World) {
    let served = world.serve().await;
    let id = served.staff().create(&person(1)).await;
    let invite = Invite::to(id, world.clock());
    let accepted = invite.accepted(2, invite.id);
    for _ in 0..3 {
        hand_over(&served, &[accepted.clone(), accepted.clone()]).await.unwrap();
    }
    let read = served.staff().get(&at(id)).await.is(200);
    assert_eq!((&read.body["status"], read.etag().as_str()), (&json!("active"), "\"2\""));
    let history = served.staff().get(&format!("{}/history", at(id))).await.is(200).body;
    let last = &history["items"][1];
    assert_eq!((&last["event"], &last["actor"]), (&json!("PatientActivated"), &json!("patient")));
    assert_eq!(number!(served, "select count(*) from events where type = 'PatientActivated'"), 1);
    // An active patient can be changed, archived and restored, and stays registered.
    served.staff().patch(&at(id), "\"2\"", &json!({ "phone": "12345" })).await.is(200);
    served.staff().delete(&at(id), "\"3\"").await.is(200);
    let restored = served.staff().post(&format!("{}/restore", at(id)), &json!({})).await.is(200);
    assert_eq!(restored.body["status"], "active");
}

async fn an_acceptance_after_archiving_leaves_the_patient_inactive(world: World) {
    let served = world.serve().await;
    let id = served.staff().create(&person(1)).await;
    served.staff().delete(&at(id), "*").await.is(200);
    let invite = Invite::to(id, world.clock());
    hand_over(&served, &[invite.accepted(2, invite.id)]).await.unwrap();
    let read = served.staff().get(&at(id)).await.is(200);
    assert_eq!((&read.body["status"], read.etag().as_str()), (&json!("inactive"), "\"3\""));
    let linked = number!(served, "select count(*) from patients where user_id = $1", invite.id);
    assert_eq!((linked, number!(served, "select count(*) from claims")), (1, 0));
    let restored = served.staff().post(&format!("{}/restore", at(id)), &json!({})).await.is(200);
    assert_eq!(restored.body["status"], "active");
}

async fn an_acceptance_for_nobody_is_parked_and_its_neighbours_go_on(world: World) {
    let served = world.work().await;
    let ids = [served.staff().create(&person(1)).await, served.staff().create(&person(2)).await];
    let [first, last] = ids.map(|id| Invite::to(id, world.clock()));
    let nobody = Invite::to(first.id, world.clock());
    let lost = nobody.accepted(2, nobody.id);
    publish(&served, &[first.accepted(2, first.id), lost.clone(), last.accepted(2, last.id)]).await;
    let core = served.service.core();
    core.bus
        .publisher()
        .await
        .unwrap()
        .publish(&[garbled(&message(&last.revoked(9), &core.bus_keys))], crate::common::PATIENCE)
        .await;
    let parked = until("two parked messages", || async {
        let parked = list_parked(&core.db, "patients.from_invites").await.unwrap();
        (parked.len() == 2).then_some(parked)
    })
    .await;
    assert_eq!((parked[0].event_id, parked[0].event_type.as_str()), (lost.envelope.id, "InviteAccepted"));
    assert!(parked[0].reason.contains(&nobody.patient.to_string()), "{}", parked[0].reason);
    assert!(!parked[1].reason.is_empty());
    for id in ids {
        assert_eq!(served.staff().get(&at(id)).await.is(200).body["status"], "active");
    }
    until("an empty queue", || async {
        (core.bus.depth(topology::PATIENTS).await.unwrap() == 0).then_some(())
    })
    .await;
    served.close().await;
}

/// The same message with data that no invite has.
fn garbled(message: &shared_runtime::bus::Message) -> shared_runtime::bus::Message {
    let mut body: Value = serde_json::from_slice(&message.body).unwrap();
    body["data"] = json!({ "status": "unheard of" });
    shared_runtime::bus::Message { body: body.to_string().into_bytes(), ..message.clone() }
}

async fn another_clinics_acceptance_changes_nothing(world: World) {
    let served = world.serve().await;
    let id = served.staff().create(&person(1)).await;
    let invite = Invite { clinic: "clinic-2".to_owned(), ..Invite::to(id, world.clock()) };
    hand_over(&served, &[invite.accepted(2, invite.id)]).await.unwrap_err();
    let read = served.staff().get(&at(id)).await.is(200);
    assert_eq!((&read.body["status"], read.etag().as_str()), (&json!("pending"), "\"1\""));
}

async fn another_clinics_invite_is_not_counted(world: World) {
    let served = world.serve().await;
    let id = served.staff().create(&person(1)).await;
    let invite = Invite { clinic: "clinic-2".to_owned(), ..Invite::to(id, world.clock()) };
    hand_over(&served, &[invite.issued(1)]).await.unwrap();
    assert!(!pending(&served, id).await);
    assert!(served.staff().all("/api/patients?has_pending_invite=true").await.is_empty());
}
