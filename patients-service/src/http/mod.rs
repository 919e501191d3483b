//! What was asked, and how it is answered.

mod answers;
mod audit;
mod clinic;
mod erasures;
mod history;
mod imports;
mod patients;
mod refusals;

use crate::desk::{Command, Outcome, Patients};
use crate::domain::Ask;
use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRef};
use shared_host::requests::{Cause, repeatable, saw, staff, unanswered};
use shared_http::access;
use shared_http::openapi::{self, Document};
use shared_http::{Caller, CursorKey, FingerprintKey, Key, Problem, Verifier};
use shared_runtime::core::Core;
use shared_runtime::group::Group;
use std::sync::Arc;
use tokio::sync::Notify;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

/// The largest CSV file taken, in bytes.
pub const LARGEST_IMPORT: usize = 1024 * 1024 * 1024;

/// What handlers need.
#[derive(Clone)]
pub struct App {
    /// Database, log, clock.
    pub core: Core,
    /// Where patient commands are carried out.
    pub patients: Group<Patients>,
    /// Checks tokens.
    pub verifier: Verifier,
    /// Hashes requests that may be repeated.
    pub fingerprints: FingerprintKey,
    /// Seals cursors.
    pub cursors: CursorKey,
    /// Tells the import worker that there is work.
    pub import_waits: Arc<Notify>,
    /// Tells the eraser that there is work.
    pub erasure_waits: Arc<Notify>,
}

impl FromRef<App> for Verifier {
    fn from_ref(app: &App) -> Verifier {
        app.verifier.clone()
    }
}

impl FromRef<App> for FingerprintKey {
    fn from_ref(app: &App) -> FingerprintKey {
        app.fingerprints.clone()
    }
}

/// Every route, and the document that describes them.
pub fn router(app: App) -> (Router, Document) {
    let (router, document) = OpenApiRouter::new()
        .routes(routes!(patients::create, patients::list))
        .routes(routes!(patients::read, patients::replace, patients::change, patients::archive))
        .routes(routes!(patients::restore))
        .routes(routes!(history::history))
        .routes(routes!(erasures::erase))
        .routes(routes!(erasures::read))
        .routes(routes!(clinic::read, clinic::change))
        // Read as a stream, whose bytes are counted there.
        .merge(OpenApiRouter::new().routes(routes!(imports::start::start)).layer(DefaultBodyLimit::disable()))
        .routes(routes!(imports::read::list))
        .routes(routes!(imports::read::one))
        .routes(routes!(imports::read::events))
        .routes(routes!(imports::rows::list))
        .routes(routes!(imports::rows::file))
        .routes(routes!(imports::act::retry))
        .routes(routes!(imports::act::undo))
        .routes(routes!(imports::mappings::read, imports::mappings::replace))
        .routes(routes!(audit::list))
        .split_for_parts();
    let openapi = openapi::describe(
        document,
        "Patients",
        env!("CARGO_PKG_VERSION"),
        "The records a clinic keeps first: patients, the clinic's settings, imports.",
    );
    let router = access::guard(router, &openapi, app.verifier.clone());
    let document = Document { name: "patients", path: "/openapi/patients.json", openapi };
    (router.with_state(app), document)
}

impl App {
    /// Writes down that the caller is about to see these things.
    async fn saw(
        &self,
        caller: &Caller,
        cause: &Cause,
        action: &'static str,
        ids: Vec<Uuid>,
    ) -> Result<(), Problem> {
        saw(&self.core.audit, (caller, cause), action, ids).await
    }

    /// Carries out a command on a patient.
    async fn carry_out(
        &self,
        asked: Asked<'_>,
        patient: Uuid,
        ask: Ask,
        expected: Option<i64>,
    ) -> Result<Outcome, Problem> {
        let command = Command {
            account: asked.caller.account.clone(),
            patient,
            ask,
            expected,
            event_id: None,
            meta: asked.cause.meta(staff(asked.caller)),
            at: self.core.clock.now(),
            repeatable: repeatable(asked.caller, asked.key),
        };
        self.patients.submit(command).await.map_err(|error| unanswered(&error))
    }
}

/// Who asks, within what, and under which name.
struct Asked<'a> {
    caller: &'a Caller,
    cause: &'a Cause,
    key: Option<Key>,
}
