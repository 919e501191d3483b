//! A service of a test's own: databases, a bus in a file, a socket, a clock that the test moves.

pub use crate::events::*;
use chrono::{DateTime, TimeDelta, Utc};
use invites_service::limits::Limits;
use invites_service::service::{Invites, Parts};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use shared_events::clinic::{ClinicSettings, OpenInvitePolicy, SettingsChanged};
use shared_events::{Envelope, Event, personal};
use shared_http::{
    Algorithm, Claims, KeySource, ManneredConfig, Minter, Role, Verifier, VerifierConfig,
    generate_signing_key, manners, openapi,
};
use shared_runtime::Db;
use shared_runtime::bus::{Bus, Message, Topology};
use shared_runtime::clock::Clock;
use shared_runtime::consume::{HandleError, Handler, Incoming};
use shared_runtime::db::Step;
use shared_runtime::keys::Keyring;
use shared_runtime::limits::Limit;
use shared_runtime::secrets::Secrets;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use testkit::databases::{Door, TestDatabases};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Far beyond what anything in a test takes.
pub const PATIENCE: Duration = Duration::from_secs(60);
pub const CLINIC: &str = "clinic-1";
pub const PASSWORD: &str = "correct horse battery";

/// What copies of the service have in common.
pub struct Ground {
    clock: Clock,
    bus: Bus,
    secrets: Secrets,
    tokens: Keyring,
    signing: (String, String),
    limits: Limits,
    folder: Folder,
    databases: TestDatabases,
}

/// One copy of the service, and what the test asks it with.
pub struct World {
    pub service: Invites,
    pub clock: Clock,
    pub url: String,
    pub client: Client,
    minter: Minter,
    stop: CancellationToken,
    ground: Arc<Ground>,
}

impl Ground {
    async fn new(door: Door, limits: Limits) -> Ground {
        let folder = Folder::new();
        let url = format!("embedded:{}", folder.0.join("bus.db").display());
        let bus = Bus::open(&url, Topology::standard()).await;
        let erasures = folder.0.join("erasures.log");
        let start: DateTime<Utc> = "2026-03-01T12:00:00Z".parse().expect("a time");
        Ground {
            clock: Clock::manual(start),
            bus: bus.expect("a bus"),
            secrets: Secrets {
                wrapping: Keyring::generate("w1"),
                bus: Keyring::generate("b1"),
                http: Keyring::generate("h1"),
                erasures,
            },
            tokens: Keyring::generate("t1"),
            signing: generate_signing_key().expect("a key"),
            limits,
            folder,
            databases: TestDatabases::in_schemas(door).await,
        }
    }

    async fn service(&self, now: shared_http::auth::Clock) -> Invites {
        let config = VerifierConfig {
            keys: KeySource::Pem(self.signing.1.clone()),
            issuer: "test".into(),
            audience: "test".into(),
            algorithm: Algorithm::EdDSA,
        };
        let opened = Invites::new(Parts {
            db: open(&self.databases.url("invites").await, migrations::INVITES).await,
            keys: open(&self.databases.url("keys").await, migrations::KEYS).await,
            bus: self.bus.clone(),
            secrets: self.secrets.clone(),
            tokens: self.tokens.clone(),
            verifier: Verifier::new(config, now).expect("a verifier"),
            clock: self.clock.clone(),
            public_url: "https://clinic.example".into(),
            limits: self.limits.clone(),
        });
        opened.await.expect("the service opens")
    }
}

/// An answer: status, code of the problem or empty, body.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    pub status: u16,
    pub code: String,
    pub body: Value,
    pub etag: Option<String>,
    pub retry_after: Option<String>,
}

impl Answer {
    pub fn is(&self, status: u16, code: &str) -> &Answer {
        assert_eq!((self.status, self.code.as_str()), (status, code), "{}", self.body);
        self
    }

    pub fn text(&self, member: &str) -> String {
        self.body[member].as_str().unwrap_or_else(|| panic!("{member} in {}", self.body)).to_owned()
    }

    pub fn id(&self) -> Uuid {
        self.text("id").parse().expect("an id")
    }

    /// The token of the link in the answer.
    pub fn token(&self) -> String {
        let url = self.text("invite_url");
        url.split_once("/i#").expect("a link").1.to_owned()
    }
}

impl World {
    /// With room for whatever a test does: limits have tests of their own.
    pub async fn new(door: Door) -> World {
        World::limited(door, wide()).await
    }

