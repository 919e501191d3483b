//! Imports that ask for invitations, and the answers of invites-service.

use crate::common::client::person;
use crate::common::csv::{carry_out, import_as, import_form, of, standing, tally};
use crate::common::told::{Invite, hand_over, publish};
use crate::common::{Served, World, number, on_both_databases, until};
use chrono::TimeDelta;
use serde_json::{Value, json};
use shared_runtime::fetch_all;
use uuid::Uuid;

on_both_databases!(
    each_patient_made_is_asked_for_once,
    those_met_are_asked_for_where_it_was_said,
    an_import_is_done_when_every_answer_is_there,
    answers_that_come_early_or_twice_are_counted_once,
    trying_again_asks_for_nobody_twice,
    the_bus_brings_the_answers,
);

const PLAIN: &str = "id,email,first,last,phone\n";
const HOW: &str = "invite=true&provider_id=dr-1";

/// Whom an import asked for, and how.
async fn asked(served: &Served) -> Vec<(Uuid, Value)> {
    let mut reader = served.service.core().db.read().await.unwrap();
    let sql = "select stream_id, data from events where type = 'InvitationRequested' order by id";
    let rows: Vec<(Uuid, sqlx::types::Json<Value>)> =
        fetch_all!(reader.conn(), (Uuid, sqlx::types::Json<Value>), sql).unwrap();
    rows.into_iter().map(|(patient, data)| (patient, data.0)).collect()
}

fn id_of(import: &Value) -> Uuid {
    import["id"].as_str().unwrap().parse().unwrap()
}

async fn each_patient_made_is_asked_for_once(world: World) {
    let served = world.serve().await;
    served.staff().create(&person(1)).await;
    // The same person twice, one on record, one that fails.
    let file = format!(
        "{PLAIN}m1,a@example.org,Ada,Lovelace,\nm1,a@example.org,Ada,Lovelace,12345\n,person1@example.org,Given1,Family001,\n\
         m2,none,Bob,Byron,\nm3,c@example.org,Cy,Young,\n"
    );
    let parts = [
        ("on_match", "update"),
        ("invite", "true"),
        ("provider_id", "dr-1"),
        ("expiry_days", "14"),
        ("send_email", "false"),
        ("custom_message", "planted words"),
        ("file", file.as_str()),
    ];
    let done = import_form(&served, &parts).await;
    assert_eq!((&done["state"], tally(&done)), (&json!("inviting"), [2, 1, 1, 0, 1]));
    assert_eq!(done["invites"], json!({ "requested": 2, "issued": 0, "refused": 0 }));
    let rows = served.staff().all(&of(&done, "/rows")).await;
    let said = asked(&served).await;
    let mut patients: Vec<String> = said.iter().map(|(patient, _)| patient.to_string()).collect();
    patients.sort_unstable();
    let mut made = [0, 4].map(|row: usize| rows[row]["patient_id"].as_str().unwrap().to_owned());
    made.sort_unstable();
    assert_eq!(patients, made);
    for (_, data) in &said {
        let brief = [&data["import_id"], &data["provider_id"], &data["send_email"], &data["expiry_days"]];
        assert_eq!(brief, [&done["id"], &json!("dr-1"), &json!(false), &json!(14)]);
        assert!(!data.to_string().contains("planted"), "words are sealed: {data}");
    }
}

async fn those_met_are_asked_for_where_it_was_said(world: World) {
    let served = world.serve().await;
    let mut ids = Vec::new();
    for number in 1..=6 {
        ids.push(served.staff().create(&person(number)).await);
    }
    let [open, lapsed, registered] = [1, 2, 3].map(|place: usize| Invite::to(ids[place], world.clock()));
    let told =
        [open.issued(1), lapsed.issued(1), registered.issued(1), registered.accepted(2, registered.id)];
    hand_over(&served, &told).await.unwrap();
    hand_over(&served, &[lapsed.expired(2)]).await.unwrap();
    let line = |number: usize, phone: &str| {
        format!(",person{number}@example.org,Given{number},Family{number:03},{phone}\n")
    };
    // The first twice; the fifth is skipped by the policy, the sixth by a person.
    let file = [
        PLAIN.to_owned(),
        line(1, ""),
        line(2, ""),
        line(3, ""),
        line(4, ""),
        line(5, "12345"),
        line(6, "12345"),
        line(1, ""),
    ]
    .concat();
    let dry = import_as(&served, "dry_run=true", file.clone()).await;
    let decisions = json!({ "file_sha256": dry["file"]["sha256"], "rows": { "6": "skip" } }).to_string();
    let parts = [
        ("invite", "true"),
        ("invite_matched", "true"),
        ("provider_id", "dr-1"),
        ("decisions", decisions.as_str()),
        ("file", file.as_str()),
    ];
    let done = import_form(&served, &parts).await;
    assert_eq!(tally(&done), [0, 0, 5, 2, 0]);
    let mut patients: Vec<Uuid> = asked(&served).await.into_iter().map(|(patient, _)| patient).collect();
    patients.sort_unstable();
    let mut expected = vec![ids[0], ids[2], ids[4]];
    expected.sort_unstable();
    assert_eq!(patients, expected);
    // Without it nobody on record is asked for, and there is nothing to wait for.
    let done = import_as(&served, HOW, file).await;
    assert_eq!((&done["state"], &done["invites"]["requested"]), (&json!("done"), &json!(0)));
}

