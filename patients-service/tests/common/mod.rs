//! A service of a test's own: real databases, a real socket, real tokens.

pub mod client;
pub mod csv;
pub mod past;
pub mod told;

use chrono::{DateTime, TimeDelta, Utc};
use client::Api;
use patients_service::service::{NAME, Parts, PatientsService};
use shared_events::AccountId;
use shared_http::{
    Algorithm, Claims, KeySource, Limits, ManneredConfig, Minter, Role, Verifier, VerifierConfig,
    generate_signing_key, manners, openapi,
};
use shared_runtime::Db;
use shared_runtime::bus::{Bus, Topology};
use shared_runtime::clock::Clock;
use shared_runtime::core::StartError;
use shared_runtime::keys::Keyring;
use shared_runtime::secrets::Secrets;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use testkit::databases::{Door, TestDatabases};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Far beyond what any case takes.
pub const PATIENCE: Duration = Duration::from_secs(60);
const ISSUER: &str = "https://id.example.org";
const AUDIENCE: &str = "patient-first";

/// Makes two tests of each case, one a database, in modules named after it.
macro_rules! on_both_databases {
    ($( $case:ident ),+ $(,)?) => {
        mod sqlite {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    crate::common::on(testkit::databases::Door::Sqlite, super::$case).await
                }
            )+
        }

        mod postgres {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    crate::common::on(testkit::databases::Door::Postgres, super::$case).await
                }
            )+
        }
    };
}
pub(crate) use on_both_databases;

/// Runs a case in a world of its own, and removes the world whatever came of it.
pub async fn on<T>(door: Door, case: impl FnOnce(World) -> T)
where
    T: Future<Output = ()> + Send + 'static,
{
    let world = World::new(door).await;
    let outcome = tokio::time::timeout(PATIENCE, tokio::spawn(case(world.clone()))).await;
    match outcome.expect("the case ends in time") {
        Ok(()) => {}
        Err(failed) => std::panic::resume_unwind(failed.into_panic()),
    }
}

/// What outlives a service: databases, keys, the clock, the issuer of tokens.
#[derive(Clone)]
pub struct World(Arc<Inner>);

struct Inner {
    databases: TestDatabases,
    secrets: Secrets,
    clock: Clock,
    minter: Minter,
    private: String,
}

impl World {
    async fn new(door: Door) -> World {
        let at: DateTime<Utc> = "2026-11-23T08:00:00Z".parse().unwrap();
        let clock = Clock::manual(at);
        let (private, _) = generate_signing_key().unwrap();
        let ring = || Keyring::generate("k1");
        let databases = TestDatabases::in_schemas(door).await;
        let erasures = databases.folder().join("erasures.log");
        World(Arc::new(Inner {
            databases,
            secrets: Secrets { wrapping: ring(), bus: ring(), http: ring(), erasures },
            minter: Minter::new(&private, ISSUER, AUDIENCE, hands(&clock)).unwrap(),
            private,
            clock,
        }))
    }

    /// The files of the embedded bus, and of the databases where they are files.
    pub fn dir(&self) -> &std::path::Path {
        self.0.databases.folder()
    }

    /// The clock, which stands until it is moved.
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// The service, served; nothing goes on in its background.
    pub async fn serve(&self) -> Served {
        self.start(false).await
    }

    /// The service, served, with its relay, its consumer and its worker.
    pub async fn work(&self) -> Served {
        self.start(true).await
    }

    async fn start(&self, working: bool) -> Served {
        let service = self.service().await.unwrap();
        assert_eq!(service.core().log.source(), NAME);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        let (router, document) = service.router();
        let router = manners(router.merge(openapi::docs(vec![document])), ManneredConfig::default());
        let server = tokio::spawn(shared_http::run(listener, router, stop.clone(), Limits::default()));
        let tasks = if working { service.work(&stop) } else { Vec::new() };
        let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
        Served { world: self.clone(), service, url, client, stop, server: Some(server), tasks }
    }

    /// Why the service does not start.
    pub async fn refused(&self) -> String {
        match self.service().await {
            Ok(_) => panic!("it starts"),
            Err(refused) => refused.to_string(),
        }
    }

