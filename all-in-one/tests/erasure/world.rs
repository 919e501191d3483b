//! Services as real processes, in a directory of the test's own.

use reqwest::Method;
use serde_json::{Value, json};
use sqlx::{Connection, Executor, PgConnection};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);
const SERVICE_TOKEN: &str = "a-service-token-of-32-characters-x";

pub struct World {
    pub dir: PathBuf,
    /// Where files lie that must not hold anything in the end.
    pub searched: Vec<PathBuf>,
    /// Public addresses of patients and invites.
    urls: [String; 2],
    /// How an operator's command finds them.
    at: Vec<String>,
    commands: Vec<Starting>,
    running: Vec<Child>,
    token: String,
    databases: Vec<String>,
}

/// A program, its arguments, its environment.
type Starting = (PathBuf, Vec<String>, Vec<(String, String)>);

impl World {
    pub async fn embedded() -> World {
        let dir = fresh(&mark());
        let (data, at) = (dir.join("data").display().to_string(), free_address());
        let args = ["serve", "--data-dir", &data, "--listen", &at].map(str::to_owned).to_vec();
        let url = format!("http://{at}");
        let mut world = World {
            searched: vec![dir.clone()],
            urls: [url.clone(), url],
            at: vec!["--data-dir".to_owned(), data.clone()],
            commands: vec![(program("patient-first"), args, Vec::new())],
            running: Vec::new(),
            token: String::new(),
            databases: Vec::new(),
            dir,
        };
        world.start().await;
        world.token = said(&world.run(&["token", "--data-dir", &data]));
        world
    }

    pub async fn apart() -> World {
        let mark = mark();
        let dir = fresh(&mark);
        let (admin, bus) = (needed("PF_TEST_POSTGRES_URL"), needed("PF_TEST_AMQP_URL"));
        // What was written over stays no longer than the next checkpoint: what an operator would set.
        sql(&admin, "alter system set wal_recycle = off").await;
        sql(&admin, "select pg_reload_conf()").await;
        let mut connection = PgConnection::connect(&admin).await.expect("connected");
        let (place,): (String,) =
            sqlx::query_as("show data_directory").fetch_one(&mut connection).await.expect("told");
        let secrets = dir.join("secrets").display().to_string();
        let tokens = dir.join("service-tokens").display().to_string();
        std::fs::write(&tokens, SERVICE_TOKEN).expect("written");
        let mut world = World {
            searched: vec![dir.clone(), place.into()],
            urls: [String::new(), String::new()],
            at: Vec::new(),
            commands: Vec::new(),
            running: Vec::new(),
            token: String::new(),
            databases: Vec::new(),
            dir,
        };
        said(&world.run(&["keys", "init", "--secrets-dir", &secrets]));
        let mut admins = Vec::new();
        for (place, service) in ["patients", "invites"].into_iter().enumerate() {
            let (public, private) = (free_address(), free_address());
            let mut env = vec![
                ("PF_LISTEN", public.clone()),
                ("PF_ADMIN_LISTEN", private.clone()),
                ("PF_BUS_URL", bus.clone()),
                ("PF_BUS_PREFIX", format!("{mark}.")),
                ("PF_SECRETS_DIR", secrets.clone()),
                ("PF_SERVICE_TOKEN_FILE", tokens.clone()),
                ("PF_JWT_PUBLIC_KEY_FILE", format!("{secrets}/jwt-public.pem")),
            ];
            for (variable, kind) in [("PF_DATABASE_URL", ""), ("PF_KEYS_URL", "_keys")] {
                let name = format!("erasure_{service}{kind}_{mark}");
                sql(&admin, &format!("create database {name}")).await;
                env.push((variable, beside(&admin, &name)));
                world.databases.push(name);
            }
            let env = env.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
            world.commands.push((program(&format!("{service}-service")), Vec::new(), env));
            world.urls[place] = format!("http://{public}");
            admins.push(format!("http://{private}"));
        }
        world.at = vec!["--admin-url".to_owned(), admins.join(","), "--token-file".to_owned(), tokens];
        world.start().await;
        world.token = said(&world.run(&["token", "--secrets-dir", &secrets]));
        world
    }

