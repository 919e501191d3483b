//! patients-service as a process of its own, on PostgreSQL and RabbitMQ.

use anyhow::Result;
use clap::Parser;
use patients_service::service::{NAME, Parts, PatientsService};
use shared_host::keys::KeyDesk;
use shared_host::purge::Purge;
use shared_host::serve::{Hosted, Sockets};
use shared_host::status::Status;
use shared_host::{ServiceFlags, logs, serve, stop_on_signal};
use shared_http::Health;
use shared_runtime::clock::Clock;
use std::process::ExitCode;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The records a clinic keeps first: patients, clinics, imports.
#[derive(Parser)]
#[command(version)]
struct Flags {
    #[command(flatten)]
    service: ServiceFlags,
}

#[tokio::main]
async fn main() -> ExitCode {
    shared_host::ended("patients-service", run().await)
}

async fn run() -> Result<()> {
    let flags = Flags::parse().service;
    logs::start();
    let service_token = flags.service_token()?;
    let clock = Clock::System;
    let service = PatientsService::new(Parts {
        db: flags.database(migrations::PATIENTS).await?,
        keys: flags.keys(migrations::KEYS).await?,
        bus: flags.bus().await?,
        secrets: flags.secrets(NAME)?,
        verifier: flags.tokens.verifier(&clock)?,
        clock,
    })
    .await?;
    let sockets = Sockets::bind(flags.listen, flags.admin_listen).await?;
    let (public, admin) = sockets.addresses()?;
    tracing::info!(%public, %admin, "patients-service listens");
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
        slow_routes: vec![("/api/patients/import", Duration::from_secs(3600))],
        tasks: service.work(&stop_work),
        stop_work,
    };
    serve(hosted, sockets, stop_on_signal()?).await?;
    service.core().close().await;
    Ok(())
}
