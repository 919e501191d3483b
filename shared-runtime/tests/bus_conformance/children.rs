//! Other processes: this very program, started again to run one of the tests here.

use crate::world::{PATIENCE, TO_PATIENTS, window};
use shared_runtime::bus::{Bus, Topology};
use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

const FILE: &str = "PF_TEST_CHILD_BUS_FILE";

/// Starts a child that works on this file.
pub fn start(test: &str, file: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args([test, "--exact", "--ignored", "--nocapture"])
        .env(FILE, file)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

fn url() -> Option<String> {
    std::env::var(FILE).ok().map(|file| format!("embedded:{file}"))
}

#[tokio::test]
#[ignore = "a child, started by another test"]
async fn publishes_until_killed() {
    let Some(url) = url() else { return };
    let bus = Bus::open(&url, Topology::standard()).await.unwrap();
    let mut publisher = bus.publisher().await.unwrap();
    for start in (0..).step_by(10) {
        let window = window(start..start + 10, TO_PATIENTS);
        let published = publisher.publish(&window, PATIENCE).await;
        let mut out = std::io::stdout().lock();
        for message in &window[..published.confirmed] {
            writeln!(out, "confirmed {}", message.id).unwrap();
        }
        out.flush().unwrap();
    }
}

#[tokio::test]
#[ignore = "a child, started by another test"]
async fn takes_and_holds_until_killed() {
    let Some(url) = url() else { return };
    let bus = Bus::open(&url, Topology::standard()).await.unwrap();
    let mut subscription = bus.subscribe(shared_runtime::bus::topology::PATIENTS, 100).await.unwrap();
    let taken = crate::world::take(&mut subscription, 10).await;
    subscription.ack(&taken[..5]).await.unwrap();
    println!("\nholding");
    std::future::pending::<()>().await;
}

#[tokio::test]
#[ignore = "a child, started by another test"]
async fn opens_what_is_open() {
    let Some(url) = url() else { return };
    match Bus::open(&url, Topology::standard()).await {
        Ok(_) => println!("\nopened"),
        Err(error) => println!("\nrefused: {error}"),
    }
}
