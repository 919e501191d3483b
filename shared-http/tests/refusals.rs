//! Every refusal a request can meet before a handler decides anything, over a real connection.

mod common;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use common::*;
use shared_http::*;
use std::time::Duration;

async fn start(hands: &Hands) -> (Served, String) {
    let minter = minter(hands);
    let token = minter.mint(&claims(Role::Staff), chrono::TimeDelta::minutes(5)).expect("a token");
    let keys = KeySource::Pem(minter.public_pem().to_owned());
    let app = app(verifier(keys, Algorithm::EdDSA, hands));
    let (router, _) = api().split_for_parts();
    let router = router
        .with_state(app)
        .route("/panic", get(async || -> () { panic!("s3cret") }))
        .route("/slow", get(async || std::future::pending::<()>().await))
        .route("/roomy", post(async |Json(_): Json<NewPatient>| "ok").layer(DefaultBodyLimit::max(8192)))
        .route("/bare/{id}", get(async |_: axum::extract::Path<u8>| "axum's own extractor"));
    let config = ManneredConfig {
        body_bytes: 1024,
        slow_routes: vec![("/slow", Duration::from_millis(100))],
        ..ManneredConfig::default()
    };
    (serve(manners(router, config), Limits::default()).await, token)
}

/// What a client sends, and what it is told.
struct Case {
    method: &'static str,
    path: &'static str,
    headers: &'static [(&'static str, &'static str)],
    body: &'static str,
    told: (u16, &'static str),
}

const JSON: (&str, &str) = ("content-type", "application/json");

#[tokio::test]
async fn every_refusal_is_a_problem_of_its_name() {
    let id = "/api/patients/00000000-0000-0000-0000-000000000000";
    let case = |method, path, headers, body, told| Case { method, path, headers, body, told };
    let cases = [
        case("GET", "/nowhere", &[], "", (404, "not_found")),
        case("DELETE", "/api/patients", &[], "", (405, "method_not_allowed")),
        case("PATCH", "/api/patients/no-uuid", &[("if-match", "\"7\""), JSON], "{}", (404, "not_found")),
        case("GET", "/bare/x", &[], "", (400, "bad_request")),
        case("POST", "/api/patients", &[], "{}", (415, "unsupported_media_type")),
        case(
            "POST",
            "/api/patients",
            &[("content-type", "text/plain")],
            "{}",
            (415, "unsupported_media_type"),
        ),
        case("POST", "/api/patients", &[JSON], "", (400, "malformed_json")),
        case("POST", "/api/patients", &[JSON], "{\"email\":", (400, "malformed_json")),
        case("POST", "/api/patients", &[JSON], "{\"email\":\"a\"}]", (400, "malformed_json")),
        case("POST", "/api/patients", &[JSON], "{\"emial\":\"s3cret\"}", (422, "invalid_body")),
        case("POST", "/api/patients", &[JSON], "{\"email\":\"a\",\"age\":\"s3cret\"}", (422, "invalid_body")),
        case("POST", "/api/patients", &[JSON], "{}", (422, "invalid_body")),
        case(
            "POST",
            "/api/patients",
            &[JSON, ("idempotency-key", "a b")],
            "{}",
            (400, "idempotency_key_invalid"),
        ),
        case("POST", "/api/patients", &[JSON], "{\"email\":\"taken@example.org\"}", (409, "email_taken")),
        case("GET", "/api/patients?limit=0", &[], "", (400, "invalid_query")),
        case("GET", "/api/patients?limit=s3cret", &[], "", (400, "invalid_query")),
        case("GET", "/api/patients?limt=5", &[], "", (400, "invalid_query")),
        case("GET", "/api/patients?cursor=s3cret", &[], "", (400, "cursor_invalid")),
        case("PATCH", id, &[JSON], "{}", (428, "if_match_missing")),
        case("PATCH", id, &[JSON, ("if-match", "W/\"7\"")], "{}", (400, "if_match_invalid")),
        case("PATCH", id, &[JSON, ("if-match", "7")], "{}", (400, "if_match_invalid")),
        case("PATCH", id, &[JSON, ("if-match", "\"6\"")], "{}", (412, "version_stale")),
        case("PATCH", id, &[JSON, ("if-match", "*")], "{\"phone\":null}", (422, "invalid_body")),
        case("GET", "/panic", &[], "", (500, "internal")),
        case("GET", "/slow", &[], "", (503, "timeout")),
    ];
    let hands = Hands::new();
    let (served, token) = start(&hands).await;
    for case in cases {
        let method = case.method.parse().expect("a method");
        let mut request = client().request(method, served.url(case.path)).bearer_auth(&token);
        for (name, value) in case.headers {
            request = request.header(*name, *value);
        }
        let response = request.body(case.body).send().await.expect("an answer");
        let allow = response.headers().get("allow").cloned();
        let (status, code, body) = refusal(response).await;
        assert_eq!((status, code.as_str()), case.told, "{} {} {}: {body}", case.method, case.path, case.body);
        assert!(!body.to_string().contains("s3cret"), "{body}");
        if status == 405 {
            assert!(allow.expect("Allow").to_str().expect("text").contains("GET"));
        }
    }
}

#[tokio::test]
async fn a_refusal_points_at_the_field() {
    let (served, token) = start(&Hands::new()).await;
    let post = |body: &'static str| {
        let request = client().post(served.url("/api/patients")).bearer_auth(&token);
        request.header("content-type", "application/json; charset=utf-8").body(body).send()
    };
    let (_, _, body) = refusal(post("{\"emial\":\"x\"}").await.expect("an answer")).await;
    assert_eq!(body["errors"][0]["pointer"], "/emial");
    assert_eq!(body["errors"][0]["message"], "unknown field `emial`, expected `email` or `age`");

