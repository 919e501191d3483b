//! Both services as they are, each on databases of its own. Only the bus is played by the script: events are read from one
//! service's log and handed to what the other one hears with.

use crate::play::System;
use crate::pure::draft;
use chrono::{DateTime, Utc};
use invites_service::desk::Counts;
use invites_service::domain as invites;
use invites_service::limits::Limits;
use invites_service::service::Invites;
use patients_service::domain as patients;
use patients_service::service::PatientsService;
use shared_events::clinic::{ClinicSettings, OpenInvitePolicy, SettingsChanged};
use shared_events::delivery::{Delivery, Purpose};
use shared_events::patient::{Origin, PatientStatus};
use shared_events::{AccountId, Envelope, Event};
use shared_http::{Algorithm, KeySource, Verifier, VerifierConfig, generate_signing_key};
use shared_runtime::bus::{Bus, Topology};
use shared_runtime::clock::Clock;
use shared_runtime::consume::{Handler, Incoming};
use shared_runtime::db::Step;
use shared_runtime::group::Desk;
use shared_runtime::keys::Keyring;
use shared_runtime::log::{Meta, Recorded};
use shared_runtime::secrets::Secrets;
use shared_runtime::{Db, fetch_one};
use std::collections::BTreeMap;
use std::sync::Arc;
use testkit::databases::{Door, TestDatabases};
use uuid::Uuid;

/// Two services, and a clinic for each script.
pub struct Services {
    clock: Clock,
    patients: PatientsService,
    invites: Invites,
    clinics: u32,
    _databases: TestDatabases,
}

/// One patient.
pub struct One<'a> {
    services: &'a mut Services,
    account: AccountId,
    id: Uuid,
    /// Streams of invites, as they came to be.
    streams: Vec<Uuid>,
    /// What was said of them, in order.
    said: Vec<Recorded>,
}

impl Services {
    pub async fn new(door: Door) -> Services {
        let databases = TestDatabases::in_schemas(door).await;
        let folder = databases.folder().to_owned();
        std::fs::create_dir_all(&folder).expect("a folder");
        let clock = Clock::manual(crate::begin());
        let bus = format!("embedded:{}", folder.join("bus.db").display());
        let bus = Bus::open(&bus, Topology::standard()).await.expect("a bus");
        let secrets = |name: &str| Secrets {
            wrapping: Keyring::generate("w1"),
            bus: Keyring::generate("b1"),
            http: Keyring::generate("h1"),
            erasures: folder.join(format!("erasures-{name}.log")),
        };
        let told = clock.clone();
        let config = VerifierConfig {
            keys: KeySource::Pem(generate_signing_key().expect("a key").1),
            issuer: "test".into(),
            audience: "test".into(),
            algorithm: Algorithm::EdDSA,
        };
        let verifier = Verifier::new(config, Arc::new(move || told.now())).expect("a verifier");
        let patients = PatientsService::new(patients_service::service::Parts {
            db: open(&databases, "patients", migrations::PATIENTS).await,
            keys: open(&databases, "patients_keys", migrations::KEYS).await,
            bus: bus.clone(),
            secrets: secrets("patients"),
            verifier: verifier.clone(),
            clock: clock.clone(),
        });
        let invites = Invites::new(invites_service::service::Parts {
            db: open(&databases, "invites", migrations::INVITES).await,
            keys: open(&databases, "invites_keys", migrations::KEYS).await,
            bus,
            secrets: secrets("invites"),
            tokens: Keyring::generate("t1"),
            verifier,
            clock: clock.clone(),
            public_url: "https://clinic.example".into(),
            // Commands of the scripts count against none.
            limits: Limits::default(),
        });
        Services {
            clock,
            patients: patients.await.expect("patients-service"),
            invites: invites.await.expect("invites-service"),
            clinics: 0,
            _databases: databases,
        }
    }

