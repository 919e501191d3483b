//! Sockets, signals, draining.

use anyhow::{Context, Result};
use axum::Router;
use axum::middleware::from_extractor_with_state;
use shared_http::openapi::{self, Document};
use shared_http::{Health, Limits, ManneredConfig, ServiceCall, ServiceToken, manners};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How long background work may take to notice that it should stop.
const LAST_MOMENTS: Duration = Duration::from_secs(5);

/// A service, or several in one process, ready to be served.
pub struct Hosted {
    /// The API.
    pub router: Router,
    /// What describes it.
    pub documents: Vec<Document>,
    /// What it leans on.
    pub health: Health,
    /// Routes for operators and neighbours, all below `/internal`: on the admin port alone, for those who have
    /// the service token.
    pub internal: Router,
    /// Opens the internal routes; without it there are none.
    pub service_token: Option<ServiceToken>,
    /// Routes by template with a time of their own.
    pub slow_routes: Vec<(&'static str, Duration)>,
    /// Work in the background, ended by `stop_work`.
    pub tasks: Vec<JoinHandle<()>>,
    /// Ends the work, once no request runs any more.
    pub stop_work: CancellationToken,
}

/// Sockets that are open already, so that the caller can say where they are.
pub struct Sockets {
    /// The API's.
    pub public: TcpListener,
    /// Health and internal routes.
    pub admin: TcpListener,
}

impl Sockets {
    /// Opens both.
    pub async fn bind(public: SocketAddr, admin: SocketAddr) -> Result<Sockets> {
        let bind = async |at: SocketAddr| {
            TcpListener::bind(at).await.with_context(|| {
                format!("cannot listen on {at}: is something else there? Choose another address")
            })
        };
        Ok(Sockets { public: bind(public).await?, admin: bind(admin).await? })
    }

    /// Where they are.
    pub fn addresses(&self) -> Result<(SocketAddr, SocketAddr)> {
        Ok((self.public.local_addr()?, self.admin.local_addr()?))
    }
}

/// Serves until `stop`; then lets requests end, then the work, then returns.
pub async fn serve(hosted: Hosted, sockets: Sockets, stop: CancellationToken) -> Result<()> {
    let config = ManneredConfig { slow_routes: hosted.slow_routes, ..ManneredConfig::default() };
    let public = hosted.router.merge(hosted.health.clone().router()).merge(openapi::docs(hosted.documents));
    let admin = hosted.health.router().merge(guarded(hosted.internal, hosted.service_token));
    let slow_routes = vec![(crate::purge::PATH, crate::purge::LONGEST)];
    let admin = manners(admin, ManneredConfig { slow_routes, ..ManneredConfig::default() });
    let admin =
        tokio::spawn(shared_http::run(sockets.admin, admin, hosted.stop_work.clone(), Limits::default()));
    let drained = shared_http::run(sockets.public, manners(public, config), stop, Limits::default()).await;
    if drained.cut_off > 0 {
        tracing::warn!(connections = drained.cut_off, "requests were cut off: their time to end was over");
    }
    hosted.stop_work.cancel();
    for task in hosted.tasks {
        if tokio::time::timeout(LAST_MOMENTS, task).await.is_err() {
            tracing::warn!("background work did not stop in time");
        }
    }
    let _ = tokio::time::timeout(LAST_MOMENTS, admin).await;
    Ok(())
}

/// The internal routes behind their guard. Without a token there is nobody who may ask, so nothing is there.
fn guarded(internal: Router, token: Option<ServiceToken>) -> Router {
    match token {
        Some(token) => internal.route_layer(from_extractor_with_state::<ServiceCall, _>(token)),
        None => {
            tracing::info!(
                "internal routes are not served: no service token (--service-token-file names a file of them)"
            );
            Router::new()
        }
    }
}

/// A token that SIGTERM and SIGINT cancel.
pub fn stop_on_signal() -> Result<CancellationToken> {
    use tokio::signal::unix::{SignalKind, signal};
    let stop = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let cancelled = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping: requests that run may end");
        cancelled.cancel();
    });
    Ok(stop)
}
