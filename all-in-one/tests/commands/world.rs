//! A directory of a test's own, and programs run in it.

use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::time::Duration;

/// A directory that goes with the test.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new(name: &str) -> Scratch {
        let dir = std::env::temp_dir().join(format!("pf-commands-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).expect("made");
        Scratch(dir)
    }

    pub fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }

    /// Writes a file and gives its path.
    pub fn file(&self, name: &str, text: &str) -> String {
        std::fs::write(self.0.join(name), text).expect("written");
        self.path(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Where the programs are.
pub fn program(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_BIN_EXE_patient-first")).with_file_name(name);
    assert!(path.exists(), "{} is missing: cargo build --workspace", path.display());
    path
}

/// What a program said, and how it ended.
#[derive(Debug)]
pub struct Said {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl From<Output> for Said {
    fn from(output: Output) -> Said {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Said { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
    }
}

/// A program that runs until it ends or is dropped.
pub struct Running(Option<Child>);

impl Running {
    pub fn start(command: &mut Command) -> Running {
        Running(Some(command.spawn().expect("started")))
    }

    pub fn id(&self) -> u32 {
        self.0.as_ref().expect("running").id()
    }

    /// Its standard input; dropped, it ends.
    pub fn input(&mut self) -> ChildStdin {
        self.0.as_mut().and_then(|child| child.stdin.take()).expect("piped")
    }

    /// Presses Ctrl-C.
    pub fn interrupt(&self) {
        let id = self.id().to_string();
        assert!(Command::new("kill").args(["-INT", &id]).status().expect("run").success());
    }

    /// Waits for its end; a program that has none is killed, and the test fails.
    pub async fn said(mut self) -> Said {
        let child = self.0.take().expect("running");
        let id = child.id().to_string();
        let mut ended = tokio::task::spawn_blocking(move || child.wait_with_output());
        let Ok(said) = tokio::time::timeout(Duration::from_secs(60), &mut ended).await else {
            let _ = Command::new("kill").args(["-KILL", &id]).status();
            panic!(
                "it did not end by itself: {:?}",
                Said::from(ended.await.expect("waited").expect("ended"))
            );
        };
        said.expect("waited").expect("ended").into()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Runs `patient-first` to its end.
pub async fn run(args: &[&str]) -> Said {
    begin(args).said().await
}

/// Begins `patient-first`, without the test's own environment in its way.
pub fn begin(args: &[&str]) -> Running {
    let mut command = Command::new(program("patient-first"));
    command.args(args).env_remove("PF_TOKEN").env_remove("PF_SERVICE_TOKEN_FILE");
    Running::start(command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()))
}
