//! `/api/patients/import` and `/api/imports`: a clinic's register in one file.

use super::{App, refusals};
use crate::import::reader::{self, Unreadable};
use crate::import::worker::row_aad;
use crate::store::imports::{self, NewImport, NewRow};
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use serde::Serialize;
use sha2_hash::sha256;
use shared_http::{Caller, IdempotencyKey, Json, Path, Problem, Role, TraceContext};
use shared_runtime::group::{Abort, Unanswered};
use utoipa::ToSchema;
use uuid::Uuid;

/// An import that was taken in.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ImportStarted {
    /// Follow it at `/api/imports/{id}`.
    pub id: Uuid,
}
