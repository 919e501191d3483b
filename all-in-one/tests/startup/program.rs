//! Programs run by hand, as it were: once to their end, or until dropped.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// A directory of a test's own.
pub struct Scratch {
    dir: PathBuf,
    data: String,
}

impl Scratch {
    pub fn new(name: &str) -> Scratch {
        let dir = std::env::temp_dir().join(format!("pf-startup-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).expect("made");
        let data = dir.join("data").display().to_string();
        Scratch { dir, data }
    }

    pub fn data(&self) -> &str {
        &self.data
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

fn program() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_patient-first"))
}

/// Runs `patient-first` to its end.
pub fn patient_first(args: &[&str]) -> Output {
    Command::new(program()).args(args).output().expect("run")
}

/// Runs `patients-service` to its end: all is well but what `wrong` says.
pub fn patients_service(scratch: &Scratch, wrong: &[(&str, &str)]) -> Output {
    service(scratch, "amqp://127.0.0.1:9").envs(wrong.iter().copied()).output().expect("run")
}

fn service(scratch: &Scratch, bus: &str) -> Command {
    let secrets = scratch.path("secrets").display().to_string();
    let made = patient_first(&["keys", "init", "--secrets-dir", &secrets]);
    assert!(made.status.success(), "{}", stderr(&made));
    let binary = program().with_file_name("patients-service");
    assert!(binary.exists(), "{} is missing: cargo build --workspace", binary.display());
    let mut command = Command::new(binary);
    command
        .env("PF_DATABASE_URL", format!("sqlite:{}", scratch.path("patients.db").display()))
        .env("PF_KEYS_URL", format!("sqlite:{}", scratch.path("keys.db").display()))
        .env("PF_BUS_URL", bus)
        .env("PF_SECRETS_DIR", &secrets)
        .env("PF_JWT_PUBLIC_KEY_FILE", format!("{secrets}/jwt-public.pem"));
    command
}

/// What a program said to the person.
pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A server that runs until it is dropped.
pub struct Started {
    child: Child,
    at: String,
    token: String,
}

impl Started {
    /// `patient-first serve`.
    pub fn serve(scratch: &Scratch) -> Started {
        let at = free_address();
        let mut command = Command::new(program());
        command.args(["serve", "--data-dir", scratch.data(), "--listen", &at]);
        Started::begin(command, at, &["--data-dir", scratch.data()])
    }

    /// `patients-service` on SQLite.
    pub fn patients_service(scratch: &Scratch, bus: &str) -> Started {
        let at = free_address();
        let mut command = service(scratch, bus);
        command.env("PF_LISTEN", &at);
        let secrets = scratch.path("secrets").display().to_string();
        Started::begin(command, at, &["--secrets-dir", &secrets])
    }

    fn begin(mut command: Command, at: String, keys: &[&str]) -> Started {
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("started");
        let mut server = Started { child, at, token: String::new() };
        server.get_until("/livez", "ok", Duration::from_secs(20));
        let said = patient_first(&[&["token"], keys].concat());
        server.token = String::from_utf8(said.stdout).expect("text").trim().to_owned();
        server
    }

    pub fn ready(&self) -> bool {
        self.ask("GET", "/readyz", "").is_some_and(|(status, _)| status == 200)
    }

    /// Puts a patient on record; the status.
    pub fn create(&self, email: &str) -> u16 {
        let body = format!(r#"{{"email":"{email}","first_name":"Ada","last_name":"Lovelace"}}"#);
        self.ask("POST", "/api/patients", &body).expect("answered").0
    }

    /// Asks until the answer holds a word.
    pub fn get_until(&self, path: &str, word: &str, within: Duration) -> String {
        let until = Instant::now() + within;
        loop {
            match self.ask("GET", path, "") {
                Some((_, body)) if body.contains(word) => return body,
                last => assert!(Instant::now() < until, "{path} never said {word}: {last:?}"),
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> Option<(u16, String)> {
        let mut stream = TcpStream::connect(&self.at).ok()?;
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\nconnection: close\r\n\r\n{body}",
            self.at,
            self.token,
            body.len()
        );
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let status = answer.split(' ').nth(1)?.parse().ok()?;
        Some((status, answer.split_once("\r\n\r\n")?.1.to_owned()))
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a free port").to_string()
}
