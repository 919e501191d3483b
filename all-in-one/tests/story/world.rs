//! The processes of a story: started, killed with SIGKILL, started again, and searched through at the end.

use crate::client::{Client, eventually};
use crate::people::People;
use shared_runtime::bus::{Bus, Queue, Topology};
use sqlx::{Connection, Executor, PgConnection, SqliteConnection};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Where a story takes place.
pub struct World {
    dir: PathBuf,
    processes: Vec<Process>,
    client: Client,
    apart: Option<Apart>,
}

struct Process {
    binary: PathBuf,
    args: Vec<String>,
    env: Vec<(String, String)>,
    url: String,
    child: Option<Child>,
}

/// What belongs to the services apart.
struct Apart {
    admin: String,
    databases: Vec<String>,
    /// The broker, with a queue that hears everything, so that what was on the wire can be searched.
    bus: Bus,
}

/// The queue that hears everything.
const SPY: &str = "spy";

/// What is left when everything has stopped.
pub struct Remains {
    dir: PathBuf,
}

impl World {
    /// `patient-first serve` on an empty directory.
    pub async fn embedded() -> World {
        let dir = fresh_dir("embedded");
        let at = free_address();
        let data = dir.join("data").display().to_string();
        let args = ["serve", "--data-dir", &data, "--listen", &at].map(str::to_owned).to_vec();
        let url = format!("http://{at}");
        let process = Process { binary: program(), args, env: Vec::new(), url: url.clone(), child: None };
        let token = token(&["--data-dir", &data]);
        World::begin(dir, vec![process], url.clone(), url, token, None).await
    }

    /// Both services apart, each on a PostgreSQL database of its own, RabbitMQ between them.
    pub async fn apart() -> World {
        let admin = needed("PF_TEST_POSTGRES_URL");
        let bus = needed("PF_TEST_AMQP_URL");
        let dir = fresh_dir("apart");
        let secrets = dir.join("secrets").display().to_string();
        run(&["keys", "init", "--secrets-dir", &secrets]);
        let mut processes = Vec::new();
        let mut databases = Vec::new();
        for service in ["patients", "invites"] {
            let at = free_address();
            let mut database = async |kind: &str| {
                let name = format!("story_{service}{kind}_{}", std::process::id());
                sql(&admin, &format!("create database {name}")).await;
                databases.push(name.clone());
                beside(&admin, &name)
            };
            let env = [
                ("PF_LISTEN", at.clone()),
                ("PF_DATABASE_URL", database("").await),
                ("PF_KEYS_URL", database("_keys").await),
                ("PF_BUS_URL", bus.clone()),
                ("PF_SECRETS_DIR", secrets.clone()),
                ("PF_JWT_PUBLIC_KEY_FILE", format!("{secrets}/jwt-public.pem")),
                ("PF_BUS_PREFIX", format!("story{}.", std::process::id())),
            ];
            let binary = program().with_file_name(format!("{service}-service"));
            assert!(binary.exists(), "{} is missing: cargo build --workspace", binary.display());
            let env = env.map(|(name, value)| (name.to_owned(), value)).to_vec();
            processes.push(Process {
                binary,
                args: Vec::new(),
                env,
                url: format!("http://{at}"),
                child: None,
            });
        }
        let (patients, invites) = (processes[0].url.clone(), processes[1].url.clone());
        let token = token(&["--secrets-dir", &secrets]);
        let prefix = format!("story{}.", std::process::id());
        let topology = Topology::prefixed(&prefix).with(Queue::of_service(SPY, &["#"]));
        let bus = Bus::open(&bus, topology).await.expect("a bus");
        bus.publisher().await.expect("the queues are declared");
        World::begin(dir, processes, patients, invites, token, Some(Apart { admin, databases, bus })).await
    }

    async fn begin(
        dir: PathBuf,
        processes: Vec<Process>,
        patients: String,
        invites: String,
        token: String,
        apart: Option<Apart>,
    ) -> World {
        let client = Client { patients, invites, token, http: reqwest::Client::new() };
        let mut world = World { dir, processes, client, apart };
        world.start().await;
        world
    }

    pub fn client(&self) -> Client {
        // A new pool: connections to a killed process are of no use.
        Client { http: reqwest::Client::new(), ..self.client.clone() }
    }

    async fn start(&mut self) {
        for process in &mut self.processes {
            let mut command = Command::new(&process.binary);
            command
                .args(&process.args)
                .envs(process.env.iter().cloned())
                .env("PF_TRUSTED_PROXIES", "127.0.0.1")
                .env("PF_LOG", "info,sqlx=warn,lapin=error");
            // Into a file, which is searched in the end like every other.
            let log = std::fs::File::options().create(true).append(true).open(self.dir.join("log"));
            command.stdout(Stdio::null()).stderr(log.expect("a log"));
            process.child = Some(command.spawn().expect("started"));
        }
        for process in &self.processes {
            let url = format!("{}/readyz", process.url);
            eventually(Duration::from_secs(30), "a service to be ready", async || {
                reqwest::get(&url).await.is_ok_and(|answer| answer.status().is_success())
            })
            .await;
        }
    }

