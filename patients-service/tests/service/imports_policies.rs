//! What becomes of a row whose patient is on record: the policy, and the person's own decisions.

use crate::common::client::{at, person};
use crate::common::csv::{ends, failures, import_as, import_form, of, send_form, tally};
use crate::common::{Served, World, number, on_both_databases};
use serde_json::{Value, json};
use shared_runtime::fetch_all;
use uuid::Uuid;

on_both_databases!(
    each_policy_does_what_it_says,
    an_update_says_only_what_the_row_says,
    an_address_that_an_update_lets_go_of_is_free_for_a_later_row,
    two_rows_change_one_patient_one_after_the_other,
    decisions_go_before_the_policy,
    decisions_that_cannot_be_done_say_why,
    an_ambiguous_row_is_settled_by_a_decision,
    decisions_are_for_one_file,
);

const PLAIN: &str = "id,email,first,last,birthdate,phone\n";

async fn record(served: &Served, id: Uuid) -> Value {
    served.staff().get(&at(id)).await.is(200).body
}

async fn each_policy_does_what_it_says(world: World) {
    let served = world.serve().await;
    let id = served.staff().create(&person(1)).await;
    let row = |phone: &str| format!("{PLAIN},person1@example.org,Given1,Family001,,{phone}\n");
    let done = import_as(&served, "on_match=fail", row("11111")).await;
    assert_eq!((tally(&done), failures(&done)), ([0, 0, 0, 0, 1], vec![(1, "differs".to_owned())]));
    assert_eq!((&done["on_match"], &done["matches"][0]["differs"]), (&json!("fail"), &json!(["phone"])));
    assert_eq!(tally(&import_as(&served, "on_match=skip", row("11111")).await), [0, 0, 0, 1, 0]);
    assert!(record(&served, id).await["phone"].is_null());
    assert_eq!(tally(&import_as(&served, "on_match=update", row("11111")).await), [0, 1, 0, 0, 0]);
    assert_eq!(record(&served, id).await["phone"], "11111");
    // What is just so on record is unchanged under each.
    for policy in ["skip", "update", "fail"] {
        let done = import_as(&served, &format!("on_match={policy}"), row("11111")).await;
        assert_eq!(tally(&done), [0, 0, 1, 0, 0], "{policy}");
    }
    assert_eq!(number!(served, "select count(*) from events"), 2);
}

async fn an_update_says_only_what_the_row_says(world: World) {
    let served = world.serve().await;
    let mut body = person(1);
    body["phone"] = json!("12345");
    body["notes"] = json!("Prefers mornings");
    body["external_id"] = json!("m1");
    let id = served.staff().create(&body).await;
    let done =
        import_as(&served, "on_match=update", format!("{PLAIN}m1,moved@example.org,Given1,Married,,\n"));
    let done = done.await;
    assert_eq!(tally(&done), [0, 1, 0, 0, 0]);
    let now = record(&served, id).await;
    for (field, value) in [
        ("email", "moved@example.org"),
        ("last_name", "Married"),
        ("phone", "12345"),
        ("notes", "Prefers mornings"),
    ] {
        assert_eq!(now[field], value);
    }
    let mut reader = served.service.core().db.read().await.unwrap();
    let said = "select data from events where type = 'PatientUpdated'";
    let said: Vec<(sqlx::types::Json<Value>,)> =
        fetch_all!(reader.conn(), (sqlx::types::Json<Value>,), said).unwrap();
    assert_eq!(said.len(), 1);
    assert_eq!(said[0].0["import_id"], done["id"]);
    // An import never sends a new invite for one that is void by a new address.
    assert_ne!(said[0].0["reissue_invites"], true);
}

async fn an_address_that_an_update_lets_go_of_is_free_for_a_later_row(world: World) {
    let served = world.serve().await;
    let mut body = person(1);
    body["external_id"] = json!("m1");
    served.staff().create(&body).await;
    let file = format!(
        "{PLAIN}m1,moved@example.org,Given1,Family001,,\nm2,person1@example.org,New,Holder,,\n\
         m1,again@example.org,Given1,Family001,,\nm3,moved@example.org,Third,Person,,\n"
    );
    let dry = import_as(&served, "dry_run=true&on_match=update", file.clone()).await;
    let done = import_as(&served, "on_match=update", file).await;
    assert_eq!((tally(&done), tally(&dry)), ([2, 2, 0, 0, 0], [2, 2, 0, 0, 0]));
    for (search, name) in [("again@", "Family001"), ("person1@", "Holder"), ("moved@", "Person")] {
        let found = served.staff().all(&format!("/api/patients?search={search}")).await;
        assert_eq!((found.len(), &found[0]["last_name"]), (1, &json!(name)));
    }
    assert_eq!(number!(served, "select count(*) from claims"), 6);
}

