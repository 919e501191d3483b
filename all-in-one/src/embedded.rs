//! Both services, put together in one process. They still speak through events alone: each has its own
//! database file, and neither is handed anything of the other's.

use crate::data_dir::{DataDir, ISSUER, make_keys};
use anyhow::{Context, Result};
use invites_service::limits::Limits;
use invites_service::service as invites;
use patients_service::service as patients;
use shared_host::keys::KeyDesk;
use shared_host::purge::Purge;
use shared_host::serve::Hosted;
use shared_host::status::Status;
use shared_http::{Algorithm, Health, KeySource, ServiceToken, Verifier, VerifierConfig};
use shared_runtime::Db;
use shared_runtime::bus::{Bus, Topology, topology};
use shared_runtime::clock::Clock;
use shared_runtime::secrets::{Missing, Secrets, keyring};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Connections that read each file at the same time.
const READERS: u32 = 4;

/// Both services of a data directory.
pub struct Embedded {
    /// The records.
    pub patients: patients::PatientsService,
    /// The invites.
    pub invites: invites::Invites,
    bus: Bus,
}

impl Embedded {
    /// Opens everything in `dir`; makes what is missing. `public_url` begins every link; `limits` says how often what
    /// may be done.
    pub async fn open(dir: &DataDir, public_url: &str, limits: Limits, clock: Clock) -> Result<Embedded> {
        // The bus first: its file is locked, so a second process on this directory ends here.
        let path = dir.file("bus.db");
        let bus = Bus::open(&format!("embedded:{}", path.display()), Topology::standard())
            .await
            .with_context(|| format!("cannot use the data directory {}", dir.path().display()))?;
        // Whatever a killed server said of itself is true no longer.
        dir.forget_server();
        let secrets = dir.secrets_dir();
        make_keys(&secrets)?;
        let verifier = verifier(&secrets, &clock)?;
        let patients = patients::PatientsService::new(patients::Parts {
            db: Db::open(&dir.sqlite("patients.db"), READERS, migrations::PATIENTS).await?,
            keys: Db::open(&dir.sqlite("patients-keys.db"), READERS, migrations::KEYS).await?,
            bus: bus.clone(),
            secrets: Secrets::open(&secrets, patients::NAME, Missing::Refuse)?,
            verifier: verifier.clone(),
            clock: clock.clone(),
        })
        .await?;
        let invites = invites::Invites::new(invites::Parts {
            db: Db::open(&dir.sqlite("invites.db"), READERS, migrations::INVITES).await?,
            keys: Db::open(&dir.sqlite("invites-keys.db"), READERS, migrations::KEYS).await?,
            bus: bus.clone(),
            secrets: Secrets::open(&secrets, invites::NAME, Missing::Refuse)?,
            tokens: keyring(&secrets, "tokens", Missing::Refuse)?,
            verifier,
            clock,
            public_url: public_url.to_owned(),
            limits,
        })
        .await?;
        Ok(Embedded { patients, invites, bus })
    }

    /// How far both services are.
    pub fn status(&self) -> Status {
        self.invites.status(self.patients.status(Status::new()))
    }

    /// The key files of both services.
    pub fn keys(&self) -> KeyDesk {
        self.invites.keys(self.patients.keys(KeyDesk::new()))
    }

    /// The databases of both services, to be rewritten without what was deleted.
    pub fn purge(&self) -> Purge {
        let purge = Purge::default().of_core(patients::NAME, self.patients.core());
        purge.of_core(invites::NAME, self.invites.core())
    }

    /// Starts the background work and gives what is to be served. `service_token` opens the internal routes.
    pub fn host(&self, service_token: Option<ServiceToken>) -> Hosted {
        let stop_work = CancellationToken::new();
        let (patients_routes, patients_document) = self.patients.router();
        let (invites_routes, invites_document) = self.invites.router();
        let mut tasks = self.patients.work(&stop_work);
        tasks.extend(self.invites.work(&stop_work));
        Hosted {
            router: patients_routes.merge(invites_routes),
            documents: vec![patients_document, invites_document],
            health: self.invites.health(self.patients.health(Health::new())),
            internal: self.status().router().merge(self.keys().router()).merge(self.purge().router()),
            service_token,
            slow_routes: vec![("/api/patients/import", Duration::from_secs(3600))],
            tasks,
            stop_work,
        }
    }

    /// Waits until everything that was said has been heard by both services.
    pub async fn settled(&self) -> Result<()> {
        loop {
            let mut waiting = 0;
            for core in [self.patients.core(), self.invites.core()] {
                let status = shared_runtime::relay::RelayStatus::read(&core.db).await?;
                waiting += u64::try_from(status.waiting()).unwrap_or(0);
            }
            for queue in [topology::PATIENTS, topology::INVITES] {
                waiting += self.bus.depth(queue).await?;
            }
            if waiting == 0 {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Closes every file.
    pub async fn close(self) {
        self.patients.core().close().await;
        self.invites.core().close().await;
        self.bus.close().await;
    }
}

fn verifier(secrets: &std::path::Path, clock: &Clock) -> Result<Verifier> {
    let path = secrets.join("jwt-public.pem");
    let pem = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let config = VerifierConfig {
        keys: KeySource::Pem(pem),
        issuer: ISSUER.to_owned(),
        audience: ISSUER.to_owned(),
        algorithm: Algorithm::EdDSA,
    };
    let clock = clock.clone();
    Verifier::new(config, Arc::new(move || clock.now())).context("cannot check tokens")
}
