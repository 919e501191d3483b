//! What the service says about itself: its documents, its page, its pulse, its log.

mod common;

use axum::Router;
use axum::routing::get;
use common::*;
use serde_json::{Value, json};
use shared_http::openapi::{Document, describe, docs};
use shared_http::*;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

fn document() -> Value {
    let (_, collected) = api().split_for_parts();
    serde_json::to_value(describe(collected, "Patients", "1.2.3", "Who they are.")).expect("JSON")
}

#[test]
fn the_document_says_3_1_and_refers_to_nothing_that_is_missing() {
    let document = document();
    assert_eq!((&document["openapi"], &document["info"]["version"]), (&json!("3.1.0"), &json!("1.2.3")));
    assert_eq!(document["components"]["securitySchemes"]["bearer"]["scheme"], "bearer");
    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(members) => members.iter().for_each(|(name, value)| match value.as_str() {
                Some(target) if name == "$ref" => found.push(target.to_owned()),
                _ => references(value, found),
            }),
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 10);
    for reference in found {
        let target = reference.strip_prefix('#').expect("a local reference");
        assert!(document.pointer(target).is_some(), "{reference}");
    }
}

#[test]
fn every_operation_tells_the_problems_it_can_answer() {
    let document = document();
    let statuses = |path: &str, method: &str| -> Vec<String> {
        let responses = &document["paths"][path][method]["responses"];
        responses.as_object().expect("responses").keys().cloned().collect()
    };
    assert_eq!(statuses("/api/patients", "get"), ["200", "400", "401", "403", "429", "500", "503"]);
    assert_eq!(
        statuses("/api/patients", "post"),
        ["201", "400", "401", "403", "409", "413", "415", "422", "429", "500", "503"]
    );
    assert_eq!(
        statuses("/api/patients/{id}", "patch"),
        ["200", "400", "401", "403", "404", "409", "412", "413", "415", "422", "428", "429", "500", "503"]
    );
    assert_eq!(
        statuses("/api/verify", "post"),
        ["200", "400", "409", "413", "415", "422", "429", "500", "503"]
    );

    let post = &document["paths"]["/api/patients"]["post"];
    assert_eq!(post["responses"]["409"]["description"], "E-mail taken");
    let problem = &post["responses"]["422"]["content"]["application/problem+json"]["schema"]["$ref"];
    assert_eq!(problem, "#/components/schemas/Problem");
    assert_eq!(post["parameters"][0]["name"], "Idempotency-Key");
}

#[test]
fn every_operation_says_which_role_it_needs() {
    let document = document();
    let needed = |path: &str, method: &str| document["paths"][path][method]["security"].clone();
    // Nothing was said of these two; the third is for everybody.
    assert_eq!(needed("/api/patients", "get"), json!([{ "bearer": ["viewer"] }]));
    assert_eq!(needed("/api/patients", "post"), json!([{ "bearer": ["staff"] }]));
    assert_eq!(needed("/api/verify", "post"), json!([{}]));
}

#[test]
fn schemas_say_what_is_sent() {
    let document = document();
    let schemas = &document["components"]["schemas"];
    let page = &schemas["Page_PatientView"];
    assert_eq!(page["required"], json!(["items", "next_cursor"]));
    assert_eq!(page["properties"]["next_cursor"]["type"], json!(["string", "null"]));

    let patch = &schemas["PatientPatch"];
    assert_eq!(patch.get("required"), None);
    assert_eq!(patch["additionalProperties"], false);
    let phone = patch["properties"]["phone"]["$ref"].as_str().expect("a reference");
    let phone = document.pointer(&phone[1..]).expect("a schema");
    assert_eq!(phone["oneOf"], json!([{"type": "null"}, {"type": "string"}]));

    let parameters = document["paths"]["/api/patients"]["get"]["parameters"].as_array().expect("parameters");
    let limit = parameters.iter().find(|parameter| parameter["name"] == "limit").expect("limit");
    assert_eq!(limit["schema"], json!({"type": "integer", "default": 50, "minimum": 1, "maximum": 200}));
    assert_eq!((&limit["in"], &limit["required"]), (&json!("query"), &json!(false)));
}

