//! What becomes of a row: a new patient, one we have already, or a refusal. Pure.

use crate::domain::fields::ClaimKind;
use crate::domain::patient::Known;
use crate::domain::{Draft, FieldError};
use shared_events::values::normalise;
use uuid::Uuid;

/// What becomes of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// A new patient.
    Create,
    /// This patient, who has exactly these fields.
    Unchanged(Uuid),
    /// This patient, whose fields differ; the policy leaves them.
    Skipped(Uuid),
    /// Nothing; the reason is a code and, for fields, their names.
    Failed(String),
}

/// A live patient that holds the row's external id or its address.
#[derive(Debug, Clone, Copy)]
pub struct Holder<'a> {
    /// What of the row it holds.
    pub kind: ClaimKind,
    /// Who.
    pub id: Uuid,
    /// The record.
    pub known: &'a Known,
}

/// Fields that cannot be read: the row fails, naming them.
pub fn unreadable(errors: &[FieldError]) -> Verdict {
    let reasons: Vec<String> =
        errors.iter().map(|error| format!("{} {}", error.field, error.message)).collect();
    Verdict::Failed(reasons.join("; "))
}

/// Matches a row: by external id; else by address together with the same last name or date of birth.
///
/// Where addresses are shared, a family has one address and mostly one name, and twins one date of
/// birth: there the first name must be the same, too.
pub fn verdict(draft: &Draft, holders: &[Holder<'_>], sharing: bool) -> Verdict {
    let of = |kind| holders.iter().filter(move |holder| holder.kind == kind);
    if let Some(holder) = of(ClaimKind::ExternalId).next() {
        let elsewhere = of(ClaimKind::Email).any(|other| other.id != holder.id);
        return if elsewhere && !sharing { failed("ambiguous") } else { matched(draft, holder) };
    }
    let same = |holder: &&Holder<'_>| {
        same_person(draft, holder.known) && (!sharing || same_first_name(draft, holder.known))
    };
    let mut people = of(ClaimKind::Email).filter(same);
    match (people.next(), people.next()) {
        (Some(_), Some(_)) => failed("ambiguous"),
        (Some(holder), None) => {
            let other_id = holder.known.details.external_id.is_some() && draft.external_id.is_some();
            if other_id { failed("ambiguous") } else { matched(draft, holder) }
        }
        (None, _) if !sharing && of(ClaimKind::Email).next().is_some() => failed("email_taken"),
        (None, _) => Verdict::Create,
    }
}

fn failed(code: &str) -> Verdict {
    Verdict::Failed(code.to_owned())
}

fn same_person(draft: &Draft, known: &Known) -> bool {
    let same_name = normalise(&draft.last_name) == normalise(&known.details.last_name);
    same_name || (draft.date_of_birth.is_some() && draft.date_of_birth == known.details.date_of_birth)
}

fn same_first_name(draft: &Draft, known: &Known) -> bool {
    normalise(&draft.first_name) == normalise(&known.details.first_name)
}

fn matched(draft: &Draft, holder: &Holder<'_>) -> Verdict {
    if differs(draft, holder.known) { Verdict::Skipped(holder.id) } else { Verdict::Unchanged(holder.id) }
}

/// Whether a row says anything else than the record. What a row leaves empty it does not say.
fn differs(draft: &Draft, known: &Known) -> bool {
    let details = &known.details;
    let says = |row: &Option<String>, record: &Option<String>| row.is_some() && row != record;
    draft.email.as_str() != details.email
        || draft.first_name != details.first_name
        || draft.last_name != details.last_name
        || says(&draft.phone, &details.phone)
        || says(&draft.notes, &details.notes)
        || says(&draft.external_id, &details.external_id)
        || says(&draft.clinician_name, &details.clinician_name)
        || says(&draft.clinician_id, &known.clinician_id)
        || says(&draft.preferred_language, &known.preferred_language)
        || (draft.date_of_birth.is_some() && draft.date_of_birth != details.date_of_birth)
}
