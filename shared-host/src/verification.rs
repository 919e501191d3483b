//! `GET /internal/audit`: whether the audit of each service of a process is whole, for operators.

use axum::extract::Query;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use shared_http::Problem;
use shared_runtime::audit::verify::{Mark, NoMark, verify};
use shared_runtime::core::Core;
use shared_runtime::db::DbError;

/// Services by name.
pub type Cores = Vec<(&'static str, Core)>;

/// A mark that was written down elsewhere, and of which service: `SERVICE:PLACE:HASH`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    service: String,
    mark: Mark,
}

impl std::str::FromStr for Expected {
    type Err = NoMark;

    fn from_str(text: &str) -> Result<Self, NoMark> {
        let (service, mark) = text.split_once(':').ok_or(NoMark)?;
        Ok(Expected { service: service.to_owned(), mark: mark.parse()? })
    }
}

impl std::fmt::Display for Expected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.service, self.mark)
    }
}

/// How the audit of a service stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verified {
    /// The service.
    pub service: String,
    /// Rows that were read and are as they were written.
    pub rows: i64,
    /// The last of them, to be kept elsewhere: `SERVICE:PLACE:HASH`.
    pub head: String,
    /// Rows that have no place yet.
    pub waiting: i64,
    /// What is wrong; absent where all is as it was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broken: Option<String>,
    /// Whether a mark that was kept elsewhere was compared.
    pub compared: bool,
}

/// Reads the audit of every service from its first row to its last.
///
/// # Errors
/// A database that is away.
pub async fn read(cores: &Cores, expected: &[Expected]) -> Result<Vec<Verified>, DbError> {
    let mut told = Vec::new();
    for (service, core) in cores {
        let mark = expected.iter().find(|one| one.service == *service).map(|one| one.mark);
        let report = verify(&core.db, mark).await?;
        told.push(Verified {
            service: (*service).to_owned(),
            rows: report.head.place,
            head: format!("{service}:{}", report.head),
            waiting: report.waiting,
            broken: report.broken.map(|broken| broken.to_string()),
            compared: mark.is_some(),
        });
    }
    Ok(told)
}

#[derive(Deserialize)]
struct Asked {
    /// Marks, with commas between them.
    #[serde(default)]
    expect: String,
}

/// `/internal/audit`, to be put behind the guard of internal routes.
pub fn router(cores: Cores) -> Router {
    Router::new()
        .route("/internal/audit", get(async move |Query(asked): Query<Asked>| answer(&cores, &asked).await))
}

async fn answer(cores: &Cores, asked: &Asked) -> Response {
    let marks = asked.expect.split(',').filter(|mark| !mark.is_empty()).map(str::parse);
    let Ok(expected) = marks.collect::<Result<Vec<Expected>, NoMark>>() else {
        let problem = Problem::new(StatusCode::BAD_REQUEST, "mark_invalid", "This is no mark of an audit");
        return problem.detail("Send expect=SERVICE:PLACE:HASH, as `head` was given.").into_response();
    };
    match read(cores, &expected).await {
        Ok(told) => Json(told).into_response(),
        Err(error) => Problem::unavailable(&error, crate::requests::SHORTLY).into_response(),
    }
}