    /// A patient of a clinic of their own, and when they were put on record.
    pub async fn patient(&mut self, policy: OpenInvitePolicy) -> (One<'_>, DateTime<Utc>) {
        self.clinics += 1;
        let account = AccountId::parse(&format!("clinic-{}", self.clinics)).expect("a clinic");
        let (id, at) = (self.clock.new_id(), self.clock.now());
        let mut one = One { services: self, account, id, streams: Vec::new(), said: Vec::new() };
        let settings = ClinicSettings { open_invite_policy: policy, ..ClinicSettings::default() };
        let event = Event::ClinicSettingsChanged(SettingsChanged { settings, changed: vec![] });
        let incoming = one.incoming(one.services.clock.new_id(), 1, event, at);
        one.hand_to_invites(&[incoming]).await;
        let draft = Box::new(draft(&format!("eve-{}@example.org", id.simple())));
        let create = patients::Ask::Create { draft, origin: Origin::Staff, import_id: None };
        assert!(one.patient(create, at).await);
        (one, at)
    }
}

impl One<'_> {
    fn now(&self, at: DateTime<Utc>) {
        let clock = &self.services.clock;
        clock.advance(at - clock.now());
    }

    fn incoming(&self, subject: Uuid, version: i64, event: Event, at: DateTime<Utc>) -> Incoming {
        let kind = event.kind();
        let envelope = Envelope {
            specversion: "1.0".into(),
            id: Uuid::new_v5(&subject, version.to_string().as_bytes()),
            source: format!("/{}", kind.sources[0]),
            event_type: kind.name.into(),
            subject,
            time: at,
            datacontenttype: "application/json".into(),
            dataschema: kind.schema_urn(),
            sequence: version,
            logid: Uuid::nil(),
            streamversion: version,
            recordedtime: at,
            accountid: self.account.as_str().to_owned(),
            traceparent: None,
            correlationid: None,
            causationid: None,
            actor: "staff:9".into(),
            data: event.to_data(),
        };
        Incoming { envelope, event }
    }

    fn heard(&self, recorded: &Recorded) -> Incoming {
        let event = recorded.event.clone();
        let mut incoming = self.incoming(recorded.stream, recorded.version, event, recorded.occurred_at);
        incoming.envelope.id = recorded.id;
        incoming
    }

    async fn hand_to_invites(&self, events: &[Incoming]) {
        let hearer = self.services.invites.hearer();
        let mut tx = self.services.invites.core().db.begin().await.expect("a transaction");
        hearer.handle(&mut tx, events).await.expect("heard");
        tx.commit().await.expect("committed");
    }

    async fn patient_stream(&self) -> Vec<Recorded> {
        let core = self.services.patients.core();
        let mut reader = core.db.read().await.expect("a reader");
        core.log.load_one(reader.conn(), self.id).await.expect("a stream")
    }

    /// Reads what invites-service has said since.
    async fn listen(&mut self) {
        let core = self.services.invites.core();
        let mut reader = core.db.read().await.expect("a reader");
        let there =
            invites_service::store::invites::all_of(reader.conn(), &[self.id]).await.expect("invites");
        for (id, _) in there {
            if !self.streams.contains(&id) {
                self.streams.push(id);
            }
        }
        let streams = core.log.load(reader.conn(), &self.streams).await.expect("streams");
        let known: Vec<(Uuid, i64)> = self.said.iter().map(|said| (said.stream, said.version)).collect();
        let mut new: Vec<Recorded> = streams.into_values().flatten().collect();
        new.retain(|said| !known.contains(&(said.stream, said.version)));
        new.sort_by_key(|said| (said.recorded_at, said.stream, said.version));
        self.said.extend(new);
    }
}

async fn open(databases: &TestDatabases, name: &str, steps: &[Step]) -> Db {
    Db::open(&databases.url(name).await, 4, steps).await.expect("the database opens")
}

fn meta() -> Meta {
    Meta { actor: "staff:9".into(), ..Meta::default() }
}

