//! Undoing an import: what it made and nobody touched since is archived, the rest is listed.

use crate::common::client::at;
use crate::common::csv::{carry_out, file, import_as, of, row, standing, tally};
use crate::common::past::erase;
use crate::common::told::{Invite, hand_over};
use crate::common::{Served, World, number, on_both_databases};
use patients_service::import::worker::Stepped;
use serde_json::{Value, json};
use shared_runtime::fetch_all;
use uuid::Uuid;

on_both_databases!(
    what_an_import_made_is_archived_and_its_addresses_are_free,
    who_was_touched_since_is_left_and_listed_with_the_reason,
    what_the_import_itself_changed_is_taken_back,
    undoing_goes_on_where_another_service_left_it,
    undoing_twice_is_undoing_once,
    who_was_on_record_before_stays,
);

const PLAIN: &str = "id,email,first,last,phone\n";

/// Asks for it and carries it out.
async fn undo(served: &Served, import: &Value) -> Value {
    let id = served.staff().post(&of(import, "/undo"), &json!({})).await.is(202).id();
    assert_eq!(standing(&served.staff(), id).await["state"], "undoing");
    carry_out(served).await;
    let undone = standing(&served.staff(), id).await;
    assert_eq!(undone["state"], "undone");
    undone
}

/// What was said aloud of undoing: archived and kept, each time.
async fn said(served: &Served) -> Vec<(i64, i64)> {
    let mut reader = served.service.core().db.read().await.unwrap();
    let sql = "select data from events where type = 'ImportUndone'";
    let rows: Vec<(sqlx::types::Json<Value>,)> =
        fetch_all!(reader.conn(), (sqlx::types::Json<Value>,), sql).unwrap();
    rows.iter().map(|(data,)| (data["archived"].as_i64().unwrap(), data["kept"].as_i64().unwrap())).collect()
}

async fn what_an_import_made_is_archived_and_its_addresses_are_free(world: World) {
    let served = world.serve().await;
    let register = file((0..30).map(row));
    let done = import_as(&served, "", register.clone()).await;
    let undone = undo(&served, &done).await;
    assert_eq!(undone["undo"], json!({ "archived": 30, "kept": 0, "left": [] }));
    assert_eq!(said(&served).await, [(30, 0)]);
    assert_eq!(number!(served, "select count(*) from claims"), 0);
    let id =
        served.staff().all(&of(&done, "/rows")).await[0]["patient_id"].as_str().unwrap().parse().unwrap();
    assert_eq!(served.staff().get(&at(id)).await.is(200).body["status"], "inactive");
    let history = served.staff().get(&format!("{}/history", at(id))).await.is(200).body;
    let newest = history["items"].as_array().unwrap().iter().find(|item| item["actor"] == "staff:staff-1");
    assert!(newest.is_some(), "{history}");
    served.staff().post(&of(&done, "/retry"), &json!({})).await.refused(409, "import_undone");
    assert_eq!(tally(&import_as(&served, "", register).await), [30, 0, 0, 0, 0]);
}

async fn who_was_touched_since_is_left_and_listed_with_the_reason(world: World) {
    let served = world.serve().await;
    let done = import_as(&served, "", file((0..8).map(row))).await;
    let rows = served.staff().all(&of(&done, "/rows")).await;
    let ids: Vec<Uuid> =
        rows.iter().map(|row| row["patient_id"].as_str().unwrap().parse().unwrap()).collect();
    served.staff().patch(&at(ids[0]), "*", &json!({ "phone": "12345" })).await.is(200);
    served.staff().delete(&at(ids[1]), "*").await.is(200);
    let (open, over, taken) = (
        Invite::to(ids[2], world.clock()),
        Invite::to(ids[3], world.clock()),
        Invite::to(ids[4], world.clock()),
    );
    let told =
        [open.issued(1), over.issued(1), over.revoked(2), taken.issued(1), taken.accepted(2, taken.id)];
    hand_over(&served, &told).await.unwrap();
    // Of whom nothing is left, who is not listed either.
    erase(&served, ids[5]).await;
    // Changed by another import.
    let changed =
        import_as(&served, "on_match=update", file([row(6).replace("7946 0006", "7946 9999")])).await;
    assert_eq!(tally(&changed), [0, 1, 0, 0, 0]);

    let undone = undo(&served, &done).await;
    let mut left: Vec<(Uuid, String)> = undone["undo"]["left"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            (one["patient_id"].as_str().unwrap().parse().unwrap(), one["reason"].as_str().unwrap().to_owned())
        })
        .collect();
    left.sort_unstable();
    let mut expected: Vec<(Uuid, String)> =
        [(0, "updated"), (1, "archived"), (2, "invited"), (3, "invited"), (4, "registered"), (6, "updated")]
            .into_iter()
            .map(|(place, reason): (usize, &str)| (ids[place], reason.to_owned()))
            .collect();
    expected.sort_unstable();
    assert_eq!(left, expected);
    assert_eq!((&undone["undo"]["archived"], &undone["undo"]["kept"]), (&json!(1), &json!(6)));
    assert_eq!(said(&served).await, [(1, 6)]);
    for (place, status) in [(0, "pending"), (2, "pending"), (3, "pending"), (4, "active"), (7, "inactive")] {
        assert_eq!(served.staff().get(&at(ids[place])).await.is(200).body["status"], status, "{place}");
    }
}

