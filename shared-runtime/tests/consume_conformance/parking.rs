//! What cannot be handled is parked, with its reason, and only that.

use crate::stage::{Planted, Stage};
use shared_events::Event;
use shared_runtime::bus::Message;
use shared_runtime::fetch_all;
use shared_runtime::keys::Keyring;
use std::sync::atomic::Ordering::SeqCst;
use testkit::buses::Side;
use testkit::core::until;
use testkit::databases::Door;

testkit::on_both_pairs!(
    one_bad_event_is_parked_with_its_reason_and_its_neighbours_are_done,
    what_fails_for_a_while_is_done_in_the_end,
    what_fails_again_and_again_is_parked,
    a_database_that_is_away_is_waited_for_and_nothing_is_parked,
    what_is_no_event_is_parked_whole_each_for_itself,
    personal_fields_are_open_to_the_handler_and_sealed_where_it_is_parked,
    a_bus_key_that_comes_late_is_waited_for,
    what_nobody_wants_is_acked_unread,
);

async fn one_bad_event_is_parked_with_its_reason_and_its_neighbours_are_done(side: Side, door: Door) {
    let stage = Stage::new(side, door).await;
    let events: Vec<_> = (0..30).map(|_| stage.said(stage.world.id(), 1)).collect();
    let (dead, broken) = (&events[7], &events[20]);
    stage.register.plant(dead.id, Planted::Dead);
    stage.register.plant(broken.id, Planted::Broken);
    stage.publish(&events).await;
    let consumer = stage.consumer();
    stage.parked_becomes(2).await;
    stage.drained(vec![consumer]).await;
    let parked = stage.parked().await;
    assert_eq!((parked[0].event_id, parked[0].reason.as_str()), (dead.id, "planted: dead"));
    assert_eq!((parked[0].stream_id, parked[0].event_type.as_str()), (dead.subject, "InviteOpened"));
    assert_eq!(parked[1].event_id, broken.id);
    assert!(parked[1].reason.to_lowercase().contains("null"), "{}", parked[1].reason);
    // Nothing of what the bad ones did has stayed.
    let mut expected: Vec<_> = events.iter().map(|event| event.subject).collect();
    expected.retain(|id| *id != dead.subject && *id != broken.subject);
    expected.sort();
    assert_eq!(stage.rows().await.into_iter().map(|row| row.0).collect::<Vec<_>>(), expected);
    stage.end().await;
}

async fn what_fails_for_a_while_is_done_in_the_end(side: Side, door: Door) {
    let stage = Stage::new(side, door).await;
    let event = stage.said(stage.world.id(), 1);
    stage.register.plant(event.id, Planted::Retry(4));
    stage.publish(std::slice::from_ref(&event)).await;
    let consumer = stage.consumer();
    until("it is done", || async { stage.rows().await.len() == 1 }).await;
    consumer.stop().await;
    assert!(stage.parked().await.is_empty());
    stage.end().await;
}

async fn what_fails_again_and_again_is_parked(side: Side, door: Door) {
    let stage = Stage::new(side, door).await;
    let events = [stage.said(stage.world.id(), 1), stage.said(stage.world.id(), 1)];
    stage.register.plant(events[0].id, Planted::Retry(u32::MAX));
    stage.publish(&events).await;
    let consumer = stage.consumer();
    stage.parked_becomes(1).await;
    until("its neighbour is done", || async { stage.rows().await.len() == 1 }).await;
    consumer.stop().await;
    assert_eq!(stage.parked().await[0].reason, "planted: in the way");
    // Parked once, though it comes again.
    stage.publish(&events).await;
    let consumer = stage.consumer();
    stage.drained(vec![consumer]).await;
    assert_eq!(stage.parked().await.len(), 1);
    stage.end().await;
}

async fn a_database_that_is_away_is_waited_for_and_nothing_is_parked(side: Side, door: Door) {
    let stage = Stage::new(side, door).await;
    let event = stage.said(stage.world.id(), 1);
    // More often than a message may fail.
    stage.register.plant(event.id, Planted::Away(6));
    stage.publish(std::slice::from_ref(&event)).await;
    let consumer = stage.consumer();
    until("it is done", || async { stage.rows().await.len() == 1 }).await;
    assert!(stage.parked().await.is_empty());
    consumer.stop().await;
    // Away for good: it is neither parked nor acked, and a stop is heard.
    let other = stage.said(stage.world.id(), 1);
    stage.register.plant(other.id, Planted::Away(u32::MAX));
    stage.publish(std::slice::from_ref(&other)).await;
    let before = stage.register.handled.load(SeqCst);
    let consumer = stage.consumer();
    until("it is tried", || async { stage.register.handled.load(SeqCst) > before + 2 }).await;
    consumer.stop().await;
    assert!(stage.parked().await.is_empty());
    stage.register.plant(other.id, Planted::Away(0));
    let consumer = stage.consumer();
    until("it came again", || async { stage.rows().await.len() == 2 }).await;
    consumer.stop().await;
    stage.end().await;
}

