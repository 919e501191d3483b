//! The binary `invites-service`: opens what it is told, serves, and drains on SIGTERM or SIGINT.

use anyhow::Context;
use clap::Parser;
use invites_service::config::Config;
use invites_service::service::Invites;
use shared_http::{Limits, ManneredConfig, manners, openapi, run};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

/// lapin prints a returned message whole; sqlx prints statements.
const QUIET: &str = "info,lapin::returned_messages=error,sqlx=warn";

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(QUIET));
    tracing_subscriber::fmt().with_env_filter(filter).init();
    let config = Config::parse();
    let invites = Invites::new(config.parts().await?).await?;
    let listener = bind("--listen", config.listen).await?;
    let admin = bind("--admin-listen", config.admin_listen).await?;
    tracing::info!(listen = %listener.local_addr()?, admin = %admin.local_addr()?, "serving");

    let stop = CancellationToken::new();
    tokio::spawn(on_signal(stop.clone())?);
    let background = invites.work(&stop);
    let (router, document) = invites.router();
    let router = manners(router.merge(openapi::docs(vec![document])), ManneredConfig::default());
    let pulse = manners(invites.health().router(), ManneredConfig::default());
    tokio::join!(
        run(listener, router, stop.clone(), Limits::default()),
        run(admin, pulse, stop.clone(), Limits::default()),
    );
    for task in background {
        task.await.context("background work did not end well")?;
    }
    Ok(())
}

async fn bind(flag: &str, address: std::net::SocketAddr) -> anyhow::Result<TcpListener> {
    let bound = TcpListener::bind(address).await;
    bound.with_context(|| format!("{flag} {address}: is something else listening there?"))
}

/// Stops upon the first signal that asks for it.
fn on_signal(stop: CancellationToken) -> std::io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping: running requests may end");
        stop.cancel();
    })
}