    async fn service(&self) -> Result<PatientsService, StartError> {
        let Inner { databases, secrets, clock, minter, .. } = &*self.0;
        let bus_url = format!("embedded:{}", databases.folder().join("bus.db").display());
        let config = VerifierConfig {
            keys: KeySource::Pem(minter.public_pem().to_owned()),
            issuer: ISSUER.to_owned(),
            audience: AUDIENCE.to_owned(),
            algorithm: Algorithm::EdDSA,
        };
        PatientsService::new(Parts {
            db: Db::open(&databases.url("patients").await, 16, migrations::PATIENTS).await.unwrap(),
            keys: Db::open(&databases.url("keys").await, 4, migrations::KEYS).await.unwrap(),
            bus: Bus::open(&bus_url, Topology::standard()).await.unwrap(),
            secrets: secrets.clone(),
            verifier: Verifier::new(config, hands(clock)).unwrap(),
            clock: clock.clone(),
        })
        .await
    }

    /// Who signs the tokens.
    pub fn issuer(&self) -> testkit::api::Issuer<'_> {
        let (private, clock) = (&self.0.private, hands(&self.0.clock));
        testkit::api::Issuer { private, name: ISSUER, audience: AUDIENCE, clock }
    }

    /// A token for `ttl` seconds.
    pub fn token(&self, clinic: &str, subject: &str, role: Role, ttl: i64) -> String {
        let account = AccountId::parse(clinic).unwrap();
        let claims = Claims { account, subject: subject.to_owned(), role, name: None };
        self.0.minter.mint(&claims, TimeDelta::seconds(ttl)).unwrap()
    }
}

fn hands(clock: &Clock) -> shared_http::Clock {
    let clock = clock.clone();
    Arc::new(move || clock.now())
}

/// A running service.
pub struct Served {
    pub world: World,
    pub service: PatientsService,
    pub url: String,
    client: reqwest::Client,
    stop: CancellationToken,
    server: Option<JoinHandle<shared_http::server::Drained>>,
    tasks: Vec<JoinHandle<()>>,
}

impl Served {
    pub fn by(&self, clinic: &str, subject: &str, role: Role) -> Api {
        let token = self.world.token(clinic, subject, role, 365 * 24 * 3600);
        Api { url: self.url.clone(), client: self.client.clone(), token: Some(token) }
    }

    pub fn staff(&self) -> Api {
        self.by("clinic-1", "staff-1", Role::Staff)
    }

    pub fn admin(&self) -> Api {
        self.by("clinic-1", "admin-1", Role::Admin)
    }

    pub fn viewer(&self) -> Api {
        self.by("clinic-1", "viewer-1", Role::Viewer)
    }

    /// The admin of another clinic.
    pub fn stranger(&self) -> Api {
        self.by("clinic-2", "admin-1", Role::Admin)
    }

    /// Somebody with this token, or with none.
    pub fn with_token(&self, token: Option<&str>) -> Api {
        Api { url: self.url.clone(), client: self.client.clone(), token: token.map(str::to_owned) }
    }

    /// Stops everything and closes databases and bus.
    pub async fn close(mut self) {
        self.stop.cancel();
        if let Some(server) = self.server.take() {
            server.await.unwrap();
        }
        for task in self.tasks.drain(..) {
            task.await.unwrap();
        }
        self.service.core().close().await;
        self.service.core().bus.clone().close().await;
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Asks again and again until `look` sees what it wants.
pub async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut look: impl FnMut() -> F) -> T {
    let seen = async {
        loop {
            if let Some(seen) = look().await {
                return seen;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    match tokio::time::timeout(Duration::from_secs(20), seen).await {
        Ok(seen) => seen,
        Err(_) => panic!("waited in vain for {what}"),
    }
}

/// One number from the service's database.
macro_rules! number {
    ($served:expr, $sql:expr $(, $value:expr)* $(,)?) => {{
        let mut reader = $served.service.core().db.read().await.unwrap();
        let (number,): (i64,) =
            shared_runtime::fetch_one!(reader.conn(), (i64,), $sql $(, $value)*).unwrap();
        number
    }};
}
pub(crate) use number;
