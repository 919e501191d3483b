//! A patient as this service knows one: a copy, fed by the bus.

use super::fact::{Fact, FactKind};
use chrono::NaiveDate;
use shared_events::AccountId;
use shared_events::patient::PatientStatus;
use shared_events::values::normalise;
use uuid::Uuid;

/// The copy of a patient's record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patient {
    /// The patient.
    pub id: Uuid,
    /// The clinic.
    pub account: AccountId,
    /// Version of the patient's stream the copy stands at; [`ERASED_VERSION`] once erased.
    pub version: i64,
    /// Invites made from an older version are void.
    pub void_before: i64,
    /// Where the patient stands, as far as is known here.
    pub status: PatientStatus,
    /// As typed. None once erased.
    pub email: Option<String>,
    /// Empty or none where a record was taken over without names.
    pub first_name: Option<String>,
    /// Empty or none where a record was taken over without names.
    pub last_name: Option<String>,
    /// The first fact asked for.
    pub date_of_birth: Option<NaiveDate>,
    /// This service's own key for what it says about the patient.
    pub key: Uuid,
    /// The login that accepted one of the patient's invites here.
    pub user_id: Option<Uuid>,
}

/// A tombstone stands above every version of the patient's stream.
pub const ERASED_VERSION: i64 = i64::MAX;

impl Patient {
    /// Which fact a person must give: the first of date of birth, last name, e-mail address that is on
    /// record. None once erased.
    pub fn asks(&self) -> Option<FactKind> {
        let has = |text: &Option<String>| text.as_deref().is_some_and(|text| !text.trim().is_empty());
        if self.status == PatientStatus::Erased {
            None
        } else if self.date_of_birth.is_some() {
            Some(FactKind::DateOfBirth)
        } else if has(&self.last_name) {
            Some(FactKind::LastName)
        } else if has(&self.email) {
            Some(FactKind::Email)
        } else {
            None
        }
    }

    /// Whether the fact is the one on record. Another kind than the one asked for is wrong, true or not:
    /// else a person could choose the fact that is easiest to guess.
    pub fn knows(&self, fact: &Fact) -> bool {
        let same = |given: &str, known: &Option<String>| {
            known.as_deref().is_some_and(|known| folded(known) == folded(given))
        };
        self.asks() == Some(fact.kind())
            && match fact {
                Fact::DateOfBirth(given) => self.date_of_birth == Some(*given),
                Fact::LastName(given) => same(given, &self.last_name),
                Fact::Email(given) => same(given, &self.email),
            }
    }

    /// Whether the patient has a login, by their own stream or by what was accepted here.
    pub fn is_registered(&self) -> bool {
        self.status == PatientStatus::Active || self.user_id.is_some()
    }

    /// The address under which a login is unique.
    pub fn address(&self) -> Option<String> {
        self.email.as_deref().map(normalise).filter(|address| !address.is_empty())
    }

    /// What a stranger could know of the patient, and would try as a password: address and names.
    pub fn guessable(&self) -> Vec<String> {
        let word = |text: &Option<String>| text.clone().unwrap_or_default();
        let (first, last) = (word(&self.first_name), word(&self.last_name));
        vec![word(&self.email), format!("{first} {last}"), first, last]
    }

    /// The first letter of the first name, for the page that greets the person.
    pub fn initial(&self) -> Option<String> {
        let first = self.first_name.as_deref()?.trim().chars().next()?;
        Some(first.to_uppercase().collect())
    }
}

/// Case-folded, and blanks inside a name counted as one: what people type differs in both.
fn folded(text: &str) -> String {
    normalise(text).split_whitespace().collect::<Vec<_>>().join(" ")
}
