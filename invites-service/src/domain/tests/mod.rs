//! The rules, each as: given this, when that is asked, then this happened.

mod accepting;
mod anything;
mod asking;
mod issuing;
mod links;
mod pending;
mod reactions;
mod readdressed;

use super::account::Account;
use super::decide::{Ask, IssueAsk, Said, decide};
use super::{Book, Fact, Invite, Login, Patient, Place, Refusal};
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use shared_events::clinic::OpenInvitePolicy;
use shared_events::invite::GivenNames;
use shared_events::patient::PatientStatus;
use shared_events::{AccountId, Event};
use uuid::Uuid;

const PATIENT: Uuid = Uuid::from_u128(1);
const USER: Uuid = Uuid::from_u128(2);
const FIRST: Uuid = Uuid::from_u128(11);
const SECOND: Uuid = Uuid::from_u128(12);

fn start() -> DateTime<Utc> {
    DateTime::from_timestamp(1_767_225_600, 0).expect("a time")
}

fn day(days: i64) -> DateTime<Utc> {
    start() + TimeDelta::days(days)
}

fn born() -> Fact {
    Fact::DateOfBirth(NaiveDate::from_ymd_opt(1985, 1, 31).expect("a date"))
}

fn wrong() -> Fact {
    Fact::DateOfBirth(NaiveDate::from_ymd_opt(1985, 1, 30).expect("a date"))
}

fn patient() -> Patient {
    Patient {
        id: PATIENT,
        account: AccountId::parse("clinic-1").expect("an id"),
        version: 3,
        void_before: 0,
        status: PatientStatus::Pending,
        email: Some("Eve@Example.org".into()),
        first_name: Some("Eve".into()),
        last_name: Some("O'Hara".into()),
        date_of_birth: NaiveDate::from_ymd_opt(1985, 1, 31),
        key: Uuid::from_u128(3),
        user_id: None,
    }
}

/// A book of one patient, with commands carried out on it.
struct Given(Book);

fn given() -> Given {
    Given(Book { patient: Some(patient()), ..Book::default() })
}

impl Given {
    fn policy(mut self, policy: OpenInvitePolicy) -> Given {
        self.0.settings.open_invite_policy = policy;
        self
    }

    fn patient(mut self, change: impl FnOnce(&mut Patient)) -> Given {
        self.0.patient.as_mut().map(change);
        self
    }

    fn account(mut self, version: i64) -> Given {
        self.0.logins.put(Account { user_id: USER, version });
        self
    }

    /// Carries a command out; it must not be refused.
    fn when(mut self, at: DateTime<Utc>, ask: Ask) -> Given {
        self.carry_out(at, &ask).expect("not refused");
        self
    }

    fn carry_out(&mut self, at: DateTime<Utc>, ask: &Ask) -> Result<Vec<Said>, Refusal> {
        let said = decide(&self.0, ask, at)?;
        for one in &said {
            let version = self.0.version(one.stream) + 1;
            let account = AccountId::parse("clinic-1").expect("an id");
            self.0.evolve(&Place { stream: one.stream, account, version, at }, &one.event);
        }
        Ok(said)
    }

    /// The names of the events a command leads to, with the stream they stand in.
    fn then(&self, at: DateTime<Utc>, ask: Ask) -> Vec<(Uuid, &'static str)> {
        let said = decide(&self.0, &ask, at).expect("not refused");
        said.iter().map(|one| (one.stream, one.event.kind().name)).collect()
    }

    fn refused(&self, at: DateTime<Utc>, ask: Ask) -> Refusal {
        decide(&self.0, &ask, at).expect_err("refused")
    }

    fn invite(&self, id: Uuid) -> &Invite {
        self.0.invite(id).expect("an invite")
    }
}

fn issue(invite: Uuid) -> Ask {
    Ask::Issue(Box::new(IssueAsk {
        invite,
        provider_id: "dr-grey".into(),
        send_email: true,
        message: None,
        expiry_days: None,
        import_id: None,
        token_key_id: "t1".into(),
    }))
}

fn resend(invite: Uuid) -> Ask {
    Ask::Resend { invite, token_key_id: "t2".into() }
}

fn revoke(invite: Uuid) -> Ask {
    Ask::Revoke { invite, note: None }
}

fn open(invite: Uuid, issue_no: i32) -> Ask {
    Ask::Open { invite, issue_no }
}

fn prove(invite: Uuid, fact: Fact) -> Ask {
    Ask::Prove { invite, issue_no: 1, fact }
}

fn accept(invite: Uuid, fact: Fact) -> Ask {
    let login = Login::Register { user_id: USER, hash: "$argon2id$".into(), own: false };
    Ask::Accept { invite, issue_no: 1, fact, login, names: GivenNames::default() }
}

fn link(invite: Uuid, version: i64) -> Ask {
    let login = Login::Link(Account { user_id: USER, version });
    Ask::Accept { invite, issue_no: 1, fact: born(), login, names: GivenNames::default() }
}
