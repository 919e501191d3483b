//! invites-service as a process of its own, on PostgreSQL and RabbitMQ.

use anyhow::{Context, Result};
use clap::Parser;
use invites_service::limits::LimitFlags;
use invites_service::service::{Invites, NAME, Parts};
use shared_host::keys::KeyDesk;
use shared_host::purge::Purge;
use shared_host::serve::{Hosted, Sockets};
use shared_host::status::Status;
use shared_host::{ServiceFlags, logs, serve, stop_on_signal};
use shared_http::Health;
use shared_runtime::clock::Clock;
use shared_runtime::secrets::{Missing, keyring};
use std::process::ExitCode;
use tokio_util::sync::CancellationToken;

/// Invites a clinic makes to its patients, and the logins of those who took them up.
#[derive(Parser)]
#[command(version)]
struct Flags {
    #[command(flatten)]
    service: ServiceFlags,
    #[command(flatten)]
    limits: LimitFlags,
}

#[tokio::main]
async fn main() -> ExitCode {
    shared_host::ended("invites-service", run().await)
}

async fn run() -> Result<()> {
    let Flags { service: flags, limits } = Flags::parse();
    let limits = limits.limits();
    logs::start();
    let service_token = flags.service_token()?;
    let clock = Clock::System;
    let service = Invites::new(Parts {
        db: flags.database(migrations::INVITES).await?,
        keys: flags.keys(migrations::KEYS).await?,
        bus: flags.bus().await?,
        secrets: flags.secrets(NAME)?,
        tokens: keyring(&flags.secrets_dir, "tokens", Missing::Refuse)
            .context("cannot make links without tokens.keys in the secrets directory")?,
        verifier: flags.tokens.verifier(&clock)?,
        clock,
        public_url: flags.public_url()?,
        limits,
    })
    .await?;
    let sockets = Sockets::bind(flags.listen, flags.admin_listen).await?;
    let (public, admin) = sockets.addresses()?;
    tracing::info!(%public, %admin, "invites-service listens");
    let stop_work = CancellationToken::new();
    let (router, document) = service.router();
    let hosted = Hosted {
        router,
        documents: vec![document],
        health: service.health(Health::new()),
        internal: service
            .status(Status::new())
            .router()
            .merge(service.keys(KeyDesk::new()).router())
            .merge(Purge::default().of_core(NAME, service.core()).router()),
        service_token,
        slow_routes: Vec::new(),
        tasks: service.work(&stop_work),
        stop_work,
    };
    serve(hosted, sockets, stop_on_signal()?).await?;
    service.core().close().await;
    Ok(())
}