#[tokio::test]
async fn two_documents_share_one_page_that_loads_nothing_from_elsewhere() {
    let part = |name, path| {
        let (_, collected) = api().split_for_parts();
        Document { name, path, openapi: describe(collected, name, "1", "") }
    };
    let documents =
        vec![part("Patients", "/openapi/patients.json"), part("Invites", "/openapi/invites.json")];
    let served = serve(manners(docs(documents), ManneredConfig::default()), Limits::default()).await;
    let text = async |path: &str| {
        let response = client().get(served.url(path)).send().await.expect("an answer");
        assert_eq!(response.status(), 200, "{path}");
        response.text().await.expect("text")
    };
    let read: Value = serde_json::from_str(&text("/openapi/invites.json").await).expect("JSON");
    assert_eq!((&read["info"]["title"], &read["openapi"]), (&json!("Invites"), &json!("3.1.0")));
    let page = text("/docs").await;
    assert!(page.contains("swagger-ui") && !page.contains("https://"), "{page}");
    let setup = text("/docs/swagger-initializer.js").await;
    assert!(setup.contains("/openapi/patients.json") && setup.contains("/openapi/invites.json"), "{setup}");
    assert!(setup.contains("\"validatorUrl\": \"none\""), "{setup}");
}

#[tokio::test]
async fn only_what_requests_need_makes_a_service_unready() {
    let (database, bus) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicBool::new(true)));
    let check = |up: &Arc<AtomicBool>| {
        let up = up.clone();
        move || {
            let up = up.load(Ordering::SeqCst);
            async move { if up { Ok("fine".to_owned()) } else { Err("away".to_owned()) } }
        }
    };
    let health = Health::new().check("database", true, check(&database)).check("bus", false, check(&bus));
    let served = serve(manners(health.router(), ManneredConfig::default()), Limits::default()).await;
    let ready = async || {
        let response = client().get(served.url("/readyz")).send().await.expect("an answer");
        (response.status().as_u16(), response.json::<Value>().await.expect("JSON"))
    };
    assert_eq!(ready().await.1["status"], "ready");
    bus.store(false, Ordering::SeqCst);
    let (status, body) = ready().await;
    assert_eq!(
        (status, &body["status"], &body["checks"]["bus"]["detail"]),
        (200, &json!("degraded"), &json!("away"))
    );
    database.store(false, Ordering::SeqCst);
    let (status, body) = ready().await;
    assert_eq!((status, &body["status"]), (503, &json!("unready")));
    assert_eq!(client().get(served.url("/livez")).send().await.expect("an answer").status(), 200);
}

#[tokio::test]
async fn a_check_that_hangs_counts_as_failed() {
    let health =
        Health::new().patience(Duration::from_millis(20)).check("database", true, std::future::pending);
    let served = serve(health.router(), Limits::default()).await;
    let response = client().get(served.url("/readyz")).send().await.expect("an answer");
    assert_eq!(response.status(), 503);
    assert_eq!(
        response.json::<Value>().await.expect("JSON")["checks"]["database"]["detail"],
        "no answer within 20 ms"
    );
}

#[tokio::test]
async fn an_answer_is_counted_by_its_route_and_never_by_its_path() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let note = seen.clone();
    let observe: manners::Observer = Arc::new(move |answered: &manners::Answered| {
        let line = format!("{} {} {}", answered.method, answered.route, answered.status.as_u16());
        note.lock().expect("lock").push(line);
    });
    let inner = Router::new().route("/verify_invite/{token}", get(async || "ok"));
    let config = ManneredConfig { observe: Some(observe), ..ManneredConfig::default() };
    let served = serve(manners(Router::new().nest("/api", inner), config), Limits::default()).await;
    for path in ["/api/verify_invite/s3cret?q=s3cret", "/s3cret"] {
        client().get(served.url(path)).send().await.expect("an answer");
    }
    assert_eq!(*seen.lock().expect("lock"), ["GET /api/verify_invite/{token} 200", "GET unmatched 404"]);
}
