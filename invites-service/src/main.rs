//! invites-service as a process of its own, on PostgreSQL and RabbitMQ.

use anyhow::{Context, Result, bail};
use clap::Parser;
use invites_service::service::{InvitesService, NAME, Parts};
use shared_host::serve::{Hosted, Sockets};
use shared_host::{ServiceFlags, logs, serve, stop_on_signal};
use shared_http::Health;
use shared_runtime::clock::Clock;
use shared_runtime::keys::Keyring;
use shared_runtime::secrets::{Missing, keyring};
use tokio_util::sync::CancellationToken;

/// The offers a clinic makes to its patients, and the logins of those who took them up.
#[derive(Parser)]
#[command(version)]
struct Flags {
    #[command(flatten)]
    service: ServiceFlags,
}

#[tokio::main]
async fn main() -> Result<()> {
    let flags = Flags::parse().service;
    logs::start();
    let clock = Clock::System;
    let service = InvitesService::open(Parts {
        database_url: &flags.database_url,
        keys_url: &flags.keys_url,
        bus: flags.bus().await?,
        secrets: flags.secrets(NAME)?,
        tokens: tokens(&flags)?,
        verifier: flags.tokens.verifier(&clock)?,
        clock,
        public_url: public_url(&flags)?,
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
        slow_routes: Vec::new(),
        tasks: service.work(&stop_work),
        stop_work,
    };
    serve(hosted, sockets, stop_on_signal()?).await?;
    service.core().close().await;
    Ok(())
}

/// What makes links. Refused where it is missing: links of a key made here would not open elsewhere.
fn tokens(flags: &ServiceFlags) -> Result<Keyring> {
    keyring(&flags.secrets_dir, "tokens", Missing::Refuse).with_context(|| {
        format!(
            "cannot use {}/tokens.keys, which makes invite links; `patient-first keys init --secrets-dir DIR` makes one",
            flags.secrets_dir.display()
        )
    })
}

/// The beginning of every link.
fn public_url(flags: &ServiceFlags) -> Result<&str> {
    let url = flags.public_url.as_str();
    if !url.starts_with("https://") && !url.starts_with("http://") {
        bail!(
            "--public-url must begin with https://, or with http:// to try things out; it begins every link"
        );
    }
    Ok(url)
}
