//! Erasure: asked for once, reported by each service that kept a copy.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// `ErasureRequested`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ErasureRequested {
    /// Who is to be forgotten.
    pub patient_id: Uuid,
}

/// `ErasureCompleted`: one service has destroyed its key and purged its copies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ErasureCompleted {
    /// The erasure.
    pub erasure_id: Uuid,
    /// Who was forgotten.
    pub patient_id: Uuid,
}