    let (_, _, body) = refusal(post("{\n \"email\":!}").await.expect("an answer")).await;
    assert_eq!((&body["line"], &body["column"]), (&2.into(), &10.into()));

    let response = client().get(served.url("/api/patients?limit=900")).bearer_auth(&token).send().await;
    let (_, _, body) = refusal(response.expect("an answer")).await;
    assert_eq!(body["errors"][0]["pointer"], "?limit");
    assert_eq!(body["errors"][0]["message"], "expected a whole number from 1 to 200");
}

#[tokio::test]
async fn a_body_too_large_is_refused_and_a_route_may_take_larger_ones() {
    let (served, token) = start(&Hands::new()).await;
    let body = format!("{{\"email\":\"{}\"}}", "a".repeat(1024));
    let post = |path: &str| {
        let request = client().post(served.url(path)).bearer_auth(&token);
        request.header("content-type", "application/json").body(body.clone()).send()
    };
    let (status, code, _) = refusal(post("/api/patients").await.expect("an answer")).await;
    assert_eq!((status, code.as_str()), (413, "body_too_large"));
    assert_eq!(post("/roomy").await.expect("an answer").status(), 200);
}

#[tokio::test]
async fn a_body_that_never_ends_is_given_up() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let router = Router::new().route("/", post(async |Json(_): Json<NewPatient>| "ok"));
    let config = ManneredConfig { body_time: Duration::from_millis(100), ..ManneredConfig::default() };
    let served = serve(manners(router, config), Limits::default()).await;
    let mut raw = tokio::net::TcpStream::connect(served.address).await.expect("connected");
    let head = "POST / HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{";
    raw.write_all(head.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    raw.read_to_string(&mut answer).await.expect("an answer, then the end");
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("\"code\":\"timeout\""), "{answer}");
}

#[tokio::test]
async fn a_request_id_is_kept_or_made_and_a_trace_goes_on() {
    let hands = Hands::new();
    let (served, _) = start(&hands).await;
    let response = client().get(served.url("/nowhere")).header("x-request-id", "abc-1").send().await;
    assert_eq!(response.expect("an answer").headers()["x-request-id"], "abc-1");
    let response =
        client().get(served.url("/nowhere")).header("x-request-id", "eve@example.org").send().await;
    assert_eq!(response.expect("an answer").headers()["x-request-id"].len(), 32);

    let router = Router::new().route("/trace", get(async |trace: TraceContext| trace.traceparent()));
    let served = serve(manners(router, ManneredConfig::default()), Limits::default()).await;
    let given = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let response = client().get(served.url("/trace")).header("traceparent", given).send().await;
    let text = response.expect("an answer").text().await.expect("text");
    assert_eq!((&text[..36], &text[52..]), (&given[..36], "-01"));
}

#[tokio::test]
async fn a_fingerprint_covers_the_whole_path_of_a_nested_route() {
    let hands = Hands::new();
    let keys = KeySource::Pem(minter(&hands).public_pem().to_owned());
    let answer = async |key: IdempotencyKey, body: Body<NewPatient>| format!("{:?}", key.over(&body.bytes));
    let inner = Router::new().route("/x", post(answer));
    let router = Router::new().nest("/a", inner.clone()).nest("/b", inner);
    let router = router.with_state(app(verifier(keys, Algorithm::EdDSA, &hands)));
    let served = serve(manners(router, ManneredConfig::default()), Limits::default()).await;
    let ask = async |path: &str, key: Option<&str>| {
        let mut request = client().post(served.url(path)).header("content-type", "application/json");
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let response = request.body("{\"email\":\"a\"}").send().await.expect("an answer");
        response.text().await.expect("text")
    };
    assert_eq!(ask("/a/x", None).await, "None");
    let first = ask("/a/x", Some("k1")).await;
    assert!(first.starts_with("Some(Key { key: \"k1\""), "{first}");
    assert_eq!(first, ask("/a/x", Some("k1")).await);
    assert_ne!(first, ask("/b/x", Some("k1")).await);
}

#[tokio::test]
async fn pages_follow_one_another_to_the_end() {
    let (served, token) = start(&Hands::new()).await;
    let mut seen = Vec::new();
    let mut address = served.url("/api/patients?limit=2");
    loop {
        let response = client().get(&address).bearer_auth(&token).send().await.expect("an answer");
        let page: serde_json::Value = response.json().await.expect("JSON");
        seen.extend(page["items"].as_array().expect("items").iter().map(|item| item["version"].clone()));
        let Some(cursor) = page["next_cursor"].as_str() else {
            assert!(page.as_object().expect("object").contains_key("next_cursor"));
            break;
        };
        address = served.url(&format!("/api/patients?limit=2&cursor={cursor}"));
    }
    assert_eq!(seen, [1, 2, 3, 4, 5]);
}
