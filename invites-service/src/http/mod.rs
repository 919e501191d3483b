//! What was asked, how it is answered.
//!
//! * [`issue`]: staff invite a patient; [`invites`]: they list, read and revoke; [`pending`]: they keep an open one going;
//!   [`history`]: what happened.
//! * [`bulk`]: staff invite many; [`bulk_body`]: what they send; [`bulk_reads`]: how a job stands.
//! * [`audit`]: who read or changed what.
//! * [`person`]: the patient's side: whose link is it, and signing up (worked out in [`sign_up`]); [`session`]:
//!   signing in; [`help`]: a link or a password again; [`public`]: what all of these begin with.
//! * [`views`]: what answers look like; [`refusals`]: the status and words of every refusal.

pub mod audit;
pub mod bulk;
pub mod bulk_body;
pub mod bulk_reads;
pub mod help;
pub mod history;
pub mod invites;
pub mod issue;
pub mod pending;
pub mod person;
pub mod public;
pub mod refusals;
pub mod session;
pub mod sign_up;
pub mod views;

use crate::desk::{Command, Counts, Done, Invites};
use crate::domain::{Ask, Refusal};
use crate::logins::Logins;
use crate::store::{self, invites::Row};
use crate::tokens::Tokens;
use axum::Router;
use axum::extract::FromRef;
use refusals::problem;
use shared_events::AccountId;
use shared_host::requests::{Cause, lost, repeatable, saw, unanswered};
use shared_http::access;
use shared_http::openapi::{self, Document};
use shared_http::{Caller, CursorKey, FingerprintKey, Key, Problem, TrustedProxies, Verifier};
use shared_runtime::core::Core;
use shared_runtime::group::Group;
use shared_runtime::log::Meta;
use std::sync::Arc;
use tokio::sync::Notify;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

/// What handlers lean on. Cheap to clone.
#[derive(Clone)]
pub struct Api {
    /// Database, log, clock.
    pub core: Core,
    /// Where commands are carried out.
    pub group: Group<Invites>,
    /// Makes and reads links.
    pub tokens: Tokens,
    /// Signs persons in.
    pub logins: Logins,
    /// Tells the worker of bulk jobs that there is one.
    pub bulk_waits: Arc<Notify>,
    /// Checks staff's tokens.
    pub verifier: Verifier,
    /// For idempotency fingerprints.
    pub fingerprints: FingerprintKey,
    /// For cursors.
    pub cursors: CursorKey,
}

impl FromRef<Api> for Verifier {
    fn from_ref(api: &Api) -> Verifier {
        api.verifier.clone()
    }
}

impl FromRef<Api> for TrustedProxies {
    fn from_ref(api: &Api) -> TrustedProxies {
        api.limits().proxies.clone()
    }
}

impl FromRef<Api> for FingerprintKey {
    fn from_ref(api: &Api) -> FingerprintKey {
        api.fingerprints.clone()
    }
}

/// Every route, and the document that describes them.
pub fn router(api: Api) -> (Router, Document) {
    let (router, document) = OpenApiRouter::new()
        .routes(routes!(invites::list))
        .routes(routes!(invites::get))
        .routes(routes!(invites::revoke))
        .routes(routes!(pending::resend))
        .routes(routes!(pending::extend))
        .routes(routes!(pending::unlock))
        .routes(routes!(pending::link))
        .routes(routes!(history::of_invite))
        .routes(routes!(history::of_patient))
        .routes(routes!(issue::generate))
        .routes(routes!(bulk::begin, bulk_reads::list))
        .routes(routes!(bulk::retry))
        .routes(routes!(bulk::cancel))
        .routes(routes!(bulk_reads::get))
        .routes(routes!(bulk_reads::patients))
        .routes(routes!(bulk_reads::events))
        .routes(routes!(person::verify))
        .routes(routes!(person::accept))
        .routes(routes!(session::sign_in, session::show, session::sign_out))
        .routes(routes!(help::request_link))
        .routes(routes!(help::request_reset))
        .routes(routes!(help::confirm_reset))
        .routes(routes!(audit::list))
        .split_for_parts();
    let mut openapi = openapi::describe(
        document,
        "Invites",
        env!("CARGO_PKG_VERSION"),
        "Invites a clinic makes to its patients, and the logins of those who took them up.",
    );
    let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer);
    let scheme = scheme.description(Some("A person's session: the token that signing in answers.")).build();
    let components = openapi.components.get_or_insert_default();
    components.add_security_scheme(session::SCHEME, SecurityScheme::Http(scheme));
    let router = access::guard(router, &openapi, api.verifier.clone());
    let document = Document { name: "invites", path: "/openapi/invites.json", openapi };
    (router.with_state(api), document)
}

impl Api {
    /// Whose invite it is, where it is of this clinic.
    pub(crate) async fn patient_of(&self, account: &AccountId, invite: Uuid) -> Result<Uuid, Problem> {
        let mut reader = self.core.db.read().await.map_err(lost)?;
        match store::invites::patient_of(reader.conn(), invite).await.map_err(lost)? {
            Some((patient, clinic)) if clinic == account.as_str() => Ok(patient),
            _ => Err(problem(&Refusal::NotFound)),
        }
    }

    /// Reads an invite of the clinic.
    pub(crate) async fn row(&self, account: &AccountId, invite: Uuid) -> Result<Row, Problem> {
        let mut reader = self.core.db.read().await.map_err(lost)?;
        let row = store::invites::find(reader.conn(), account, invite).await.map_err(lost)?;
        row.ok_or_else(|| problem(&Refusal::NotFound))
    }

    /// Writes down that the caller is about to see these things.
    pub(crate) async fn saw(
        &self,
        caller: &Caller,
        cause: &Cause,
        action: &'static str,
        ids: Vec<Uuid>,
    ) -> Result<(), Problem> {
        saw(&self.core.audit, (caller, cause), action, ids).await
    }

    /// Carries a command out; what is refused becomes a problem.
    pub(crate) async fn submit(&self, command: Command) -> Result<Done, Problem> {
        self.try_submit(command).await?.map_err(|refusal| problem(&refusal))
    }

    /// Carries a command out, its refusal left to the caller.
    pub(crate) async fn try_submit(&self, command: Command) -> Result<Result<Done, Refusal>, Problem> {
        self.group.submit(command).await.map_err(|error| unanswered(&error))
    }

    /// The invite after a command: as the command left it, or, for a repetition, as it is.
    pub(crate) async fn after(&self, account: &AccountId, done: Done) -> Result<Row, Problem> {
        match done {
            Done::Now { row: Some(row), .. } => Ok(*row),
            Done::Now { row: None, .. } => Err(problem(&Refusal::NotFound)),
            Done::Before(answered) => self.row(account, answered.resource).await,
        }
    }

    /// A command by staff about an invite of their clinic.
    pub(crate) async fn staff_command(
        &self,
        caller: &Caller,
        invite: Uuid,
        ask: Ask,
        meta: Meta,
        key: Option<Key>,
    ) -> Result<Row, Problem> {
        let patient = self.patient_of(&caller.account, invite).await?;
        let command = Command {
            account: caller.account.clone(),
            patient,
            ask,
            cause: None,
            meta: meta.clone(),
            at: self.core.clock.now(),
            counts: Counts::All,
            repeatable: repeatable(caller, key),
        };
        let done = self.submit(command).await?;
        if let Done::Before(_) = done {
            let seen = self.core.audit.saw(&meta, &caller.account, "invite.read", vec![invite, patient]);
            seen.await.map_err(|error| unanswered(&error))?;
        }
        self.after(&caller.account, done).await
    }
}