    /// Starts what does not run, its log into a file that is searched like every other.
    pub async fn start(&mut self) {
        for (program, args, env) in &self.commands {
            let log =
                std::fs::File::options().create(true).append(true).open(self.dir.join("log")).expect("a log");
            let mut command = Command::new(program);
            command
                .args(args)
                .envs(env.iter().cloned())
                .env("PF_LOG", "debug,lapin=info")
                .stdout(Stdio::null())
                .stderr(log);
            self.running.push(command.spawn().expect("started"));
        }
        for url in self.urls.clone() {
            self.until("it is ready", async || {
                reqwest::get(format!("{url}/readyz")).await.is_ok_and(|answer| answer.status() == 200)
            })
            .await;
        }
    }

    /// SIGKILL to every process.
    pub fn kill(&mut self) {
        for mut child in self.running.drain(..) {
            child.kill().expect("killed");
            child.wait().expect("reaped");
        }
    }

    /// Runs `patient-first` to its end.
    pub fn run(&self, args: &[&str]) -> Output {
        let mut command = Command::new(program("patient-first"));
        command.env_remove("PF_TOKEN").env_remove("PF_SERVICE_TOKEN_FILE");
        command.args(args).output().expect("run")
    }

    /// Runs an operator's command where the services are.
    pub fn operate(&self, args: &[&str]) -> Output {
        let at: Vec<&str> = self.at.iter().map(String::as_str).collect();
        self.run(&[args, &at].concat())
    }

    pub async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let invites = ["/api/invites", "/api/generate_invite", "/api/verify_invite", "/api/accept_invite"];
        let url = &self.urls[usize::from(invites.iter().any(|begin| path.starts_with(begin)))];
        let mut request =
            reqwest::Client::new().request(method, format!("{url}{path}")).bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.json(&body);
        }
        answer(request).await
    }

    /// A change of whatever version stands there.
    pub async fn change(&self, method: Method, path: &str, body: Value) -> (u16, Value) {
        let request = reqwest::Client::new().request(method, format!("{}{path}", self.urls[0]));
        answer(request.bearer_auth(&self.token).header("if-match", "*").json(&body)).await
    }

    pub async fn get(&self, path: &str) -> (u16, Value) {
        self.ask(Method::GET, path, None).await
    }

    pub async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        self.ask(Method::POST, path, Some(body)).await
    }

    /// Imports a file; how it ended.
    pub async fn import(&self, file: String) -> Value {
        let request = reqwest::Client::new().post(format!("{}/api/patients/import", self.urls[0]));
        let request = request.bearer_auth(&self.token).header("content-type", "text/csv").body(file);
        let path = format!("/api/imports/{}", answer(request).await.1["id"].as_str().expect("an id"));
        self.until("the import is done", async || self.get(&path).await.1["state"] == json!("done")).await;
        self.get(&path).await.1
    }

    pub async fn until(&self, what: &str, mut look: impl AsyncFnMut() -> bool) {
        let end = Instant::now() + PATIENCE;
        while !look().await {
            assert!(Instant::now() < end, "waited in vain until {what}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Removes what the test made.
    pub async fn clean(&mut self) {
        self.kill();
        for name in std::mem::take(&mut self.databases) {
            sql(&needed("PF_TEST_POSTGRES_URL"), &format!("drop database {name} with (force)")).await;
        }
        std::fs::remove_dir_all(&self.dir).expect("removed");
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for child in &mut self.running {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

async fn answer(request: reqwest::RequestBuilder) -> (u16, Value) {
    let answer = request.send().await.expect("an answer");
    let status = answer.status().as_u16();
    (status, answer.json().await.unwrap_or_default())
}

/// What a program that did what it should printed.
pub fn said(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).expect("text").trim().to_owned()
}

fn program(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_BIN_EXE_patient-first")).with_file_name(name);
    assert!(path.exists(), "{} is missing: cargo build --workspace", path.display());
    path
}

/// Tests of one process run beside each other.
fn mark() -> String {
    shared_runtime::clock::Clock::System.new_id().simple().to_string()
}

fn fresh(mark: &str) -> PathBuf {
    let dir = std::env::temp_dir().join(format!("pf-erasure-{mark}"));
    std::fs::create_dir_all(&dir).expect("made");
    dir
}

fn free_address() -> String {
    let socket = TcpListener::bind("127.0.0.1:0").expect("a free port");
    socket.local_addr().expect("an address").to_string()
}

fn needed(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("set {name} or run `make test`"))
}

fn beside(url: &str, name: &str) -> String {
    format!("{}/{name}", url.rsplit_once('/').expect("a database in the URL").0)
}

async fn sql(url: &str, statement: &str) {
    let mut connection = PgConnection::connect(url).await.expect("connected");
    connection.execute(sqlx::AssertSqlSafe(statement.to_owned())).await.expect("executed");
    connection.close().await.expect("closed");
}