    pub async fn limited(door: Door, limits: Limits) -> World {
        World::on(Arc::new(Ground::new(door, limits).await)).await
    }

    /// Another copy of the same service: its own pools, writers and socket.
    pub async fn copy(&self) -> World {
        World::on(self.ground.clone()).await
    }

    async fn on(ground: Arc<Ground>) -> World {
        let now = hands(&ground.clock);
        let service = ground.service(now.clone()).await;
        let stop = CancellationToken::new();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a socket");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let (router, document) = service.router();
        let router = manners(router.merge(openapi::docs(vec![document])), ManneredConfig::default());
        tokio::spawn(shared_http::run(listener, router, stop.clone(), shared_http::Limits::default()));
        let minter = Minter::new(&ground.signing.0, "test", "test", now).expect("a minter");
        World { service, clock: ground.clock.clone(), url, client: Client::new(), minter, stop, ground }
    }

    /// Starts relay, consumer and sweeper.
    pub fn work(&self) {
        self.service.work(&self.stop);
    }

    pub fn folders(&self) -> Vec<PathBuf> {
        vec![self.ground.folder.0.clone(), self.ground.databases.folder().to_owned()]
    }

    /// Who signs the tokens.
    pub fn issuer(&self) -> testkit::api::Issuer<'_> {
        let clock = hands(&self.clock);
        testkit::api::Issuer { private: &self.ground.signing.0, name: "test", audience: "test", clock }
    }

    pub fn token(&self, clinic: &str, role: Role) -> String {
        let claims = Claims { account: account(clinic), subject: "staff-7".into(), role, name: None };
        self.minter.mint(&claims, TimeDelta::days(365)).expect("a token")
    }

    pub async fn ask(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
        headers: &[(&'static str, &str)],
        body: Option<Value>,
    ) -> Answer {
        let mut request = self.client.request(method, format!("{}{path}", self.url));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let response = request.send().await.expect("an answer");
        let header =
            |name: &str| response.headers().get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
        let (etag, retry_after, status) = (header("etag"), header("retry-after"), response.status().as_u16());
        let body: Value =
            serde_json::from_slice(&response.bytes().await.expect("a body")).unwrap_or_default();
        let code = body.get("code").and_then(Value::as_str).unwrap_or_default().to_owned();
        Answer { status, code, body, etag, retry_after }
    }

    /// As staff of the test's clinic.
    pub async fn post(&self, path: &str, body: Value) -> Answer {
        let token = self.token(CLINIC, Role::Staff);
        self.ask(Method::POST, path, Some(&token), &[], Some(body)).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        let token = self.token(CLINIC, Role::Viewer);
        self.ask(Method::GET, path, Some(&token), &[], None).await
    }

    pub async fn public(&self, path: &str, body: Value) -> Answer {
        self.ask(Method::POST, path, None, &[], Some(body)).await
    }

    pub async fn issue(&self, patient: Uuid) -> Answer {
        self.post("/api/generate_invite", json!({ "patient_id": patient, "provider_id": "dr-grey" })).await
    }

    pub async fn accept(&self, token: &str, born: &str) -> Answer {
        self.public(
            "/api/accept_invite",
            json!({ "token": token, "date_of_birth": born, "password": PASSWORD }),
        )
        .await
    }

    pub async fn verify(&self, token: &str) -> Answer {
        self.public("/api/verify_invite", json!({ "token": token })).await
    }

    pub async fn status(&self, invite: Uuid) -> String {
        self.get(&format!("/api/invites/{invite}")).await.text("status")
    }

    /// A patient with a date of birth, heard of directly.
    pub async fn patient(&self) -> Uuid {
        let id = self.clock.new_id();
        self.hear(&[self.incoming(id, 1, created(details(id)))]).await.expect("heard");
        id
    }

    /// The clinic's policy for open invites.
    pub async fn policy(&self, policy: OpenInvitePolicy, version: i64) {
        self.settings(ClinicSettings { open_invite_policy: policy, ..Default::default() }, version).await;
    }

    pub async fn settings(&self, settings: ClinicSettings, version: i64) {
        let event = Event::ClinicSettingsChanged(SettingsChanged { settings, changed: vec![] });
        self.hear(&[self.incoming(Uuid::from_u128(9), version, event)]).await.expect("heard");
    }

    /// Hands events to the hearer as a consumer would, in one transaction.
    pub async fn hear(&self, events: &[Incoming]) -> Result<(), HandleError> {
        let hearer = self.service.hearer();
        let mut tx = self.service.core().db.begin().await?;
        match hearer.handle(&mut tx, events).await {
            Ok(()) => Ok(tx.commit().await?),
            Err(error) => {
                tx.rollback().await?;
                Err(error)
            }
        }
    }

    pub fn incoming(&self, subject: Uuid, version: i64, event: Event) -> Incoming {
        Incoming { envelope: self.envelope(subject, version, &event), event }
    }

    /// An event as it stands on the bus, its personal fields sealed.
    pub fn envelope(&self, subject: Uuid, version: i64, event: &Event) -> Envelope {
        let id = self.clock.new_id();
        let mut data = event.to_data();
        if let Some(fields) = personal::split(&mut data) {
            let aad = [id.as_bytes().as_slice(), personal::MEMBER.as_bytes()].concat();
            let (key, sealed) = self.ground.secrets.bus.seal(&aad, fields.to_string().into_bytes());
            use base64::Engine;
            let sealed = base64::engine::general_purpose::STANDARD.encode(sealed);
            personal::join(&mut data, json!({ "key": key, "sealed": sealed }));
        }
        let kind = event.kind();
        Envelope {
            specversion: "1.0".into(),
            id,
            source: format!("/{}", kind.sources[0]),
            event_type: kind.name.into(),
            subject,
            time: self.clock.now(),
            datacontenttype: "application/json".into(),
            dataschema: kind.schema_urn(),
            sequence: version,
            logid: Uuid::nil(),
            streamversion: version,
            recordedtime: self.clock.now(),
            accountid: CLINIC.into(),
            traceparent: None,
            correlationid: None,
            causationid: None,
            actor: "staff:9".into(),
            data,
        }
    }

    /// Says an event on the bus, as its service would.
    pub async fn say(&self, subject: Uuid, version: i64, event: &Event) {
        self.say_as(&self.envelope(subject, version, event), event).await;
    }

    /// Says an event, whatever its envelope holds.
    pub async fn say_as(&self, envelope: &Envelope, event: &Event) {
        let message = Message {
            id: envelope.id,
            routing_key: event.kind().routing_key(event.kind().sources[0]),
            body: serde_json::to_vec(envelope).expect("JSON"),
            traceparent: None,
        };
        let mut publisher = self.ground.bus.publisher().await.expect("a publisher");
        let published = publisher.publish(&[message], PATIENCE).await;
        assert_eq!(published.confirmed, 1, "{:?}", published.failure);
    }

    /// Statuses of a patient's invites, newest first.
    pub async fn statuses(&self, patient: Uuid) -> Vec<String> {
        let page = self.get(&format!("/api/invites?patient_id={patient}&limit=200")).await;
        let items = page.is(200, "").body["items"].as_array().expect("items").clone();
        items.iter().map(|item| item["status"].as_str().expect("a status").to_owned()).collect()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Limits that no test comes near.
pub fn wide() -> Limits {
    let wide = |limit: Limit| Limit { burst: 1_000_000, ..limit };
    let usual = Limits::default();
    Limits {
        patient: wide(usual.patient),
        address: wide(usual.address),
        clinic: wide(usual.clinic),
        resend: wide(usual.resend),
        link: wide(usual.link),
        reset: wide(usual.reset),
        verify: wide(usual.verify),
        accept: wide(usual.accept),
        session: wide(usual.session),
        session_address: wide(usual.session_address),
        request_link: wide(usual.request_link),
        request_link_address: wide(usual.request_link_address),
        password_reset: wide(usual.password_reset),
        password_reset_confirm: wide(usual.password_reset_confirm),
        password_reset_address: wide(usual.password_reset_address),
        proxies: usual.proxies,
    }
}

fn hands(clock: &Clock) -> shared_http::auth::Clock {
    let clock = clock.clone();
    Arc::new(move || clock.now())
}

async fn open(url: &str, steps: &[Step]) -> Db {
    Db::open(url, 16, steps).await.expect("the database opens")
}

/// A folder that is removed with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        let folder = std::env::temp_dir().join(format!("pf-test-{}", Clock::System.new_id().simple()));
        std::fs::create_dir_all(&folder).expect("a folder");
        Folder(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Waits until `look` says true; `what` is said when it never does.
pub async fn until<F: Future<Output = bool>>(what: &str, mut look: impl FnMut() -> F) {
    let looking = async {
        while !look().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, looking).await.is_ok(), "never happened: {what}");
}
