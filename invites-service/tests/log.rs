//! What the log says of persons: nothing. A program of its own, since a log belongs to a whole process.

#[path = "service/events.rs"]
#[expect(dead_code, reason = "made for the tests beside it, of which this one needs little")]
mod events;
#[path = "service/kept.rs"]
#[expect(dead_code, reason = "made for the tests beside it, of which this one needs little")]
mod kept;
#[path = "service/world.rs"]
#[expect(dead_code, reason = "made for the tests beside it, of which this one needs little")]
mod world;

use reqwest::Method;
use serde_json::json;
use std::io;
use std::sync::{Arc, Mutex, OnceLock};
use testkit::databases::Door;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use uuid::Uuid;
use world::{BORN, PASSWORD, World, details};

testkit::on_both_databases!(the_log_names_nobody);

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

/// The log of this process: every line of ours, and what others say at length.
fn log() -> Written {
    static WRITTEN: OnceLock<Written> = OnceLock::new();
    let begin = || {
        let written = Written::default();
        let lines = tracing_subscriber::fmt::layer().json().with_writer(written.clone());
        let ours = ["invites_service", "shared_http", "shared_host", "shared_runtime"];
        let filter = Targets::new().with_default(tracing::Level::DEBUG);
        let filter = filter.with_targets(ours.map(|target| (target, tracing::Level::TRACE)));
        let subscriber = tracing_subscriber::registry().with(lines).with(filter);
        tracing::subscriber::set_global_default(subscriber).expect("the first");
        written
    };
    WRITTEN.get_or_init(begin).clone()
}

async fn the_log_names_nobody(door: Door) {
    let written = log();
    let world = World::new(door).await;
    let patient = world.patient().await;
    let email = details(patient).email;
    let token = world.issue(patient).await.token();
    world.verify(&token).await.is(200, "");
    world.accept(&token, "1985-01-30").await.is(403, "not_accepted");
    let user: Uuid = world.accept(&token, BORN).await.is(201, "").text("user_id").parse().expect("an id");
    world.accept(&token, BORN).await.is(409, "already_accepted");
    let sign_in = async |password: &str| {
        let body = json!({ "email": email, "password": password });
        world.public("/api/patient_session", body).await
    };
    let session = sign_in(PASSWORD).await.is(201, "").text("session");
    sign_in("findme another password").await.is(403, "sign_in_refused");
    for path in ["/api/request_link", "/api/password_reset"] {
        world.public(path, json!({ "email": email })).await;
        world.public(path, json!({ "email": email, "findme": "findme" })).await;
        world.ask(Method::GET, &format!("{path}?email={email}"), None, &[], None).await;
    }
    let reset = world.reset_token(user).await;
    for password in ["findme", "findme entirely new"] {
        let body = json!({ "token": reset, "password": password });
        world.public("/api/password_reset/confirm", body).await;
    }
    for method in [Method::GET, Method::DELETE] {
        world.ask(method, "/api/patient_session", Some(&session), &[], None).await.is(401, "not_signed_in");
    }

    let text = String::from_utf8(written.0.lock().expect("lock").clone()).expect("text");
    assert!(text.contains("/api/password_reset/confirm"), "the lines are caught");
    assert!(text.contains("/api/patient_session"), "the lines are caught");
    for secret in [&token[4..], &session[4..], &reset[4..], &email, PASSWORD, "findme", "O'Hara", BORN] {
        assert!(!text.contains(secret), "{secret} is in the log");
    }
}