/// An import of so many new patients that asks for each, and its invites.
async fn inviting(served: &Served, count: usize) -> (Uuid, Vec<Invite>) {
    let rows: String = (0..count).map(|n| format!("m{n},new{n}@example.org,A,B{n},\n")).collect();
    let done = import_as(served, HOW, format!("{PLAIN}{rows}")).await;
    assert_eq!(done["state"], "inviting");
    let rows = served.staff().all(&of(&done, "/rows")).await;
    let invite = |row: &Value| Invite {
        import: Some(id_of(&done)),
        ..Invite::to(row["patient_id"].as_str().unwrap().parse().unwrap(), served.world.clock())
    };
    (id_of(&done), rows.iter().map(invite).collect())
}

async fn an_import_is_done_when_every_answer_is_there(world: World) {
    let served = world.serve().await;
    let (id, invites) = inviting(&served, 3).await;
    let first = invites[0].issued(1);
    for _ in 0..2 {
        hand_over(&served, &[first.clone(), invites[1].refused("patient_inactive")]).await.unwrap();
    }
    let halfway = standing(&served.staff(), id).await;
    let counts = json!({ "requested": 3, "issued": 1, "refused": 1 });
    assert_eq!((&halfway["state"], &halfway["invites"]), (&json!("inviting"), &counts));
    let last = invites[2].issued(1);
    hand_over(&served, &[last.clone(), last.clone()]).await.unwrap();
    hand_over(&served, &[last, first]).await.unwrap();
    let done = standing(&served.staff(), id).await;
    let counts = json!({ "requested": 3, "issued": 2, "refused": 1 });
    assert_eq!((&done["state"], &done["invites"]), (&json!("done"), &counts));
    let refused = "select count(*) from import_invitations where answer = 'patient_inactive'";
    assert_eq!(number!(served, refused), 1);
}

async fn answers_that_come_early_or_twice_are_counted_once(world: World) {
    let served = world.serve().await;
    let rows: String = (0..600).map(|n| format!("m{n},new{n}@example.org,A,B{n},\n")).collect();
    let file = format!("{PLAIN}{rows}");
    let id = crate::common::csv::send(&served.staff(), HOW, file).await.is(202).id();
    served.service.import_worker().step().await.unwrap();
    // The first chunk is answered before the second is carried out.
    let answer = |patient: Uuid| Invite { import: Some(id), ..Invite::to(patient, world.clock()) }.issued(1);
    let early: Vec<_> = asked(&served).await.into_iter().map(|(patient, _)| answer(patient)).collect();
    assert_eq!(early.len(), 500);
    hand_over(&served, &early).await.unwrap();
    hand_over(&served, &early).await.unwrap();
    let running = standing(&served.staff(), id).await;
    assert_eq!((&running["state"], &running["invites"]["issued"]), (&json!("running"), &json!(500)));
    carry_out(&served).await;
    assert_eq!(standing(&served.staff(), id).await["state"], "inviting");
    let late: Vec<_> =
        asked(&served).await.into_iter().skip(500).map(|(patient, _)| answer(patient)).collect();
    hand_over(&served, &late).await.unwrap();
    let done = standing(&served.staff(), id).await;
    assert_eq!((&done["state"], &done["invites"]["issued"]), (&json!("done"), &json!(600)));
}

async fn trying_again_asks_for_nobody_twice(world: World) {
    let served = world.serve().await;
    let way = json!({ "email": "b@example.org", "first_name": "In", "last_name": "The way" });
    let stranger = served.staff().create(&way).await;
    let file = format!("{PLAIN}m1,a@example.org,Ada,Lovelace,\nm2,b@example.org,Bob,Byron,\n");
    let done = import_as(&served, HOW, file).await;
    let id = id_of(&done);
    let answer = |patient| Invite { import: Some(id), ..Invite::to(patient, world.clock()) }.issued(1);
    let first = asked(&served).await;
    assert_eq!(first.len(), 1);
    hand_over(&served, &[answer(first[0].0)]).await.unwrap();
    served.staff().delete(&crate::common::client::at(stranger), "*").await.is(200);
    world.clock().advance(TimeDelta::days(1));
    served.staff().post(&of(&done, "/retry"), &json!({})).await.is(202);
    carry_out(&served).await;
    let second = asked(&served).await;
    assert_eq!((second.len(), second[0].0), (2, first[0].0));
    let again = standing(&served.staff(), id).await;
    assert_eq!((&again["state"], &again["invites"]["requested"]), (&json!("inviting"), &json!(2)));
    hand_over(&served, &[answer(second[1].0)]).await.unwrap();
    assert_eq!(standing(&served.staff(), id).await["state"], "done");
}

async fn the_bus_brings_the_answers(world: World) {
    let served = world.work().await;
    let file = format!("{PLAIN}m1,a@example.org,Ada,Lovelace,\nm2,b@example.org,Bob,Byron,\n");
    let id = crate::common::csv::send(&served.staff(), HOW, file).await.is(202).id();
    let state = |wanted: &'static str| {
        let api = served.staff();
        move || {
            let api = api.clone();
            async move { Some(standing(&api, id).await).filter(|import| import["state"] == wanted) }
        }
    };
    until("the invitations", state("inviting")).await;
    let patients: Vec<Uuid> = asked(&served).await.into_iter().map(|(patient, _)| patient).collect();
    let invite = |place: usize| Invite { import: Some(id), ..Invite::to(patients[place], world.clock()) };
    let said = [invite(0).issued(1), invite(1).refused("patient_unknown")];
    publish(&served, &said).await;
    publish(&served, &said).await;
    let done = until("the end", state("done")).await;
    assert_eq!(done["invites"], json!({ "requested": 2, "issued": 1, "refused": 1 }));
    served.close().await;
}
