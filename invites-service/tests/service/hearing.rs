//! What others say: repeated, permuted, unreadable.

use crate::world::{World, archived, created, details, record, until, updated};
use chrono::TimeDelta;
use shared_events::clinic::{ClinicSettings, SettingsChanged};
use shared_events::patient::{
    InvitationRequested, InviteWords, PatientErased, PatientRestored, PatientStatus,
};
use shared_events::{Event, Secret};
use shared_runtime::consume::{HandleError, Incoming, list_parked};
use testkit::databases::Door;
use uuid::Uuid;

testkit::on_both_databases!(
    permuted_and_repeated,
    an_import_invites_once,
    a_request_before_its_patient_is_tried_again,
    a_request_in_vain_is_an_event,
    what_happened_to_the_patient_voids_invites,
    what_cannot_be_opened_is_parked,
    many_patients_in_one_batch,
);

fn requested(import_id: Uuid, void_before: i64) -> Event {
    Event::InvitationRequested(InvitationRequested {
        import_id,
        provider_id: "dr-grey".into(),
        send_email: true,
        expiry_days: Some(30),
        invites_void_before: void_before,
        personal: Secret::Known(InviteWords { custom_message: Some("Welcome".into()) }),
    })
}

fn restored(patient: Uuid, void_before: i64) -> Event {
    let record = record(details(patient), PatientStatus::Pending, void_before);
    Event::PatientRestored(PatientRestored { record })
}

fn erased(world: &World, version: i64) -> Event {
    Event::PatientErased(PatientErased {
        erasure_id: Uuid::nil(),
        erased_at: world.clock.now(),
        invites_void_before: version,
    })
}

/// A small, repeatable source of disorder.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }
}

async fn rows(world: &World) -> Vec<(Uuid, i64, String, Option<String>, i64)> {
    let mut reader = world.service.core().db.read().await.expect("a reader");
    shared_runtime::fetch_all!(
        reader.conn(),
        (Uuid, i64, String, Option<String>, i64),
        "select id, version, status, email, void_before from known_patients order by id"
    )
    .expect("rows")
}

async fn permuted_and_repeated(door: Door) {
    let world = World::new(door).await;
    let mut dice = Dice(7);
    for _ in 0..12 {
        let patient = world.patient().await;
        let issued = world.issue(patient).await;
        let mut moved = details(patient);
        moved.email = format!("new-{}@example.org", patient.simple());
        let history = [
            world.incoming(patient, 1, created(details(patient))),
            world.incoming(patient, 2, updated(moved, 2)),
            world.incoming(patient, 3, archived(details(patient), 3)),
            world.incoming(patient, 4, restored(patient, 3)),
        ];
        let settings = SettingsChanged { settings: ClinicSettings::default(), changed: vec![] };
        let clinic = world.incoming(Uuid::nil(), 1, Event::ClinicSettingsChanged(settings));
        let mut left: Vec<Incoming> = history.iter().chain(&history).cloned().chain([clinic]).collect();
        while !left.is_empty() {
            let batch = 1 + dice.below(3);
            let mut events = Vec::new();
            for _ in 0..batch.min(left.len()) {
                events.push(left.swap_remove(dice.below(left.len())));
            }
            world.hear(&events).await.expect("heard");
        }
        assert_eq!(world.status(issued.id()).await, "revoked");
        assert_eq!(world.history(issued.id()).await, ["InviteIssued", "InviteRevoked"]);
        let known = rows(&world).await;
        let row = known.iter().find(|row| row.0 == patient).expect("known");
        assert_eq!((row.1, row.2.as_str(), row.4), (4, "pending", 3));
        // Erased is above every version, whatever comes late.
        world.hear(&[world.incoming(patient, 5, erased(&world, 5))]).await.expect("heard");
        world.hear(&history).await.expect("heard");
        let known = rows(&world).await;
        let row = known.iter().find(|row| row.0 == patient).expect("known");
        assert_eq!((row.2.as_str(), row.3.as_deref()), ("erased", None));
    }
}

async fn an_import_invites_once(door: Door) {
    let world = World::new(door).await;
    let (import, patient) = (world.clock.new_id(), world.clock.new_id());
    let asked = world.incoming(patient, 2, requested(import, 0));
    let batch = [world.incoming(patient, 1, created(details(patient))), asked.clone(), asked.clone()];
    world.hear(&batch).await.expect("heard");
    world.hear(&batch).await.expect("heard");
    let invite = Uuid::new_v5(&import, patient.as_bytes());
    let shown = world.get(&format!("/api/invites/{invite}")).await;
    assert_eq!(shown.is(200, "").text("import_id"), import.to_string());
    assert_eq!((shown.text("custom_message"), shown.text("status")), ("Welcome".into(), "pending".into()));
    assert_eq!(
        shown.text("expires_at"),
        (world.clock.now() + TimeDelta::days(30)).to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)
    );
    assert_eq!(world.history(invite).await, ["InviteIssued"]);
    // A link that staff ask for later is the same.
    assert_eq!(world.statuses(patient).await, ["pending"]);
}

