//! The loop that takes connections in.
//!
//! `axum::serve` has no limit on how long a client may take over its headers, nor on how many clients
//! there are; one that sends a byte a minute would be kept for ever. So the loop is our own.

use crate::progress::Stopping;
use crate::stall::Unstalled;
use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;
use tower::Service;

/// The limits of the loop.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections at a time: 1024. One more waits in the system's queue until another ends.
    pub connections: usize,
    /// How long a request's head may take to arrive, counted also while a kept connection idles: 10 s.
    pub header_time: Duration,
    /// The largest head, in bytes: 32 KiB. Beyond it hyper answers 431 before we hear of the request.
    pub header_bytes: usize,
    /// The most header fields: 100.
    pub header_count: usize,
    /// How long a client may read nothing of its answer: 30 s. A slow reader goes on, an absent one is cut.
    pub write_time: Duration,
    /// How long running requests may go on after the stop signal: 20 s.
    pub drain_time: Duration,
    /// The pause after an accept that failed for want of something, such as file descriptors: 100 ms.
    pub accept_pause: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            connections: 1024,
            header_time: Duration::from_secs(10),
            header_bytes: 32 * 1024,
            header_count: 100,
            write_time: Duration::from_secs(30),
            drain_time: Duration::from_secs(20),
            accept_pause: Duration::from_millis(100),
        }
    }
}

/// How the loop ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// Connections that were cut because their time was over.
    pub cut_off: usize,
}

/// Serves until `shutdown`, then lets running requests end within the drain time. The caller owns the
/// socket and the signal.
pub async fn run(
    listener: TcpListener,
    router: Router,
    shutdown: CancellationToken,
    limits: Limits,
) -> Drained {
    let http = protocol(&limits);
    let room = Arc::new(Semaphore::new(limits.connections));
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            Some(ended) = connections.join_next() => report(ended),
            (stream, peer, place) = accept(&listener, &room, limits.accept_pause) => {
                let connection = graceful.watch(serve(&http, Unstalled::new(stream, limits.write_time), (peer, &shutdown), router.clone()));
                connections.spawn(async move {
                    let outcome = connection.await;
                    drop(place);
                    outcome
                });
            }
        }
    }
    // Closed first, so that the next one to come is told at once and goes to another copy.
    drop(listener);
    drain(graceful, connections, limits.drain_time).await
}

fn protocol(limits: &Limits) -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(limits.header_time)
        .max_header_size(limits.header_bytes)
        .max_headers(limits.header_count);
    http
}

/// The next connection and its place under the cap. Cancelled without loss: a place is given back, and
/// a connection not yet accepted stays in the queue.
async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
    pause: Duration,
) -> (TcpStream, SocketAddr, Option<OwnedSemaphorePermit>) {
    // An error would mean that the semaphore is closed, which nobody does.
    let place = room.clone().acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "TCP_NODELAY could not be set");
                }
                return (stream, peer, place);
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                // Most often EMFILE: the queue stays readable, and without a pause the loop would spin.
                tracing::error!(%error, "no connection could be accepted");
                tokio::time::sleep(pause).await;
            }
        }
    }
}

/// Errors that tell of one client that left while it stood in the queue.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// One connection, with the peer's address and the stop signal in each request's extensions.
fn serve(
    http: &http1::Builder,
    stream: Unstalled,
    (peer, shutdown): (SocketAddr, &CancellationToken),
    router: Router,
) -> impl hyper_util::server::graceful::GracefulConnection<Error = hyper::Error> + Send + use<> {
    let stopping = Stopping(shutdown.clone());
    let service = service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        request.extensions_mut().insert(stopping.clone());
        router.clone().call(request)
    });
    http.serve_connection(TokioIo::new(stream), service)
}

/// A connection's end: clients that vanish are everyday, a panic outside of every handler is not.
fn report(ended: Result<Result<(), hyper::Error>, JoinError>) {
    match ended {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a connection broke off"),
        Err(error) if error.is_panic() => tracing::error!("a connection's task panicked"),
        Err(_) => {}
    }
}

async fn drain(
    graceful: GracefulShutdown,
    mut connections: JoinSet<Result<(), hyper::Error>>,
    time: Duration,
) -> Drained {
    let in_time = tokio::time::timeout(time, graceful.shutdown()).await.is_ok();
    while let Some(ended) = connections.try_join_next() {
        report(ended);
    }
    let cut_off = if in_time { 0 } else { connections.len() };
    if cut_off > 0 {
        tracing::warn!(cut_off, "requests were still running when the drain time was over");
    }
    connections.shutdown().await;
    Drained { cut_off }
}
