//! A clinic in small: routes with every manner of this crate, on a real socket.
#![expect(dead_code, reason = "each test file uses its part")]

use axum::Router;
use axum::extract::FromRef;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use shared_events::AccountId;
use shared_http::auth::Clock;
use shared_http::*;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

pub const ISSUER: &str = "https://id.example.org";
pub const AUDIENCE: &str = "patient-first";
pub const SERVICE_TOKEN: &str = "an internal token of the test, 32+";

/// A clock that stands until a test turns it.
#[derive(Clone)]
pub struct Hands(Arc<AtomicI64>);

impl Hands {
    pub fn new() -> Self {
        Hands(Arc::new(AtomicI64::new(1_800_000_000)))
    }

    pub fn turn(&self, by: TimeDelta) {
        self.0.fetch_add(by.num_seconds(), Ordering::SeqCst);
    }

    pub fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp(self.0.load(Ordering::SeqCst), 0).expect("a time")
    }

    pub fn clock(&self) -> Clock {
        let hands = self.clone();
        Arc::new(move || hands.now())
    }
}

#[derive(Clone)]
pub struct App {
    pub verifier: Verifier,
    pub service: ServiceToken,
    pub fingerprints: FingerprintKey,
    pub cursors: CursorKey,
}

macro_rules! part {
    ($($part:ty: $field:ident),*) => {
        $(impl FromRef<App> for $part {
            fn from_ref(app: &App) -> Self {
                app.$field.clone()
            }
        })*
    };
}

part!(Verifier: verifier, ServiceToken: service, FingerprintKey: fingerprints, CursorKey: cursors);

pub fn minter(hands: &Hands) -> Minter {
    let (private, _) = generate_signing_key().expect("a key");
    Minter::new(&private, ISSUER, AUDIENCE, hands.clock()).expect("a minter")
}

pub fn claims(role: Role) -> Claims {
    Claims { account: AccountId::parse("clinic-1").expect("id"), subject: "staff-1".into(), role, name: None }
}

pub fn app(verifier: Verifier) -> App {
    App {
        verifier,
        service: ServiceToken::new([SERVICE_TOKEN]).expect("a token"),
        fingerprints: FingerprintKey::new(&[1; 32]),
        cursors: CursorKey::new(&[2; 32]).expect("a key"),
    }
}

pub fn verifier(keys: KeySource, algorithm: Algorithm, hands: &Hands) -> Verifier {
    let config = VerifierConfig { keys, issuer: ISSUER.to_owned(), audience: AUDIENCE.to_owned(), algorithm };
    Verifier::new(config, hands.clock()).expect("a verifier")
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPatient {
    pub email: String,
    pub age: Option<u8>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PatientPatch {
    #[serde(default)]
    pub phone: Maybe<String>,
    #[serde(default)]
    pub kin: Maybe<Kin>,
}

#[derive(Deserialize, ToSchema)]
pub struct Kin {
    pub name: String,
}

#[derive(Serialize, ToSchema)]
pub struct PatientView {
    pub id: uuid::Uuid,
    pub version: i64,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListPatients {
    /// Part of a name.
    pub search: Option<String>,
    #[serde(default)]
    #[param(inline)]
    pub limit: Limit,
    pub cursor: Option<String>,
}

/// Registers a patient.
#[utoipa::path(post, path = "/api/patients", params(IdempotencyKey), request_body = NewPatient,
    responses((status = 201, body = PatientView), (status = 409, description = "E-mail taken", body = Problem)))]
pub async fn create(
    caller: Caller,
    key: IdempotencyKey,
    body: Body<NewPatient>,
) -> Result<Response, Problem> {
    caller.require(Role::Staff)?;
    let key = key.over(&body.bytes);
    if body.value.email == "taken@example.org" {
        return Err(Problem::new(StatusCode::CONFLICT, "email_taken", "Taken").with("holder", "p1"));
    }
    let view = PatientView { id: uuid::Uuid::nil(), version: key.map_or(1, |key| key.fingerprint[0].into()) };
    Ok((StatusCode::CREATED, ETag(view.version), Json(view)).into_response())
}

/// Lists patients.
#[utoipa::path(get, path = "/api/patients", params(ListPatients),
    responses((status = 200, body = Page<PatientView>)))]
pub async fn list(
    caller: Caller,
    axum::extract::State(app): axum::extract::State<App>,
    Query(query): Query<ListPatients>,
) -> Result<Json<Page<PatientView>>, Problem> {
    let scope = CursorScope::new(&caller.account, "patients", &query.search)?;
    let after = match &query.cursor {
        Some(cursor) => app.cursors.open::<i64>(&scope, cursor)?,
        None => 0,
    };
    let rows = (after + 1..=5).take(query.limit.and_one() as usize).collect();
    let page = Page::cut(rows, query.limit, &app.cursors, &scope, |row: &i64| *row)?;
    Ok(Json(page.map(|version| PatientView { id: uuid::Uuid::nil(), version })))
}

/// Changes a patient.
#[utoipa::path(patch, path = "/api/patients/{id}", params(IfMatch, ("id" = uuid::Uuid, Path)),
    request_body = PatientPatch, responses((status = 200, body = PatientView)))]
pub async fn change(
    _caller: Caller,
    Path(id): Path<uuid::Uuid>,
    expected: IfMatch,
    Json(patch): Json<PatientPatch>,
) -> Result<Response, Problem> {
    expected.check(7)?;
    if patch.phone == Maybe::Null {
        return Err(Problem::invalid_body(vec![FieldError::new("/phone", "required", "cannot be cleared")]));
    }
    Ok((ETag(8), Json(PatientView { id, version: 8 })).into_response())
}

/// Anyone may ask this.
#[utoipa::path(post, path = "/api/verify", request_body = NewPatient, security(()), responses((status = 200)))]
pub async fn open(_body: Json<NewPatient>) -> &'static str {
    "ok"
}

pub fn api() -> OpenApiRouter<App> {
    OpenApiRouter::default().routes(routes!(create, list)).routes(routes!(change)).routes(routes!(open))
}

/// A server of a test's own, stopped when the test drops it.
pub struct Served {
    pub address: SocketAddr,
    pub stop: CancellationToken,
    pub task: Option<JoinHandle<server::Drained>>,
}

impl Served {
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

pub async fn serve(router: Router, limits: Limits) -> Served {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let stop = CancellationToken::new();
    let task = Some(tokio::spawn(run(listener, router, stop.clone(), limits)));
    Served { address, stop, task }
}

pub fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().expect("a client")
}

/// The status, the code in the body and the body of a refusal; checks that it is in form.
pub async fn refusal(response: reqwest::Response) -> (u16, String, serde_json::Value) {
    let status = response.status().as_u16();
    let headers = response.headers().clone();
    let text = response.text().await.expect("a body");
    assert_eq!(headers["content-type"], "application/problem+json", "{status}: {text}");
    assert_eq!(headers["cache-control"], "no-store");
    assert_eq!(headers["x-content-type-options"], "nosniff");
    let body: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(body["status"], status);
    assert_eq!(body["request_id"].as_str(), headers["x-request-id"].to_str().ok());
    let code = body["code"].as_str().expect("a code").to_owned();
    assert_eq!(body["type"], format!("urn:patient-first:problem:{code}"));
    (status, code, body)
}
