//! The loop under clients that are slow, silent or many, and its end.

mod common;

use axum::Router;
use axum::routing::get;
use common::{client, serve};
use shared_http::server::Drained;
use shared_http::{Limits, ManneredConfig, manners};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Notify, Semaphore};
use tokio::time::timeout;

const SOON: Duration = Duration::from_secs(5);

fn router() -> Router {
    manners(Router::new().route("/", get(async || "ok")), ManneredConfig::default())
}

/// Reads until the server closes the connection.
async fn to_the_end(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    let read = timeout(SOON, stream.read_to_end(&mut text)).await.expect("closed by the server");
    assert!(read.is_ok() || text.is_empty());
    String::from_utf8_lossy(&text).into_owned()
}

#[tokio::test]
async fn slow_headers_and_silence_are_cut_off() {
    let limits = Limits { header_time: Duration::from_millis(150), ..Limits::default() };
    let served = serve(router(), limits).await;
    for sent in ["", "GET / HTTP/1.1\r\nhost: x\r\nx-slow: ", "GET / HTTP/1.1\r\nhost: x\r\n\r\n"] {
        let mut raw = TcpStream::connect(served.address).await.expect("connected");
        raw.write_all(sent.as_bytes()).await.expect("sent");
        let answer = to_the_end(&mut raw).await;
        assert_eq!(answer.starts_with("HTTP/1.1 200"), sent.ends_with("\r\n\r\n"), "{sent}: {answer}");
    }
}

#[tokio::test]
async fn a_head_too_large_or_with_too_many_fields_is_refused() {
    let limits = Limits { header_bytes: 4096, header_count: 20, ..Limits::default() };
    let served = serve(router(), limits).await;
    let long = format!("x-long: {}\r\n", "a".repeat(5000));
    let many: String = (0..30).map(|n| format!("x-{n}: 1\r\n")).collect();
    for fields in [long, many] {
        let mut raw = TcpStream::connect(served.address).await.expect("connected");
        raw.write_all(format!("GET / HTTP/1.1\r\nhost: x\r\n{fields}\r\n").as_bytes()).await.expect("sent");
        let answer = to_the_end(&mut raw).await;
        assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    }
}

#[tokio::test]
async fn one_connection_too_many_waits_for_its_turn() {
    let served = serve(router(), Limits { connections: 1, ..Limits::default() }).await;
    let first = TcpStream::connect(served.address).await.expect("connected");
    let mut second = TcpStream::connect(served.address).await.expect("queued by the system");
    second.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.expect("sent");
    let mut byte = [0; 1];
    let waiting = timeout(Duration::from_millis(200), second.read(&mut byte)).await;
    assert!(waiting.is_err(), "served beyond the cap");
    drop(first);
    assert!(to_the_end(&mut second).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_client_that_reads_nothing_loses_its_place() {
    let large = Router::new().route("/large", get(async || vec![0u8; 64 * 1024 * 1024]));
    let limits = Limits { connections: 1, write_time: Duration::from_millis(150), ..Limits::default() };
    let served = serve(
        manners(large.merge(Router::new().route("/", get(async || "ok"))), ManneredConfig::default()),
        limits,
    )
    .await;
    let mut absent = TcpStream::connect(served.address).await.expect("connected");
    absent.write_all(b"GET /large HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("sent");
    let mut next = TcpStream::connect(served.address).await.expect("queued by the system");
    next.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.expect("sent");
    assert!(to_the_end(&mut next).await.starts_with("HTTP/1.1 200"));
    drop(absent);
}

/// A route that tells when it was entered and answers when it may.
fn gated(entered: &Arc<Semaphore>, leave: &Arc<Notify>) -> Router {
    let (entered, leave) = (entered.clone(), leave.clone());
    let wait = async move || {
        entered.add_permits(1);
        leave.notified().await;
        "done"
    };
    manners(Router::new().route("/", get(wait)), ManneredConfig::default())
}

#[tokio::test]
async fn a_running_request_ends_after_the_stop_signal() {
    let (entered, leave) = (Arc::new(Semaphore::new(0)), Arc::new(Notify::new()));
    let mut served = serve(gated(&entered, &leave), Limits::default()).await;
    let request = tokio::spawn(client().get(served.url("/")).send());
    entered.acquire().await.expect("entered").forget();
    // Kept connections that idle, or never spoke, must not hold the drain up.
    let mut idle = TcpStream::connect(served.address).await.expect("connected");
    served.stop.cancel();
    to_the_end(&mut idle).await;
    assert!(TcpStream::connect(served.address).await.is_err(), "still listening");

    leave.notify_one();
    let answer = request.await.expect("task").expect("an answer");
    assert_eq!(answer.text().await.expect("text"), "done");
    let drained = timeout(SOON, served.task.take().expect("a task")).await.expect("ends").expect("no panic");
    assert_eq!(drained, Drained { cut_off: 0 });
}

#[tokio::test]
async fn a_request_beyond_the_drain_time_is_cut() {
    let (entered, leave) = (Arc::new(Semaphore::new(0)), Arc::new(Notify::new()));
    let limits = Limits { drain_time: Duration::from_millis(100), ..Limits::default() };
    let mut served = serve(gated(&entered, &leave), limits).await;
    let request = tokio::spawn(client().get(served.url("/")).send());
    entered.acquire().await.expect("entered").forget();
    served.stop.cancel();
    let drained = timeout(SOON, served.task.take().expect("a task")).await.expect("ends").expect("no panic");
    assert_eq!(drained, Drained { cut_off: 1 });
    assert!(request.await.expect("task").is_err());
}

#[tokio::test]
async fn a_followed_job_is_told_when_it_changes_and_ends() {
    let steps = [1, 1, 2, 3];
    let route = get(async move |stopping: shared_http::Stopping| {
        let mut steps = steps.into_iter();
        shared_http::follow(stopping, move || {
            let done = steps.next().unwrap_or(3);
            async move { Ok(shared_http::Standing { told: done, ended: done == 3 }) }
        })
    });
    let served =
        serve(manners(Router::new().route("/", route), ManneredConfig::default()), Limits::default()).await;
    let told = client().get(served.url("/")).send().await.expect("an answer").text().await.expect("text");
    let lines: Vec<&str> = told.lines().filter(|line| !line.is_empty()).collect();
    let expected = ["event: progress", "data: 1", "event: progress", "data: 2", "event: end", "data: 3"];
    assert_eq!(lines, expected);
}

#[tokio::test]
async fn a_followed_job_does_not_hold_the_stop_up() {
    let route = get(async |stopping: shared_http::Stopping| {
        shared_http::follow(stopping, || async { Ok(shared_http::Standing { told: 1, ended: false }) })
    });
    let mut served =
        serve(manners(Router::new().route("/", route), ManneredConfig::default()), Limits::default()).await;
    let mut answer = client().get(served.url("/")).send().await.expect("an answer");
    assert!(answer.chunk().await.expect("a piece").is_some());
    served.stop.cancel();
    let drained = timeout(SOON, served.task.take().expect("a task")).await.expect("ends").expect("no panic");
    assert_eq!(drained, Drained { cut_off: 0 });
}
