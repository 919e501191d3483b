//! What is written down of each request, and who may read it.

use crate::common::client::{Api, Reply, at, person};
use crate::common::{Served, World, csv, on_both_databases};
use serde_json::{Value, json};
use shared_http::Role;
use shared_runtime::execute;

on_both_databases!(
    a_repeated_request_is_a_read_of_what_it_answers,
    a_page_is_one_row_with_its_ids_and_nothing_that_was_searched_for,
    what_is_refused_or_done_by_a_worker_is_no_row,
    what_changes_nothing_is_a_read,
    rows_are_found_by_thing_action_actor_and_time,
    another_clinic_sees_its_own_rows_alone,
    what_cannot_be_written_down_is_not_shown,
);

/// Rows that tell of everything but reading the audit, oldest first: action and ids.
async fn told(served: &Served, filter: &str) -> Vec<(String, Vec<String>)> {
    let rows = rows(&served.admin(), filter).await;
    rows.iter().map(|row| (text(&row["action"]), ids(row))).collect()
}

async fn rows(api: &Api, filter: &str) -> Vec<Value> {
    let mut rows = api.all(&format!("/api/audit/patients?limit=200{filter}")).await;
    rows.retain(|row| row["action"] != "audit.read");
    rows.reverse();
    rows
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn ids(row: &Value) -> Vec<String> {
    row["ids"].as_array().unwrap().iter().map(text).collect()
}

fn request(reply: &Reply) -> String {
    reply.headers["x-request-id"].to_str().unwrap().to_owned()
}

async fn a_repeated_request_is_a_read_of_what_it_answers(world: World) {
    let served = world.serve().await;
    let first = served.staff().post_as("k1", "/api/patients", &person(1)).await.is(201);
    let again = served.staff().post_as("k1", "/api/patients", &person(1)).await.is(201);
    let id = first.id().to_string();
    let rows = rows(&served.admin(), "").await;
    let told: Vec<_> = rows.iter().map(|row| (text(&row["action"]), ids(row))).collect();
    assert_eq!(told, [("patient.created".into(), vec![id.clone()]), ("patient.read".into(), vec![id])]);
    let requests: Vec<_> = rows.iter().map(|row| text(&row["request_id"])).collect();
    assert_eq!(requests, [request(&first), request(&again)]);
    assert_eq!((&rows[0]["actor"], &rows[0]["role"]), (&json!("staff:staff-1"), &json!("staff")));
}

async fn a_page_is_one_row_with_its_ids_and_nothing_that_was_searched_for(world: World) {
    let served = world.serve().await;
    for number in 1..=3 {
        served.staff().create(&person(number)).await;
    }
    let page = served.viewer().get("/api/patients?search=family00&limit=2").await.is(200);
    let shown: Vec<_> = page.body["items"].as_array().unwrap().iter().map(|item| text(&item["id"])).collect();
    served.viewer().get("/api/patients?search=nobody-of-this-name").await.is(200);
    let rows = rows(&served.admin(), "&action=patient.listed").await;
    assert_eq!(rows.iter().map(ids).collect::<Vec<_>>(), [shown, vec![]]);
    let all = serde_json::to_string(&rows).unwrap();
    assert!(!all.contains("family") && !all.contains("nobody") && !all.contains("example.org"), "{all}");
}

async fn what_is_refused_or_done_by_a_worker_is_no_row(world: World) {
    let served = world.serve().await;
    let id = served.staff().create(&person(1)).await;
    served.staff().post("/api/patients", &person(1)).await.refused(409, "email_taken");
    served.staff().patch(&at(id), "\"7\"", &json!({ "phone": "12345" })).await.refused(412, "version_stale");
    served.viewer().delete(&at(id), "*").await.refused(403, "role_insufficient");
    served.stranger().get(&at(id)).await.refused(404, "not_found");
    let done = csv::import(&served, "email,first_name,last_name\na@example.org,Ada,Lovelace\n").await;
    let actions: Vec<_> = told(&served, "").await.into_iter().map(|(action, _)| action).collect();
    assert_eq!(actions[..2], ["patient.created", "import.started"], "{done}");
    assert!(actions[2..].iter().all(|action| action == "import.read"), "{actions:?}");
}

async fn what_changes_nothing_is_a_read(world: World) {
    let served = world.serve().await;
    let id = served.staff().create(&person(1)).await;
    served.staff().delete(&at(id), "*").await.is(200);
    served.staff().delete(&at(id), "*").await.is(200);
    served.admin().patch("/api/clinic", "*", &json!({ "name": "Ours" })).await.is(200);
    served.admin().patch("/api/clinic", "*", &json!({ "name": "Ours" })).await.is(200);
    let actions: Vec<_> = told(&served, "").await.into_iter().map(|(action, _)| action).collect();
    let expected =
        ["patient.created", "patient.archived", "patient.read", "clinic.settings_changed", "clinic.read"];
    assert_eq!(actions, expected);
}

async fn rows_are_found_by_thing_action_actor_and_time(world: World) {
    let served = world.serve().await;
    let (one, two) = (served.staff().create(&person(1)).await, served.staff().create(&person(2)).await);
    world.clock().advance(chrono::TimeDelta::hours(1));
    served.by("clinic-1", "staff-2", Role::Staff).get(&at(one)).await.is(200);
    let found = |filter: String| {
        let served = &served;
        async move { told(served, &filter).await.into_iter().map(|(action, _)| action).collect::<Vec<_>>() }
    };
    assert_eq!(found(format!("&id={one}")).await, ["patient.created", "patient.read"]);
    assert_eq!(found(format!("&id={two}")).await, ["patient.created"]);
    assert_eq!(found("&actor=staff%3Astaff-2".to_owned()).await, ["patient.read"]);
    assert_eq!(
        found("&from=2026-11-23T08:30:00Z&to=2026-11-23T10:00:00Z".to_owned()).await,
        ["patient.read"]
    );
    assert_eq!(found("&to=2026-11-23T08:30:00Z&action=patient.created".to_owned()).await.len(), 2);
    assert_eq!(found("&limit=1".replace("&limit=1", "&action=patient.erased")).await.len(), 0);
    // Page by page is the same.
    let all = served.admin().all("/api/audit/patients?action=patient.created&limit=1").await;
    assert_eq!(all.iter().map(ids).collect::<Vec<_>>(), [vec![two.to_string()], vec![one.to_string()]]);
}

async fn another_clinic_sees_its_own_rows_alone(world: World) {
    let served = world.serve().await;
    let id = served.staff().create(&person(1)).await;
    assert_eq!(rows(&served.stranger(), "").await, Vec::<Value>::new());
    assert_eq!(rows(&served.stranger(), &format!("&id={id}")).await, Vec::<Value>::new());
    served.staff().get("/api/audit/patients").await.refused(403, "role_insufficient");
}

async fn what_cannot_be_written_down_is_not_shown(world: World) {
    let served = world.serve().await;
    let id = served.staff().create(&person(1)).await;
    let core = served.service.core();
    let mut tx = core.db.begin().await.unwrap();
    execute!(tx.conn(), "alter table audit rename to gone").unwrap();
    tx.commit().await.unwrap();
    let refused = served.staff().get(&at(id)).await;
    assert_eq!(refused.status, 503);
    assert!(!refused.text.contains("Family"), "{}", refused.text);
    let refused = served.staff().delete(&at(id), "*").await;
    assert!(refused.status >= 500, "{}", refused.text);
    let mut tx = core.db.begin().await.unwrap();
    execute!(tx.conn(), "alter table gone rename to audit").unwrap();
    tx.commit().await.unwrap();
    assert_eq!(served.staff().get(&at(id)).await.is(200).body["status"], "pending");
}
