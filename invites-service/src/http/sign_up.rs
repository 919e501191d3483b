//! Signing up: from a link to a login.

use super::Api;
use super::person::{AcceptInvite, Accepted, Verified};
use super::refusals::{problem, undone, unhashed};
use crate::desk::{Command, Counts};
use crate::domain::account::{Account, may_make_own};
use crate::domain::{Ask, Fact, FactKind, Login, Patient, Refusal, password};
use crate::store::{self, accounts};
use crate::tokens::Named;
use shared_events::AccountId;
use shared_events::invite::GivenNames;
use shared_host::requests::lost;
use shared_http::Problem;
use shared_runtime::log::Meta;
use uuid::Uuid;

/// How often signing up is begun again because the login at the address came or went meanwhile.
const ROUNDS: u32 = 3;

/// A token that names an invite.
pub(super) struct Link {
    pub(super) named: Named,
    pub(super) patient: Uuid,
    pub(super) account: AccountId,
}

/// The patient behind a link, and the logins at the patient's address.
struct Person {
    patient: Patient,
    logins: Vec<accounts::Credentials>,
    may_make_own: bool,
}

impl Link {
    /// A command about the link's invite.
    pub(super) fn command(&self, api: &Api, ask: Ask, meta: Meta) -> Command {
        Command {
            account: self.account.clone(),
            patient: self.patient,
            ask,
            cause: None,
            meta,
            at: api.core.clock.now(),
            counts: Counts::All,
            repeatable: None,
        }
    }
}

impl Api {
    /// The invite a token names.
    pub(super) async fn find(&self, token: &str) -> Result<Option<Link>, Problem> {
        let Some(named) = self.tokens.read(token) else { return Ok(None) };
        let mut reader = self.core.db.read().await.map_err(lost)?;
        let found = store::invites::patient_of(reader.conn(), named.invite).await.map_err(lost)?;
        Ok(found.and_then(|(patient, account)| {
            Some(Link { named, patient, account: AccountId::parse(&account).ok()? })
        }))
    }

    /// What the page may show of a link that can be used.
    pub(super) async fn greet(&self, link: &Link) -> Result<Verified, Problem> {
        let person = self.person(link).await?;
        let mut reader = self.core.db.read().await.map_err(lost)?;
        let clinic = store::clinics::read(reader.conn(), &link.account).await.map_err(lost)?;
        Ok(Verified {
            valid: true,
            clinic: Some(clinic.name),
            initial: person.patient.initial(),
            asks: person.patient.asks().map(FactKind::as_str),
            has_account: Some(!person.logins.is_empty()),
            may_make_own: person.may_make_own.then_some(true),
        })
    }

    async fn person(&self, link: &Link) -> Result<Person, Problem> {
        let mut reader = self.core.db.read().await.map_err(lost)?;
        let patient = store::patients::find(reader.conn(), link.patient).await.map_err(lost)?;
        let patient = patient.ok_or_else(|| problem(&Refusal::NotAccepted))?;
        let Some(address) = patient.address() else {
            return Ok(Person { patient, logins: Vec::new(), may_make_own: false });
        };
        let logins = accounts::at_address(reader.conn(), &address).await.map_err(lost)?;
        let clinic = store::clinics::read(reader.conn(), &link.account).await.map_err(lost)?;
        let shared = store::patients::share(reader.conn(), &patient, &address).await.map_err(lost)?;
        let may_make_own = may_make_own(clinic.allow_shared_email, shared, logins.len());
        Ok(Person { patient, logins, may_make_own })
    }

    /// The fact was right: works the login out, outside of any transaction, then decides all of it again.
    pub(super) async fn sign_up(
        &self,
        link: &Link,
        (fact, names): (Fact, GivenNames),
        body: &AcceptInvite,
        meta: Meta,
    ) -> Result<Accepted, Problem> {
        let Named { invite, issue_no } = link.named;
        for _ in 0..ROUNDS {
            let login = match self.login(link, body, &meta).await {
                Ok(login) => login,
                Err(refused) => {
                    // Somebody may have used the link meanwhile, and the login asked for may be the one they
                    // made: how the invite stands goes before what is wrong with a password.
                    let prove = Ask::Prove { invite, issue_no, fact };
                    self.submit(link.command(self, prove, meta)).await?;
                    return Err(refused);
                }
            };
            let user_id = login.user_id();
            let (fact, names) = (fact.clone(), names.clone());
            let ask = Ask::Accept { invite, issue_no, fact, login, names };
            match self.try_submit(link.command(self, ask, meta.clone())).await? {
                Ok(_) => return Ok(Accepted { user_id, patient_id: link.patient, status: "accepted" }),
                Err(Refusal::LoginMoved) => {}
                Err(refusal) => return Err(problem(&refusal)),
            }
        }
        Err(problem(&Refusal::LoginMoved))
    }

    async fn login(&self, link: &Link, body: &AcceptInvite, meta: &Meta) -> Result<Login, Problem> {
        let person = self.person(link).await?;
        match (person.logins.is_empty(), body.new_login) {
            (true, _) => self.new_login(&person.patient, &body.password, false).await,
            (false, true) if person.may_make_own => {
                self.new_login(&person.patient, &body.password, true).await
            }
            (false, true) => Err(problem(&Refusal::OwnLoginNotPossible)),
            (false, false) => self.existing(&person.logins, &body.password, meta).await,
        }
    }

    async fn new_login(&self, patient: &Patient, password: &str, own: bool) -> Result<Login, Problem> {
        let personal = patient.guessable();
        let personal: Vec<&str> = personal.iter().map(String::as_str).collect();
        if let Some(why) = password::weakness(password, &personal) {
            return Err(problem(&Refusal::PasswordWeak(why)));
        }
        let hash = self.logins.passwords.hash(password.to_owned()).await.map_err(unhashed)?;
        Ok(Login::Register { user_id: self.core.clock.new_id(), hash, own })
    }

    /// The login whose password it is, of those at the address. Where it is nobody's and there is a login that was
    /// taken over without one, a mail to set one is asked for.
    async fn existing(
        &self,
        logins: &[accounts::Credentials],
        password: &str,
        meta: &Meta,
    ) -> Result<Login, Problem> {
        let address = logins.first().map(|login| login.email_norm.as_str()).unwrap_or_default();
        if let Some(right) = self.logins.check(address, password).await.map_err(undone)? {
            let (user_id, version) = (right.login.user_id, right.login.version);
            let settled = self.logins.settle(&right).await.map_err(undone)?;
            return match settled {
                true => Ok(Login::Link(Account { user_id, version })),
                false => Err(problem(&Refusal::LoginMoved)),
            };
        }
        if logins.iter().all(|login| login.password_hash.is_some()) {
            return Err(problem(&Refusal::AccountPasswordWrong));
        }
        let lacks_one = |login: &accounts::Credentials| login.password_hash.is_none();
        self.logins.request_resets(address, lacks_one, meta).await.map_err(undone)?;
        Err(problem(&Refusal::PasswordNeeded))
    }
}
