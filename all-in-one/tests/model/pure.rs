//! The two domains alone, around what their services would remember: no database, no task, no clock.

use crate::play::{BORN, System};
use chrono::{DateTime, NaiveDate, Utc};
use invites_service::domain::{self as invites, Book, Reissue, Stands};
use patients_service::domain as patients;
use patients_service::domain::patient::{Place, decide};
use shared_events::clinic::OpenInvitePolicy;
use shared_events::invite::{InviteFacts, InviteStatus, RevokeReason};
use shared_events::patient::{PatientRecord, PatientStatus};
use shared_events::{AccountId, Event};
use std::collections::BTreeMap;
use uuid::Uuid;

/// What the services remember of one patient.
pub struct Pure {
    account: AccountId,
    patient: patients::Patient,
    said: Vec<(DateTime<Utc>, Event)>,
    book: Book,
    log: Vec<(Uuid, i64, Event)>,
    heard: BTreeMap<Uuid, (i64, bool, DateTime<Utc>)>,
}

const PATIENT: Uuid = Uuid::from_u128(1);
const KEY: Uuid = Uuid::from_u128(2);

impl Pure {
    pub fn new(policy: OpenInvitePolicy, draft: patients::Draft, at: DateTime<Utc>) -> Pure {
        let mut pure = Pure {
            account: AccountId::parse("clinic-1").expect("a clinic"),
            patient: patients::Patient::Absent,
            said: Vec::new(),
            book: Book::default(),
            log: Vec::new(),
            heard: BTreeMap::new(),
        };
        pure.book.settings.open_invite_policy = policy;
        let origin = shared_events::patient::Origin::Staff;
        let create = patients::Ask::Create { draft: Box::new(draft), origin, import_id: None };
        assert!(pure.ask_patient(&create, at));
        pure
    }

    fn ask_patient(&mut self, ask: &patients::Ask, at: DateTime<Utc>) -> bool {
        match decide(&self.patient, ask) {
            Ok(Some(event)) => {
                let version = self.patient.version() + 1;
                let place = Place { account: self.account.clone(), version, at, key: Some(KEY) };
                self.patient = std::mem::take(&mut self.patient).evolve(&place, &event);
                self.said.push((at, event));
                true
            }
            Ok(None) => true,
            Err(_) => false,
        }
    }

    fn ask_invites(&mut self, ask: &invites::Ask, at: DateTime<Utc>) -> Result<(), String> {
        let said = invites::decide(&self.book, ask, at).map_err(|refusal| refusal.code().to_owned())?;
        let mut wrong = false;
        for one in said {
            wrong |= matches!(one.event, Event::InviteVerificationFailed(_));
            let version = self.book.version(one.stream) + 1;
            let account = self.account.clone();
            let place = invites::Place { stream: one.stream, account, version, at };
            self.book.evolve(&place, &one.event);
            self.log.push((one.stream, version, one.event));
        }
        if wrong { Err("not_accepted".to_owned()) } else { Ok(()) }
    }

    /// Keeps the newest record, as the service's register does.
    fn know(&mut self, version: i64, record: Option<&PatientRecord>) {
        if self.book.patient.as_ref().is_some_and(|known| known.version >= version) {
            return;
        }
        let details = record.and_then(|record| record.personal.known());
        let user_id = self.book.patient.as_ref().and_then(|known| known.user_id);
        self.book.patient = Some(invites::Patient {
            id: PATIENT,
            account: self.account.clone(),
            version,
            void_before: record.map_or(i64::MAX, |record| record.invites_void_before),
            status: record.map_or(PatientStatus::Erased, |record| record.status),
            email: details.map(|details| details.email.clone()),
            first_name: details.map(|details| details.first_name.clone()),
            last_name: details.map(|details| details.last_name.clone()),
            date_of_birth: details.and_then(|details| details.date_of_birth),
            key: KEY,
            user_id,
        });
    }
}

impl System for Pure {
    async fn patient(&mut self, ask: patients::Ask, at: DateTime<Utc>) -> bool {
        self.ask_patient(&ask, at)
    }

    async fn invite(&mut self, ask: invites::Ask, at: DateTime<Utc>) -> Result<(), String> {
        self.ask_invites(&ask, at)
    }

