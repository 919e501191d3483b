//! What the log says of a request, and what it must never say.

mod common;

use axum::Router;
use axum::routing::get;
use common::*;
use shared_http::*;
use std::io;
use std::sync::{Arc, Mutex};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("lock").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Written {
    type Writer = Written;

    fn make_writer(&self) -> Written {
        self.clone()
    }
}

/// Alone in its file: a subscriber of one test must not catch the lines of another.
#[tokio::test]
async fn a_line_names_route_status_and_request_and_nothing_personal() {
    let written = Written::default();
    let lines = tracing_subscriber::fmt::layer().json().with_writer(written.clone());
    let everything_of_ours = Targets::new().with_target("shared_http", tracing::Level::TRACE);
    let _guard =
        tracing::subscriber::set_default(tracing_subscriber::registry().with(lines).with(everything_of_ours));

    let hands = Hands::new();
    let minter = minter(&hands);
    let app = app(verifier(KeySource::Pem(minter.public_pem().into()), Algorithm::EdDSA, &hands));
    let (router, _) = api().split_for_parts();
    let broken =
        async || -> Result<(), Problem> { Err(Problem::internal(&io::Error::other("the disk is full"))) };
    let router = router
        .with_state(app)
        .route("/verify/{token}", get(async || "ok"))
        .route("/broken", get(broken))
        .route("/panic", get(async || -> () { panic!("s3cret") }))
        .merge(Router::new().route("/livez", get(async || "ok")));
    let served = serve(manners(router, ManneredConfig::default()), Limits::default()).await;
    for path in ["/verify/s3cret?q=s3cret", "/s3cret", "/panic", "/broken", "/api/patients?search=s3cret"] {
        let request = client().get(served.url(path)).bearer_auth("s3cret").header("x-request-id", "abc-1");
        request.send().await.expect("an answer");
    }
    let post = client().post(served.url("/api/verify")).header("content-type", "application/json");
    post.body("{\"email\":\"a\",\"age\":\"s3cret\"}").send().await.expect("an answer");

    let text = String::from_utf8(written.0.lock().expect("lock").clone()).expect("text");
    assert!(!text.contains("s3cret"), "{text}");
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let answered = |route: &str| {
        let of = |line: &&serde_json::Value| {
            line["span"]["route"] == route && line["fields"]["message"] == "answered"
        };
        lines.iter().find(of).unwrap_or_else(|| panic!("no line for {route}: {text}"))
    };
    let line = answered("/verify/{token}");
    assert_eq!((&line["fields"]["status"], &line["level"]), (&200.into(), &"INFO".into()));
    assert_eq!((&line["span"]["request_id"], &line["span"]["method"]), (&"abc-1".into(), &"GET".into()));
    assert!(line["fields"]["latency_ms"].is_u64() && line["span"]["trace_id"].is_string());
    assert_eq!(answered("unmatched")["fields"]["status"], 404);
    assert_eq!(answered("/panic")["level"], "WARN");
    assert_eq!(answered("/api/verify")["fields"]["status"], 422);
    assert!(text.contains("the disk is full") && text.contains("a handler panicked"));
}
