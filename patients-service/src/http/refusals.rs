//! Every refusal of the domain gets its status and its code here, once.

use crate::domain::Refusal;
use axum::http::StatusCode;
use shared_http::precondition::version_stale;
use shared_http::{FieldError, Problem};
use uuid::Uuid;

/// A refusal of what was asked of one patient.
pub fn about(id: Uuid) -> impl Fn(Refusal) -> Problem {
    move |refusal| match refusal {
        Refusal::Erased { .. } => problem(refusal).with("id", id.to_string()),
        other => problem(other),
    }
}

/// A refusal as it is answered.
pub fn problem(refusal: Refusal) -> Problem {
    match refusal {
        Refusal::NotFound => Problem::not_found(),
        Refusal::Erased { at } => Problem::new(StatusCode::GONE, "patient_erased", "This patient was erased")
            .detail("Nothing personal is left of the record.")
            .with("erased_at", at.to_rfc3339()),
        Refusal::Stale { current } => version_stale(current),
        Refusal::Archived => {
            Problem::new(StatusCode::CONFLICT, "patient_archived", "This patient is archived")
                .detail("Restore the patient first, then change the record.")
        }
        Refusal::EmailTaken { holder } => {
            Problem::new(StatusCode::CONFLICT, "email_taken", "Another patient has this e-mail address")
                .detail("Open that patient, use another address, or let the clinic share addresses.")
                .with("patient_id", holder.to_string())
                .errors([FieldError::new("/email", "taken", "is held by another patient of the clinic")])
        }
        Refusal::ExternalIdTaken { holder } => {
            Problem::new(StatusCode::CONFLICT, "external_id_taken", "Another patient has this external id")
                .detail("Open that patient, or give this one another external id.")
                .with("patient_id", holder.to_string())
                .errors([FieldError::new(
                    "/external_id",
                    "taken",
                    "is held by another patient of the clinic",
                )])
        }
        Refusal::Invalid(errors) => Problem::invalid_body(
            errors
                .into_iter()
                .map(|error| FieldError::new(format!("/{}", error.field), "invalid_value", error.message))
                .collect(),
        ),
        Refusal::AddressesShared { patients } => {
            let ids: Vec<String> = patients.iter().map(ToString::to_string).collect();
            Problem::new(StatusCode::CONFLICT, "addresses_shared", "Patients share addresses")
                .detail("Give each of these patients an address of their own first; at most 100 are listed.")
                .with("patient_ids", ids)
        }
        Refusal::KeyReused => shared_http::idempotency::key_reused(),
    }
}