    async fn tell(&mut self, places: &[usize], at: DateTime<Utc>) {
        let mut void = (0, RevokeReason::EmailChanged);
        let mut asked = false;
        for place in places {
            let version = i64::try_from(place + 1).expect("small");
            let (when, event) = self.said[*place].clone();
            let (record, reason) = match &event {
                Event::PatientCreated(e) => (Some(&e.record), RevokeReason::EmailChanged),
                Event::PatientUpdated(e) => (Some(&e.record), RevokeReason::EmailChanged),
                Event::PatientArchived(e) => (Some(&e.record), RevokeReason::Archived),
                Event::PatientRestored(e) => (Some(&e.record), RevokeReason::Archived),
                Event::PatientActivated(e) => (Some(&e.record), RevokeReason::EmailChanged),
                _ => (None, RevokeReason::Erased),
            };
            let before = record.map_or(i64::MAX, |record| record.invites_void_before);
            if before > void.0 {
                void = (before, reason);
            }
            if let Event::PatientUpdated(e) = &event
                && e.reissue_invites
                && self.book.reissues.iter().all(|known| known.version != version)
            {
                asked = true;
                let cause = Uuid::from_u128(place_of(version));
                self.book.reissues.push(Reissue { cause, version, from: e.reissue_from, at: when });
            }
            self.know(if record.is_some() { version } else { i64::MAX }, record);
        }
        self.ask_invites(&invites::Ask::Void { before: void.0, reason: void.1 }, at).expect("never refused");
        if asked {
            let ask = invites::Ask::Reissue { token_key_id: "t3".into() };
            self.ask_invites(&ask, at).expect("never refused");
        }
    }

    async fn hear(&mut self, places: &[usize], at: DateTime<Utc>) {
        for place in places {
            let (stream, version, event) = self.log[*place].clone();
            if let Some(facts) = facts(&event) {
                let told = (version, facts.status == InviteStatus::Pending, facts.expires_at);
                let kept = self.heard.entry(stream).or_insert(told);
                if kept.0 < version {
                    *kept = told;
                }
            }
            if let Event::InviteAccepted(e) = &event {
                self.ask_patient(&patients::Ask::Activate { user_id: e.user_id, invite_id: stream }, at);
            }
        }
    }

    async fn queued(&mut self, invite: Uuid, issue_no: i32, _: DateTime<Utc>) {
        if let Some(Stands::Known(known)) = self.book.invites.get_mut(&invite) {
            known.mailed_issue = known.mailed_issue.max(issue_no);
        }
    }

    async fn patient_events(&mut self) -> usize {
        self.said.len()
    }

    async fn invite_events(&mut self) -> Vec<bool> {
        self.log.iter().map(|(_, _, event)| matches!(event, Event::InviteAccepted(_))).collect()
    }

    async fn invites(&mut self) -> BTreeMap<Uuid, invites::Invite> {
        self.book.known().map(|(id, invite)| (id, invite.clone())).collect()
    }

    async fn standing(&mut self, at: DateTime<Utc>) -> (PatientStatus, bool) {
        let status = self.patient.known().map_or(PatientStatus::Erased, |known| known.status);
        (status, self.heard.values().any(|(_, pending, expires_at)| *pending && *expires_at > at))
    }
}

fn place_of(version: i64) -> u128 {
    u128::try_from(version).expect("from 1")
}

/// What patients-service keeps of an event of invites.
fn facts(event: &Event) -> Option<&InviteFacts> {
    match event {
        Event::InviteIssued(e) => Some(&e.invite),
        Event::InviteResent(e) => Some(&e.invite),
        Event::InviteExtended(e) | Event::InviteExpired(e) => Some(&e.invite),
        Event::InviteAccepted(e) => Some(&e.invite),
        Event::InviteRevoked(e) => Some(&e.invite),
        _ => None,
    }
}

/// A patient as the scripts know one.
pub fn draft(email: &str) -> patients::Draft {
    let (year, month, day) = BORN;
    let born = NaiveDate::from_ymd_opt(year, month, day).expect("a date");
    let raw = patients::RawDraft {
        email: Some(email.to_owned()),
        first_name: Some("Eve".to_owned()),
        last_name: Some("O'Hara".to_owned()),
        date_of_birth: Some(born.to_string()),
        ..patients::RawDraft::default()
    };
    raw.read(NaiveDate::from_ymd_opt(2026, 3, 1).expect("a date")).expect("a draft")
}