async fn a_request_before_its_patient_is_tried_again(door: Door) {
    let world = World::new(door).await;
    let (import, patient) = (world.clock.new_id(), world.clock.new_id());
    let early = world.hear(&[world.incoming(patient, 2, requested(import, 0))]).await;
    assert!(matches!(early, Err(HandleError::Early(_))), "{early:?}");
    // Known, but not yet as the request knows the patient: the invite would be void upon arrival.
    world.hear(&[world.incoming(patient, 1, created(details(patient)))]).await.expect("heard");
    let early = world.hear(&[world.incoming(patient, 3, requested(import, 2))]).await;
    assert!(matches!(early, Err(HandleError::Early(_))), "{early:?}");
    world.hear(&[world.incoming(patient, 2, updated(details(patient), 2))]).await.expect("heard");
    world.hear(&[world.incoming(patient, 3, requested(import, 2))]).await.expect("heard");
    assert_eq!(world.statuses(patient).await, ["pending"]);
}

async fn a_request_in_vain_is_an_event(door: Door) {
    let world = World::new(door).await;
    let (import, patient) = (world.clock.new_id(), world.patient().await);
    world.hear(&[world.incoming(patient, 2, archived(details(patient), 2))]).await.expect("heard");
    for _ in 0..2 {
        world.hear(&[world.incoming(patient, 3, requested(import, 2))]).await.expect("heard");
    }
    let invite = Uuid::new_v5(&import, patient.as_bytes());
    assert_eq!(world.history(invite).await, ["InviteRefused"]);
    world.get(&format!("/api/invites/{invite}")).await.is(404, "not_found");
}

async fn what_happened_to_the_patient_voids_invites(door: Door) {
    let world = World::new(door).await;
    let mut undone = match archived(details(Uuid::nil()), 2) {
        Event::PatientArchived(event) => event,
        _ => unreachable!(),
    };
    undone.reason = shared_events::patient::ArchiveReason::ImportUndone;
    let cases = [
        (archived(details(Uuid::nil()), 2), "archived"),
        (updated(details(Uuid::nil()), 2), "email_changed"),
        (Event::PatientArchived(undone), "import_undone"),
        (erased(&world, 2), "erased"),
    ];
    for (event, reason) in cases {
        let patient = world.patient().await;
        let issued = world.issue(patient).await;
        world.hear(&[world.incoming(patient, 2, event)]).await.expect("heard");
        let shown = world.get(&format!("/api/invites/{}", issued.id())).await;
        assert_eq!((shown.text("status").as_str(), shown.text("reason").as_str()), ("revoked", reason));
    }
    // What moves neither address nor standing leaves invites alone.
    let patient = world.patient().await;
    let issued = world.issue(patient).await;
    world.hear(&[world.incoming(patient, 2, updated(details(patient), 0))]).await.expect("heard");
    assert_eq!(world.status(issued.id()).await, "pending");
}

async fn what_cannot_be_opened_is_parked(door: Door) {
    let world = World::new(door).await;
    world.work();
    let (sealed, fine) = (world.clock.new_id(), world.clock.new_id());
    let event = created(details(sealed));
    let mut envelope = world.envelope(sealed, 1, &event);
    envelope.data["status"] = 7.into();
    world.say_as(&envelope, &event).await;
    world.say(fine, 1, &created(details(fine))).await;
    let db = &world.service.core().db;
    until("it is parked", || async { list_parked(db, "invites").await.expect("a list").len() == 1 }).await;
    let parked = list_parked(db, "invites").await.expect("a list");
    assert_eq!((parked[0].stream_id, parked[0].event_type.as_str()), (sealed, "PatientCreated"));
    world.issue(fine).await.is(201, "");
    // Sealed with a key that is not here: to be tried for a while, with a reason that names no value.
    let mut event = match created(details(sealed)) {
        Event::PatientCreated(event) => event,
        _ => unreachable!(),
    };
    event.record.personal = Secret::Sealed;
    let heard = world.hear(&[world.incoming(sealed, 1, Event::PatientCreated(event))]).await;
    assert!(matches!(&heard, Err(HandleError::Early(reason)) if reason.contains("bus key")), "{heard:?}");
}

async fn many_patients_in_one_batch(door: Door) {
    let world = World::new(door).await;
    let import = world.clock.new_id();
    let mut batch = Vec::new();
    for _ in 0..100 {
        let patient = world.clock.new_id();
        batch.push(world.incoming(patient, 1, created(details(patient))));
        batch.push(world.incoming(patient, 2, requested(import, 0)));
    }
    world.hear(&batch).await.expect("heard");
    assert_eq!(world.number("select count(*) from invites where status = 'pending'").await, 100);
    assert_eq!(world.number("select count(distinct key_id) from known_patients").await, 100);
}
