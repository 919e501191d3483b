//! Every way in which patients-service says no. Each gets its HTTP status in one match, in `http`.

use super::fields::FieldError;
use chrono::{DateTime, Utc};
use uuid::Uuid;

/// Why a command was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// No such patient in this clinic.
    NotFound,
    /// The patient was erased.
    Erased {
        /// When.
        at: DateTime<Utc>,
    },
    /// The record was changed since the caller read it.
    Stale {
        /// The version it has now.
        current: i64,
    },
    /// The record is archived; it must be restored before it is changed.
    Archived,
    /// A live patient of the clinic has this e-mail address.
    EmailTaken {
        /// Who.
        holder: Uuid,
    },
    /// A live patient of the clinic has this external id.
    ExternalIdTaken {
        /// Who.
        holder: Uuid,
    },
    /// Fields that cannot be taken as they are.
    Invalid(Vec<FieldError>),
    /// Sharing of addresses cannot be switched off while patients share one.
    AddressesShared {
        /// Patients that share an address with another, at most 100.
        patients: Vec<Uuid>,
    },
    /// The idempotency key was used for another request.
    KeyReused,
}
