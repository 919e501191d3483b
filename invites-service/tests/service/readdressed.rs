//! A new address: open invites are void, and come back where staff ask for that.

use crate::world::{World, archived, created, details, updated};
use shared_events::Event;
use shared_runtime::consume::Incoming;
use testkit::databases::Door;
use uuid::Uuid;

testkit::on_both_databases!(
    issued_again_to_the_new_address,
    in_any_order_once,
    not_where_nobody_asks,
    a_repeated_change_undoes_nothing
);

/// Staff changed the address to a new one, and want open invites issued again.
fn moved(world: &World, patient: Uuid, version: i64, from: i64) -> Incoming {
    let mut moved = details(patient);
    moved.email = format!("new-{version}-{}@example.org", patient.simple());
    let Event::PatientUpdated(mut event) = updated(moved, version) else { unreachable!() };
    (event.reissue_invites, event.reissue_from) = (true, from);
    world.incoming(patient, version, Event::PatientUpdated(event))
}

async fn issued_again_to_the_new_address(door: Door) {
    let world = World::new(door).await;
    let patient = world.patient().await;
    let old = world
        .post(
            "/api/generate_invite",
            serde_json::json!({ "patient_id": patient, "provider_id": "dr-who", "send_email": false,
                                "custom_message": "See you", "expiry_days": 30 }),
        )
        .await;
    world.hear(&[moved(&world, patient, 2, 0)]).await.expect("heard");
    assert_eq!(world.statuses(patient).await, ["pending", "revoked"]);
    let page = world.get(&format!("/api/invites?patient_id={patient}&status=pending")).await;
    let new = page.body["items"][0].clone();
    assert_eq!(new["reissue_of"], old.id().to_string());
    let shown = world.get(&format!("/api/invites/{}", new["id"].as_str().expect("an id"))).await;
    assert_eq!(
        (shown.text("custom_message"), shown.text("provider_id")),
        ("See you".into(), "dr-who".into())
    );
    assert_eq!((shown.text("channel"), shown.text("expires_at")), ("link".into(), old.text("expires_at")));
    assert_eq!(world.verify(&old.token()).await.body["valid"], false);
    // Who asked for the change is who issued it again.
    let told = world.get(&format!("/api/invites/{}/history", shown.id())).await;
    assert_eq!(told.body["items"][0]["actor"], "staff:9");
    world.rows_are_their_streams().await;
}

async fn in_any_order_once(door: Door) {
    let world = World::new(door).await;
    let orders: [&[&[usize]]; 6] = [
        &[&[0], &[1]],
        &[&[1], &[0]],
        &[&[0, 1]],
        &[&[1, 0]],
        &[&[1, 1], &[0, 0, 1]],
        &[&[0], &[0], &[1], &[0]],
    ];
    for order in orders {
        let patient = world.patient().await;
        world.issue(patient).await.is(201, "");
        let changes = [moved(&world, patient, 2, 0), moved(&world, patient, 3, 2)];
        for batch in order {
            let batch: Vec<Incoming> = batch.iter().map(|place| changes[*place].clone()).collect();
            world.hear(&batch).await.expect("heard");
        }
        let statuses = world.statuses(patient).await;
        assert_eq!(
            statuses.iter().filter(|status| *status == "pending").count(),
            1,
            "{order:?}: {statuses:?}"
        );
    }
}

async fn not_where_nobody_asks(door: Door) {
    let world = World::new(door).await;
    // An import changed it, or archived and restored it meanwhile: whichever is heard first.
    for reversed in [false, true] {
        let patient = world.patient().await;
        world.issue(patient).await.is(201, "");
        let mut imported = details(patient);
        imported.email = format!("import-{}@example.org", patient.simple());
        let mut told = vec![moved(&world, patient, 2, 0), world.incoming(patient, 3, updated(imported, 3))];
        if reversed {
            told.reverse();
        }
        for one in told {
            world.hear(&[one]).await.expect("heard");
        }
        assert!(world.statuses(patient).await.iter().all(|status| status == "revoked"), "{reversed}");
        let patient = world.patient().await;
        world.issue(patient).await.is(201, "");
        let mut told =
            vec![moved(&world, patient, 2, 0), world.incoming(patient, 3, archived(details(patient), 3))];
        if reversed {
            told.reverse();
        }
        for one in told {
            world.hear(&[one]).await.expect("heard");
        }
        assert!(world.statuses(patient).await.iter().all(|status| status == "revoked"), "{reversed}");
    }
    // Nobody was invited, so nobody is invited again; nor is one who is not known yet.
    let patient = world.clock.new_id();
    world.hear(&[moved(&world, patient, 2, 0)]).await.expect("heard");
    world.hear(&[world.incoming(patient, 1, created(details(patient)))]).await.expect("heard");
    assert!(world.statuses(patient).await.is_empty());
}

async fn a_repeated_change_undoes_nothing(door: Door) {
    let world = World::new(door).await;
    let patient = world.patient().await;
    world.issue(patient).await.is(201, "");
    let change = moved(&world, patient, 2, 0);
    world.hear(std::slice::from_ref(&change)).await.expect("heard");
    let page = world.get(&format!("/api/invites?patient_id={patient}&status=pending")).await;
    let again = page.body["items"][0]["id"].as_str().expect("an id").to_owned();
    world.post(&format!("/api/invites/{again}/revoke"), serde_json::json!({})).await.is(200, "");
    world.hear(&[change]).await.expect("heard again");
    assert_eq!(world.statuses(patient).await, ["revoked", "revoked"]);
}
