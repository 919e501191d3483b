//! `/api/patients/import`, `/api/imports`, `/api/import-mappings`: a clinic's register in one file.
//!
//! * [`start`] takes a file in, [`asked`] reads what is said beside it.
//! * [`read`]: how imports stand, once and live; [`rows`]: what became of each row, as a list and as a file.
//! * [`act`]: once more, or undone; [`mappings`]: how the clinic's headers are to be read.

pub mod act;
mod asked;
pub mod mappings;
pub mod read;
pub mod rows;
pub mod start;
pub mod views;

use super::App;
use crate::store::imports::{self, Standing};
use axum::http::StatusCode;
use shared_host::requests::lost;
use shared_http::{Caller, Problem};
use uuid::Uuid;

/// An import of the caller's clinic.
async fn found(app: &App, caller: &Caller, id: Uuid) -> Result<Standing, Problem> {
    let mut reader = app.core.db.read().await.map_err(lost)?;
    let standing = imports::find(reader.conn(), &caller.account, id).await.map_err(lost)?;
    standing.ok_or_else(Problem::not_found)
}

/// 410: failed rows and results are kept for thirty days.
fn gone() -> Problem {
    Problem::new(StatusCode::GONE, "import_result_gone", "The rows of this import are kept no longer")
        .detail("Rows and results are kept for 30 days. Send the file again.")
}

/// 409: it is at work.
fn running() -> Problem {
    Problem::new(StatusCode::CONFLICT, "import_running", "This import is still at work")
        .detail("Wait until it is done: follow it at /api/imports/{id}/events.")
}