impl System for One<'_> {
    async fn patient(&mut self, ask: patients::Ask, at: DateTime<Utc>) -> bool {
        self.now(at);
        let command = patients_service::desk::Command {
            account: self.account.clone(),
            patient: self.id,
            ask,
            expected: None,
            event_id: None,
            meta: meta(),
            at,
            repeatable: None,
        };
        let mut tx = self.services.patients.core().db.begin().await.expect("a transaction");
        let desk = self.services.patients.hearer().patients;
        let outcomes = desk.execute(&mut tx, &[command], 1).await.expect("carried out");
        tx.commit().await.expect("committed");
        outcomes[0].is_ok()
    }

    async fn invite(&mut self, ask: invites::Ask, at: DateTime<Utc>) -> Result<(), String> {
        self.now(at);
        let command = invites_service::desk::Command {
            account: self.account.clone(),
            patient: self.id,
            ask,
            cause: None,
            meta: meta(),
            at,
            counts: Counts::Nothing,
            repeatable: None,
        };
        let mut tx = self.services.invites.core().db.begin().await.expect("a transaction");
        let desk = self.services.invites.hearer().desk;
        let outcomes = desk.carry_out(&mut tx, &[command], false).await.expect("carried out");
        tx.commit().await.expect("committed");
        outcomes[0].as_ref().map(drop).map_err(|refusal| refusal.code().to_owned())
    }

    async fn tell(&mut self, places: &[usize], at: DateTime<Utc>) {
        self.now(at);
        let stream = self.patient_stream().await;
        let events: Vec<Incoming> = places.iter().map(|place| self.heard(&stream[*place])).collect();
        self.hand_to_invites(&events).await;
    }

    async fn hear(&mut self, places: &[usize], at: DateTime<Utc>) {
        self.now(at);
        let events: Vec<Incoming> = places.iter().map(|place| self.heard(&self.said[*place])).collect();
        let mut tx = self.services.patients.core().db.begin().await.expect("a transaction");
        self.services.patients.hearer().handle(&mut tx, &events).await.expect("heard");
        tx.commit().await.expect("committed");
    }

    async fn queued(&mut self, invite: Uuid, issue_no: i32, at: DateTime<Utc>) {
        self.now(at);
        let told = Delivery {
            purpose: Purpose::Invite,
            cause: invite,
            invite_id: Some(invite),
            patient_id: Some(self.id),
            user_id: None,
            issue_no: Some(issue_no),
            attempt: 1,
            code: None,
            enhanced_status: None,
            words: None,
            next_attempt_at: None,
        };
        let delivery = self.services.clock.new_id();
        let incoming = self.incoming(delivery, 1, Event::DeliveryQueued(told), at);
        self.hand_to_invites(&[incoming]).await;
    }

    async fn patient_events(&mut self) -> usize {
        self.patient_stream().await.len()
    }

    async fn invite_events(&mut self) -> Vec<bool> {
        self.listen().await;
        self.said.iter().map(|said| matches!(said.event, Event::InviteAccepted(_))).collect()
    }

    async fn invites(&mut self) -> BTreeMap<Uuid, invites::Invite> {
        self.listen().await;
        let core = self.services.invites.core();
        let mut reader = core.db.read().await.expect("a reader");
        let streams = core.log.load(reader.conn(), &self.streams).await.expect("streams");
        let mailed = invites_service::store::links::of(reader.conn(), &self.streams).await.expect("links");
        let mut invites = BTreeMap::new();
        for (id, stream) in streams {
            if let Some(invite) = invites_service::desk::fold(&stream).known() {
                let mut invite = invite.clone();
                invite.mailed_issue = mailed.get(&id).copied().unwrap_or(0);
                invites.insert(id, invite);
            }
        }
        invites
    }

    async fn standing(&mut self, at: DateTime<Utc>) -> (PatientStatus, bool) {
        let patient = patients_service::desk::fold(&self.patient_stream().await);
        let status = patient.known().map_or(PatientStatus::Erased, |known| known.status);
        let mut reader = self.services.patients.core().db.read().await.expect("a reader");
        let sql = "select count(*) from patient_invite where patient_id = $1 and pending and expires_at > $2";
        let (open,): (i64,) = fetch_one!(reader.conn(), (i64,), sql, self.id, at).expect("a count");
        (status, open > 0)
    }
}