async fn what_the_import_itself_changed_is_taken_back(world: World) {
    let served = world.serve().await;
    let file = format!(
        "{PLAIN}m1,a@example.org,Ada,Lovelace,\nm1,a@example.org,Ada,Lovelace,12345\n\
                        m2,b@example.org,Bob,Byron,\n"
    );
    let how = "on_match=update&invite=true&provider_id=dr-1";
    let done = import_as(&served, how, file).await;
    assert_eq!(tally(&done), [2, 1, 0, 0, 0]);
    // One is refused an invite, the other gets one.
    let rows = served.staff().all(&of(&done, "/rows")).await;
    let invite = |row: usize| Invite {
        import: Some(done["id"].as_str().unwrap().parse().unwrap()),
        ..Invite::to(rows[row]["patient_id"].as_str().unwrap().parse().unwrap(), world.clock())
    };
    served.staff().post(&of(&done, "/undo"), &json!({})).await.refused(409, "import_running");
    hand_over(&served, &[invite(0).refused("patient_inactive"), invite(2).issued(1)]).await.unwrap();
    let undone = undo(&served, &done).await;
    let left = json!([{ "patient_id": rows[2]["patient_id"], "reason": "invited" }]);
    assert_eq!(undone["undo"], json!({ "archived": 1, "kept": 1, "left": left }));
}

async fn undoing_goes_on_where_another_service_left_it(world: World) {
    let served = world.serve().await;
    let done = import_as(&served, "", file((0..1100).map(row))).await;
    served.staff().post(&of(&done, "/undo"), &json!({})).await.is(202);
    assert_eq!(served.service.import_worker().step().await.unwrap(), Stepped::Rows(500));
    served.close().await;

    let served = world.serve().await;
    let halfway = served.staff().get(&of(&done, "")).await.is(200).body;
    assert_eq!((&halfway["state"], &halfway["undo"]["archived"]), (&json!("undoing"), &json!(500)));
    served.staff().post(&of(&done, "/retry"), &json!({})).await.refused(409, "import_running");
    carry_out(&served).await;
    let undone = served.staff().get(&of(&done, "")).await.is(200).body;
    assert_eq!((&undone["state"], &undone["undo"]["archived"]), (&json!("undone"), &json!(1100)));
    assert_eq!(said(&served).await, [(1100, 0)]);
    assert_eq!(number!(served, "select count(*) from events where type = 'PatientArchived'"), 1100);
}

async fn undoing_twice_is_undoing_once(world: World) {
    let served = world.serve().await;
    let done = import_as(&served, "", file((0..3).map(row))).await;
    let path = of(&done, "/undo");
    for _ in 0..2 {
        served.staff().post_as("undo-1", &path, &json!({})).await.is(202);
        served.staff().post(&path, &json!({})).await.is(202);
    }
    carry_out(&served).await;
    let undone = served.staff().get(&of(&done, "")).await.is(200).body;
    served.staff().post(&path, &json!({})).await.is(202);
    served.staff().post_as("undo-1", &path, &json!({})).await.is(202);
    carry_out(&served).await;
    assert_eq!(served.staff().get(&of(&done, "")).await.is(200).body, undone);
    assert_eq!(said(&served).await, [(3, 0)]);
}

async fn who_was_on_record_before_stays(world: World) {
    let served = world.serve().await;
    import_as(&served, "", file((0..5).map(row))).await;
    let second = import_as(
        &served,
        "on_match=update",
        file((3..8).map(|number| match number {
            4 => row(4).replace("7946 0004", "7946 9999"),
            _ => row(number),
        })),
    )
    .await;
    assert_eq!(tally(&second), [3, 1, 1, 0, 0]);
    let undone = undo(&served, &second).await;
    assert_eq!(undone["undo"], json!({ "archived": 3, "kept": 0, "left": [] }));
    assert_eq!(number!(served, "select count(*) from patients where status = 'pending'"), 5);
}