    /// SIGKILL to every process, and all of them started again.
    pub async fn kill_and_start(&mut self) {
        self.kill();
        self.start().await;
    }

    fn kill(&mut self) {
        for process in &mut self.processes {
            if let Some(mut child) = process.child.take() {
                child.kill().expect("killed");
                child.wait().expect("reaped");
            }
        }
    }

    /// Ends every process. What the log holds and what was on the bus is written out, to be searched.
    pub async fn end(mut self) -> Remains {
        self.kill();
        match self.apart.take() {
            None => {
                for name in ["patients", "invites"] {
                    let url = format!("sqlite:{}", self.dir.join(format!("data/{name}.db")).display());
                    let said = "select cast(data || meta as blob) || coalesce(sealed, x'') from events";
                    let mut database = SqliteConnection::connect(&url).await.expect("opened");
                    let rows: Vec<Vec<u8>> =
                        sqlx::query_scalar(said).fetch_all(&mut database).await.expect("read");
                    // Closed before the search: its last files go only then.
                    database.close().await.expect("closed");
                    let rows: Vec<String> =
                        rows.iter().map(|row| String::from_utf8_lossy(row).into()).collect();
                    self.keep_for_search(&format!("events of {name}"), &rows);
                }
            }
            Some(apart) => {
                for name in &apart.databases {
                    if !name.contains("_keys_") {
                        let url = beside(&apart.admin, name);
                        let said = "select data::text || meta::text || coalesce(encode(sealed, 'escape'), '') from events";
                        let mut database = PgConnection::connect(&url).await.expect("connected");
                        let rows = sqlx::query_scalar(said).fetch_all(&mut database).await.expect("read");
                        self.keep_for_search(&format!("events of {name}"), &rows);
                        database.close().await.expect("closed");
                    }
                    sql(&apart.admin, &format!("drop database {name} with (force)")).await;
                }
                self.keep_for_search("bus", &heard(&apart.bus).await);
                apart.bus.delete_topology().await.expect("deleted");
            }
        }
        Remains { dir: self.dir.clone() }
    }

    fn keep_for_search(&self, name: &str, texts: &[String]) {
        let text = texts.join("\n");
        // A search that could find nothing would prove nothing.
        assert!(text.contains("dr-0") || text.contains("pending"), "{name} holds what it should");
        std::fs::write(self.dir.join(name), text).expect("written");
    }
}

/// Everything that was on the bus.
async fn heard(bus: &Bus) -> Vec<String> {
    let mut left = usize::try_from(bus.depth(SPY).await.expect("counted")).expect("few");
    let mut subscription = bus.subscribe(SPY, 500).await.expect("subscribed");
    let mut bodies = Vec::new();
    while left > 0 {
        let deliveries = subscription.next(500).await.expect("received");
        left = left.saturating_sub(deliveries.len());
        bodies.extend(deliveries.iter().map(|one| String::from_utf8_lossy(&one.body).into_owned()));
        subscription.ack(&deliveries).await.expect("acked");
    }
    bodies
}

/// The same server, another database.
fn beside(url: &str, name: &str) -> String {
    format!("{}/{name}", url.rsplit_once('/').expect("a database in the URL").0)
}

impl Drop for World {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Remains {
    /// Searches every file for what must not be there: a link's token anywhere, anything personal on the
    /// bus or in a log.
    pub fn holds_nowhere(self, people: &People, token: &str) {
        for path in files(&self.dir) {
            let bytes = std::fs::read(&path).expect("read");
            let holds = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
            assert!(!holds(token), "{} holds a link's token", path.display());
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
            let may_hold = name.starts_with("patients.db") || name.starts_with("invites.db");
            for text in people.planted().filter(|_| !may_hold) {
                assert!(!holds(text), "{} holds personal data in the clear", path.display());
            }
        }
        std::fs::remove_dir_all(&self.dir).expect("removed");
    }
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

fn program() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_patient-first"))
}

fn run(args: &[&str]) -> String {
    let done = Command::new(program()).args(args).output().expect("run");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).expect("text").trim().to_owned()
}

fn token(place: &[&str]) -> String {
    run(&[&["token"], place].concat())
}

fn needed(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("set {name} or run `make test`"))
}

fn fresh_dir(name: &str) -> PathBuf {
    let dir = std::env::temp_dir().join(format!("pf-story-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).expect("made");
    dir
}

fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a free port").to_string()
}

async fn sql(url: &str, statement: &str) {
    let mut connection = PgConnection::connect(url).await.expect("connected");
    connection.execute(sqlx::AssertSqlSafe(statement.to_owned())).await.expect("executed");
    connection.close().await.expect("closed");
}
