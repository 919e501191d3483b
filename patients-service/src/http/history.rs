//! What happened to a patient: who changed what, when.

use super::App;
use super::patients::stream;
use crate::desk::fold;
use crate::domain::Patient;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Value, json};
use shared_events::patient::{PatientDetails, PatientRecord};
use shared_events::personal::ERASED;
use shared_events::{Event, Secret};
use shared_host::requests::Cause;
use shared_http::{Caller, Json, Path, Problem};
use shared_runtime::log::Recorded;
use utoipa::ToSchema;
use uuid::Uuid;

/// One thing that happened to a patient.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct HistoryItem {
    /// The version it led to.
    pub version: i64,
    /// The event's name.
    #[schema(example = "PatientUpdated")]
    pub event: String,
    /// When it happened.
    pub occurred_at: DateTime<Utc>,
    /// Who did it: `staff:ID`, `patient` or `system`.
    pub actor: String,
    /// Which fields changed.
    pub changed: Vec<String>,
    /// From what to what they changed, in the same order.
    pub changes: Vec<Change>,
}

/// A field that changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Change {
    /// The field.
    #[schema(example = "email")]
    pub field: String,
    /// What it was; null where there was nothing, the word `erased` once the patient was.
    #[schema(value_type = Option<String>, required)]
    pub from: Value,
    /// What it became, said alike.
    #[schema(value_type = Option<String>, required)]
    pub to: Value,
}

/// A patient's history.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct History {
    /// Oldest first.
    pub items: Vec<HistoryItem>,
    /// Always null: a patient's history is short enough for one answer.
    #[schema(required)]
    pub next_cursor: Option<String>,
}

/// Who changed what, when.
#[utoipa::path(get, path = "/api/patients/{id}/history", tag = "patients", params(("id" = Uuid, Path)),
    responses((status = 200, body = History)))]
pub async fn history(
    State(app): State<App>,
    caller: Caller,
    cause: Cause,
    Path(id): Path<Uuid>,
) -> Result<Json<History>, Problem> {
    let stream = stream(&app, id).await?;
    // Streams that are no patient's, such as the clinic's own, are not found here either.
    let patient = fold(&stream);
    if patient.account() != Some(&caller.account) {
        return Err(Problem::not_found());
    }
    app.saw(&caller, &cause, "patient.history_read", vec![id]).await?;
    // From the moment of the erasure, though the keys may be there a little longer.
    let erased = matches!(patient, Patient::Erased { .. });
    let mut before = None;
    let items = stream.iter().map(|recorded| item(recorded, &mut before, erased)).collect();
    Ok(Json(History { items, next_cursor: None }))
}

/// What happened; `before` is the record so far, and becomes what it led to.
fn item<'a>(recorded: &'a Recorded, before: &mut Option<&'a PatientRecord>, erased: bool) -> HistoryItem {
    let changes = changes(*before, &recorded.event, erased);
    *before = record(&recorded.event).or(*before);
    HistoryItem {
        version: recorded.version,
        event: recorded.event.kind().name.to_owned(),
        occurred_at: recorded.occurred_at,
        actor: recorded.meta.actor.clone(),
        changed: changes.iter().map(|change| change.field.clone()).collect(),
        changes,
    }
}

fn record(event: &Event) -> Option<&PatientRecord> {
    match event {
        Event::PatientCreated(e) => Some(&e.record),
        Event::PatientTakenOver(e) => Some(&e.record),
        Event::PatientUpdated(e) => Some(&e.record),
        Event::PatientArchived(e) => Some(&e.record),
        Event::PatientRestored(e) => Some(&e.record),
        Event::PatientActivated(e) => Some(&e.record),
        _ => None,
    }
}

fn changes(before: Option<&PatientRecord>, event: &Event, erased: bool) -> Vec<Change> {
    let change = |field: &str, from: Value, to: Value| Change { field: field.to_owned(), from, to };
    match event {
        Event::PatientUpdated(e) => {
            let was = |field: &str| before.map_or(Value::Null, |record| value(record, field, erased));
            e.changed.iter().map(|field| change(field, was(field), value(&e.record, field, erased))).collect()
        }
        Event::PatientCreated(_) | Event::PatientTakenOver(_) => {
            let Some(record) = record(event) else { return Vec::new() };
            // Which of the others were filled in, nobody can say once the patient was erased.
            let gone = erased || record.personal.known().is_none();
            let fields =
                FIELDS.iter().filter(|field| !gone || PLAIN.contains(field) || ALWAYS.contains(field));
            let said = fields.map(|field| change(field, Value::Null, value(record, field, erased)));
            said.filter(|change| !change.to.is_null()).collect()
        }
        _ => Vec::new(),
    }
}

/// What may change, in the order in which it is told.
const FIELDS: [&str; 10] = [
    "email",
    "first_name",
    "last_name",
    "phone",
    "date_of_birth",
    "notes",
    "external_id",
    "clinician_id",
    "clinician_name",
    "preferred_language",
];

/// What every record has.
const ALWAYS: [&str; 3] = ["email", "first_name", "last_name"];
/// What outlives the patient.
const PLAIN: [&str; 2] = ["clinician_id", "preferred_language"];

fn value(record: &PatientRecord, field: &str, erased: bool) -> Value {
    match (field, &record.personal) {
        ("clinician_id", _) => json!(record.clinician_id),
        ("preferred_language", _) => json!(record.preferred_language),
        ("incomplete", _) => json!(record.incomplete.to_string()),
        (field, Secret::Known(details)) if !erased => detail(details, field),
        _ => json!(ERASED),
    }
}

fn detail(details: &PatientDetails, field: &str) -> Value {
    match field {
        "email" => json!(details.email),
        "first_name" => json!(details.first_name),
        "last_name" => json!(details.last_name),
        "phone" => json!(details.phone),
        "date_of_birth" => json!(details.date_of_birth),
        "notes" => json!(details.notes),
        "external_id" => json!(details.external_id),
        "clinician_name" => json!(details.clinician_name),
        _ => Value::Null,
    }
}
