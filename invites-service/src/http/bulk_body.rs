//! What staff send to invite many: read once, into what a job is made of.

use crate::bulk::orders::Begin;
use crate::domain::bulk::{Filter, MOST_NAMED, Terms, Whom};
use crate::domain::{Refusal, fields};
use serde::Deserialize;
use shared_events::values::opaque;
use shared_http::Maybe;
use std::collections::BTreeSet;
use utoipa::ToSchema;
use uuid::Uuid;

/// Many invitations at once. Either `patient_ids` or `filter`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "filter": { "clinician_id": "dr-grey", "ever_invited": false }, "provider_id": "dr-grey",
    "send_email": true, "custom_message": "We look forward to seeing you.", "expiry_days": 14
}))]
pub struct BulkInvite {
    /// Whom to invite: 1 to 10,000 patients. One who is named twice is invited once.
    #[schema(min_items = 1, max_items = 10_000)]
    patient_ids: Option<Vec<Uuid>>,
    /// Or whoever fits.
    filter: Option<BulkFilter>,
    /// Whom the patients are invited to.
    #[schema(required, nullable = false, min_length = 1, max_length = 128)]
    provider_id: Option<String>,
    /// Whether mails go out; true where nobody says.
    send_email: Option<bool>,
    /// Staff's words to the patients.
    #[schema(max_length = 2000)]
    custom_message: Option<String>,
    /// Days until the invites lapse; else the clinic's default.
    #[schema(minimum = 1, maximum = 90)]
    expiry_days: Option<i64>,
}

/// Which of the clinic's patients who may be invited (pending, no login yet). All that is named must be
/// so; `{}` is every one who has no open invite.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BulkFilter {
    /// Put on record by this import.
    import_id: Option<Uuid>,
    /// Cared for by this clinician.
    clinician_id: Option<String>,
    /// Of this language, as it stands on record; case does not matter.
    #[schema(examples("de-AT"))]
    preferred_language: Option<String>,
    /// Whether the patient has an open invite: false where nobody says; null is either.
    #[serde(default)]
    has_pending_invite: Maybe<bool>,
    /// Whether the patient was ever invited; either where nobody says.
    ever_invited: Option<bool>,
}

impl BulkInvite {
    /// Reads the fields.
    pub(super) fn read(self) -> Result<Begin, Refusal> {
        let whom = match (self.patient_ids, self.filter) {
            (Some(patients), None) => Whom::Named(named(patients)?),
            (None, Some(filter)) => Whom::Fitting(filter.read()?),
            (Some(_), Some(_)) => {
                return Err(fields::invalid("filter", "give either patient_ids or filter, not both"));
            }
            (None, None) => {
                return Err(fields::invalid(
                    "patient_ids",
                    "is required, or filter: {} is every patient who may be invited and has no open invite",
                ));
            }
        };
        let provider = self.provider_id.ok_or_else(|| fields::invalid("provider_id", "is required"))?;
        let terms = Terms {
            provider_id: fields::provider(&provider)?,
            send_email: self.send_email.unwrap_or(true),
            expiry_days: fields::expiry(self.expiry_days)?,
        };
        let message = fields::words("custom_message", self.custom_message.as_deref())?;
        Ok(Begin { whom, terms, message })
    }
}

fn named(patients: Vec<Uuid>) -> Result<Vec<Uuid>, Refusal> {
    if patients.is_empty() || patients.len() > MOST_NAMED {
        let message = "must name 1 to 10,000 patients; send more in several jobs, or use filter";
        return Err(fields::invalid("patient_ids", message));
    }
    let each_once: BTreeSet<Uuid> = patients.into_iter().collect();
    Ok(each_once.into_iter().collect())
}

impl BulkFilter {
    fn read(self) -> Result<Filter, Refusal> {
        let text = |field, text: Option<String>| {
            text.map(|text| opaque(&text)).transpose().map_err(|why| fields::invalid(field, why.0))
        };
        Ok(Filter {
            import_id: self.import_id,
            clinician_id: text("filter/clinician_id", self.clinician_id)?,
            preferred_language: text("filter/preferred_language", self.preferred_language)?
                .map(|tag| tag.to_ascii_lowercase()),
            has_pending_invite: self.has_pending_invite.over(Some(false)),
            ever_invited: self.ever_invited,
        })
    }
}
