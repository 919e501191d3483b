//! Long work: large files, servers that restart, people who stop waiting.

use crate::fake::Fake;
use crate::world::{Scratch, begin, run};
use serde_json::{Value, json};
use std::io::Write;

const ID: &str = "0193e0f2-0000-7000-8000-000000000001";

fn job(state: &str) -> Value {
    json!({"id": ID, "state": state, "read": 10, "created": 5})
}

async fn taking(states: &[(u16, Value)]) -> Fake {
    let fake = Fake::start().await;
    fake.on("POST /api/patients/import", &[(202, json!({ "id": ID }))]);
    fake.on(&format!("GET /api/imports/{ID}"), states);
    fake
}

#[tokio::test]
async fn a_server_that_restarts_is_waited_for() {
    let away = (503, json!({"code": "unavailable", "title": "Not now"}));
    let fake = taking(&[(200, job("running")), away.clone(), away, (200, job("done"))]).await;
    let scratch = Scratch::new("restart");
    let file = scratch.file("people.csv", "Email\n");
    let said = run(&["import", &file, "--json", "--url", &fake.url, "--token", "t"]).await;
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(said.err.matches("does not answer").count(), 1, "said once: {said:?}");
}

#[tokio::test]
async fn who_stops_waiting_is_told_that_the_job_goes_on_and_how_to_look_again() {
    let fake = taking(&[(200, job("running"))]).await;
    let scratch = Scratch::new("ctrlc");
    let file = scratch.file("people.csv", "Email\n");
    let child = begin(&["import", &file, "--json", "--url", &fake.url, "--token", "t"]);
    fake.until_asked(&format!("GET /api/imports/{ID}"), 2).await;
    child.interrupt();
    let said = child.said().await;
    assert_eq!((said.code, said.out.as_str()), (Some(130), ""), "{said:?}");
    assert!(said.err.contains("the import goes on in the server"), "{said:?}");
    assert!(said.err.contains(&format!("patient-first imports show {ID} --url {}", fake.url)), "{said:?}");
}

/// A file of a quarter of a gigabyte, in a program that may never hold more than a few pieces of it.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_large_file_is_never_whole_in_memory() {
    const LARGE: u64 = 256 * 1024 * 1024;
    let fake = taking(&[(200, job("running"))]).await;
    let scratch = Scratch::new("large");
    let file = scratch.file("people.csv", "");
    // A hole is as large as a file to whoever reads it.
    std::fs::File::options().write(true).open(&file).and_then(|f| f.set_len(LARGE)).expect("a large file");
    for options in [&[][..], &["--dry-run"][..]] {
        let child = begin(&[&["import", &file, "--url", &fake.url, "--token", "t"], options].concat());
        let looked = fake.asked_for(&format!("GET /api/imports/{ID}")).len();
        fake.until_asked(&format!("GET /api/imports/{ID}"), looked + 1).await;
        let about = std::fs::read_to_string(format!("/proc/{}/status", child.id()));
        let about = about.expect("a status");
        let peak = about.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
        let peak: u64 = peak.trim().trim_end_matches(" kB").parse().expect("kilobytes");
        assert!(peak < 100 * 1024, "{peak} kB at most for a file of {LARGE} bytes");
        child.interrupt();
        child.said().await;
    }
    assert!(fake.asked_for("POST /api/patients/import").iter().all(|sent| sent.bytes as u64 >= LARGE));
}

mod embedded {
    mod sqlite {
        use super::super::*;

        #[tokio::test(flavor = "multi_thread")]
        async fn a_server_of_the_commands_own_is_stopped_cleanly() {
            let scratch = Scratch::new("own");
            let data = scratch.path("data");
            assert_eq!(run(&["token", "--data-dir", &data]).await.code, Some(0), "a directory");
            let mut child = begin(&["import", "-", "--data-dir", &data]);
            let mut input = child.input();
            // More than a pipe holds: once it is written, the upload goes on.
            let mut rows = "Email,First,Last\n".to_owned();
            (0..20_000).for_each(|n| rows += &format!("ada{n}@example.org,Ada,Lovelace\n"));
            input.write_all(rows.as_bytes()).expect("read by the command");
            child.interrupt();
            let said = child.said().await;
            drop(input);
            assert_eq!(said.code, Some(130), "{said:?}");
            assert!(said.err.contains("imports list"), "{said:?}");
            assert!(
                !std::path::Path::new(&scratch.path("data/patients.db-wal")).exists(),
                "files were closed"
            );
            let said = run(&["status", "--data-dir", &data]).await;
            assert!(said.out.contains("No server runs"), "nothing holds the directory: {said:?}");
        }
    }
}