async fn what_is_no_event_is_parked_whole_each_for_itself(side: Side, door: Door) {
    let stage = Stage::new(side, door).await;
    let raw = |id, body: &[u8]| Message {
        id,
        routing_key: "patients.invite.InviteOpened.v1".to_owned(),
        body: body.to_vec(),
        traceparent: None,
    };
    let mut unheard = stage.said(stage.world.id(), 1);
    unheard.event_type = "Unheard".to_owned();
    let mut newer = stage.said(stage.world.id(), 1);
    newer.dataschema = "urn:patient-first:event:InviteOpened:99".to_owned();
    let mut bent = stage.said(stage.world.id(), 1);
    bent.data = serde_json::json!({ "provider_id": 7 });
    let good = stage.said(stage.world.id(), 1);
    let bodies: [&[u8]; 2] = [b"\xff\x00 no json", b"{}"];
    // Two that are unreadable bear no id of their own: the second is not taken for the first.
    stage.publish_raw(&bodies.map(|body| raw(uuid::Uuid::nil(), body))).await;
    stage.publish(&[unheard.clone(), newer.clone(), bent.clone(), good.clone()]).await;
    let consumer = stage.consumer();
    stage.parked_becomes(5).await;
    until("the good one is done", || async { stage.rows().await.len() == 1 }).await;
    consumer.stop().await;
    let parked = stage.parked().await;
    let reasons: Vec<_> = parked.iter().map(|parked| parked.reason.as_str()).collect();
    assert!(reasons[..2].iter().all(|reason| reason.contains("envelope")), "{reasons:?}");
    assert_eq!(parked[2].event_id, unheard.id);
    assert!(reasons[2].contains("unknown event type") && reasons[3].contains("newer"), "{reasons:?}");
    assert!(reasons[4].contains("shape"), "{reasons:?}");
    let mut reader = stage.world.db.read().await.unwrap();
    let kept = fetch_all!(reader.conn(), (Vec<u8>,), "select body from parked order by id").unwrap();
    assert_eq!((kept[0].0.as_slice(), kept[1].0.as_slice()), (bodies[0], bodies[1]));
    drop(reader);
    stage.end().await;
}

async fn personal_fields_are_open_to_the_handler_and_sealed_where_it_is_parked(side: Side, door: Door) {
    let stage = Stage::new(side, door).await;
    let (fine, dead) = (stage.said_of_a_patient(stage.world.id()), stage.said_of_a_patient(stage.world.id()));
    stage.register.plant(dead.id, Planted::Dead);
    stage.publish(&[fine.clone(), dead]).await;
    let consumer = stage.consumer();
    stage.parked_becomes(1).await;
    stage.drained(vec![consumer]).await;
    assert_eq!(stage.rows().await, [(fine.subject, 1, "findme-first".to_owned())]);
    let mut reader = stage.world.db.read().await.unwrap();
    let kept = fetch_all!(reader.conn(), (Vec<u8>,), "select body from parked").unwrap();
    assert!(!kept[0].0.windows(6).any(|found| found == b"findme"));
    drop(reader);
    stage.end().await;
}

/// Two machines, each with a copy of the key file: the one that reads gets the new key after the first message of it.
async fn a_bus_key_that_comes_late_is_waited_for(side: Side, door: Door) {
    let mut stage = Stage::new(side, door).await;
    let folder = stage.world.databases.folder();
    let (theirs, ours) = (folder.join("theirs.keys"), folder.join("ours.keys"));
    stage.bus_keys = Keyring::load_or_create(&theirs).unwrap();
    std::fs::copy(&theirs, &ours).unwrap();
    stage.bus_keys.rotate(chrono::TimeDelta::zero()).unwrap();
    let event = stage.said_of_a_patient(stage.world.id());
    assert_eq!(event.data["personal"]["key"], "k2");
    stage.bus_keys = Keyring::load(&ours).unwrap();
    stage.publish(std::slice::from_ref(&event)).await;
    let consumer = stage.consumer();
    until("it was tried in vain", || async { stage.register.handled.load(SeqCst) > 2 }).await;
    assert!(stage.rows().await.is_empty() && stage.parked().await.is_empty());
    std::fs::copy(&theirs, &ours).unwrap();
    until("it is done", || async { stage.rows().await.len() == 1 }).await;
    assert_eq!(stage.rows().await, [(event.subject, 1, "findme-first".to_owned())]);
    consumer.stop().await;
    assert!(stage.parked().await.is_empty());
    stage.end().await;
}

async fn what_nobody_wants_is_acked_unread(side: Side, door: Door) {
    let stage = Stage::new(side, door).await;
    let mut unwanted = stage.said(stage.world.id(), 1);
    let Event::InviteOpened(_) = unwanted.event(unwanted.data.clone()).unwrap() else { panic!() };
    unwanted.event_type = "SaidByANewerProgram".to_owned();
    stage.publish(&[unwanted]).await;
    let consumer = stage.consumer();
    stage.drained(vec![consumer]).await;
    assert!(stage.rows().await.is_empty() && stage.parked().await.is_empty());
    assert_eq!(stage.register.handled.load(SeqCst), 1, "the marker alone was handled");
    stage.end().await;
}