async fn two_rows_change_one_patient_one_after_the_other(world: World) {
    let served = world.serve().await;
    let id = served.staff().create(&person(1)).await;
    let file = format!(
        "{PLAIN},person1@example.org,Given1,Family001,,11111\n,person1@example.org,Given1,Family001,,22222\n\
         m1,person1@example.org,Given1,Family001,,\n"
    );
    let done = import_as(&served, "on_match=update", file).await;
    assert_eq!(tally(&done), [0, 3, 0, 0, 0]);
    let now = record(&served, id).await;
    assert_eq!((&now["phone"], &now["external_id"]), (&json!("22222"), &json!("m1")));
    assert_eq!(number!(served, "select count(*) from events"), 4);
}

/// A file, and decisions about its rows under a policy.
async fn decided(served: &Served, file: &str, policy: &str, rows: Value) -> Value {
    let dry = import_as(served, "dry_run=true", file.to_owned()).await;
    let decisions = json!({ "file_sha256": dry["file"]["sha256"], "rows": rows }).to_string();
    import_form(served, &[("on_match", policy), ("decisions", &decisions), ("file", file)]).await
}

async fn decisions_go_before_the_policy(world: World) {
    let served = world.serve().await;
    for number in 1..=3 {
        served.staff().create(&person(number)).await;
    }
    let file = format!(
        "{PLAIN},person1@example.org,Given1,Family001,,11111\n,person2@example.org,Given2,Family002,,22222\n\
         ,person3@example.org,Eve,Stranger,,33333\n,new@example.org,New,One,,\n"
    );
    let rows = json!({ "1": "update", "3": "update", "4": "skip" });
    let done = decided(&served, &file, "fail", rows).await;
    assert_eq!(ends(&served.staff(), &done).await, ["updated", "failed", "updated", "skipped"]);
    let third = served.staff().all("/api/patients?search=person3").await;
    assert_eq!(third[0]["last_name"], "Stranger");
    assert_eq!(served.staff().all("/api/patients").await.len(), 3);
}

async fn decisions_that_cannot_be_done_say_why(world: World) {
    let served = world.serve().await;
    let mut body = person(1);
    body["external_id"] = json!("m1");
    served.staff().create(&body).await;
    let file = format!(
        "{PLAIN},new@example.org,New,One,,\nm1,other@example.org,New,Two,,\n,person1@example.org,New,Three,,\n"
    );
    let done = decided(&served, &file, "skip", json!({ "1": "update", "2": "create", "3": "create" })).await;
    let said = [(1, "no_match"), (2, "external_id_taken"), (3, "email_taken")];
    assert_eq!(failures(&done), said.map(|(row, code)| (row, code.to_owned())));
    // Where the clinic shares addresses, the last is a patient of their own.
    served.admin().patch("/api/clinic", "*", &json!({ "allow_shared_email": true })).await.is(200);
    let done = decided(&served, &file, "skip", json!({ "1": "skip", "2": "skip", "3": "create" })).await;
    assert_eq!(tally(&done), [1, 0, 0, 2, 0]);
}

async fn an_ambiguous_row_is_settled_by_a_decision(world: World) {
    let served = world.serve().await;
    let mut body = person(1);
    body["external_id"] = json!("m1");
    let id = served.staff().create(&body).await;
    served.staff().create(&person(2)).await;
    // Another number for the first; and one row that names both.
    let file = format!(
        "{PLAIN}m9,person1@example.org,Given1,Family001,,\nm1,person2@example.org,Given2,Family002,,\n"
    );
    let done = import_as(&served, "on_match=update", file.clone()).await;
    let said = [(1, "ambiguous".to_owned()), (2, "ambiguous".to_owned())];
    assert_eq!(failures(&done), said);
    let done = decided(&served, &file, "skip", json!({ "1": "update", "2": "skip" })).await;
    assert_eq!(ends(&served.staff(), &done).await, ["updated", "skipped"], "{}", of(&done, ""));
    assert_eq!(record(&served, id).await["external_id"], "m9");
}

async fn decisions_are_for_one_file(world: World) {
    let served = world.serve().await;
    let file = format!("{PLAIN},new@example.org,New,One,,\n");
    let dry = import_as(&served, "dry_run=true", file.clone()).await;
    let hash = dry["file"]["sha256"].as_str().unwrap();
    let decisions = json!({ "file_sha256": hash.to_uppercase(), "rows": { "1": "skip" } }).to_string();
    let other = file.replace("new@", "newer@");
    let reply = send_form(&served.staff(), &[("decisions", &decisions), ("file", &other)]).await;
    reply.refused(409, "decisions_for_another_file");
    assert_eq!(number!(served, "select count(*) from imports"), 1);
    let done = import_form(&served, &[("decisions", &decisions), ("file", &file)]).await;
    assert_eq!(tally(&done), [0, 0, 0, 1, 0]);
}
