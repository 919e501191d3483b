//! What may stand in a patient's fields. Parsed once, at the edge, from requests and from CSV rows alike.

use chrono::NaiveDate;
use shared_events::patient::PatientDetails;
use shared_events::values::{Unusable, opaque};
use shared_events::{AccountId, Email};

/// A field that cannot be taken as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// The field's name.
    pub field: &'static str,
    /// What is wrong and what to do; never the value.
    pub message: String,
}

/// A patient's fields as somebody wrote them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are the brief's own")]
pub struct RawDraft {
    pub email: Option<String>,
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    pub phone: Option<String>,
    pub date_of_birth: Option<String>,
    pub notes: Option<String>,
    pub external_id: Option<String>,
    pub clinician_id: Option<String>,
    pub clinician_name: Option<String>,
    pub preferred_language: Option<String>,
}

/// A patient's fields, each fit to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are the brief's own")]
pub struct Draft {
    pub email: Email,
    pub first_name: String,
    pub last_name: String,
    pub phone: Option<String>,
    pub date_of_birth: Option<NaiveDate>,
    pub notes: Option<String>,
    pub external_id: Option<String>,
    pub clinician_id: Option<String>,
    pub clinician_name: Option<String>,
    pub preferred_language: Option<String>,
}

/// Changes to a patient: outer `None` leaves a field alone, inner `None` clears it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are the brief's own")]
pub struct Patch {
    pub email: Option<Email>,
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    pub phone: Option<Option<String>>,
    pub date_of_birth: Option<Option<NaiveDate>>,
    pub notes: Option<Option<String>>,
    pub external_id: Option<Option<String>>,
    pub clinician_id: Option<Option<String>>,
    pub clinician_name: Option<Option<String>>,
    pub preferred_language: Option<Option<String>>,
}

impl From<Draft> for Patch {
    /// Every field set: what PUT does.
    fn from(draft: Draft) -> Patch {
        Patch {
            email: Some(draft.email),
            first_name: Some(draft.first_name),
            last_name: Some(draft.last_name),
            phone: Some(draft.phone),
            date_of_birth: Some(draft.date_of_birth),
            notes: Some(draft.notes),
            external_id: Some(draft.external_id),
            clinician_id: Some(draft.clinician_id),
            clinician_name: Some(draft.clinician_name),
            preferred_language: Some(draft.preferred_language),
        }
    }
}

impl Draft {
    /// What a row of a file asks to be changed: optional fields it leaves empty it does not speak of.
    pub fn said(self) -> Patch {
        Patch {
            email: Some(self.email),
            first_name: Some(self.first_name),
            last_name: Some(self.last_name),
            phone: self.phone.map(Some),
            date_of_birth: self.date_of_birth.map(Some),
            notes: self.notes.map(Some),
            external_id: self.external_id.map(Some),
            clinician_id: self.clinician_id.map(Some),
            clinician_name: self.clinician_name.map(Some),
            preferred_language: self.preferred_language.map(Some),
        }
    }

    /// The personal part, as events carry it.
    pub fn details(&self) -> PatientDetails {
        PatientDetails {
            email: self.email.as_str().to_owned(),
            first_name: self.first_name.clone(),
            last_name: self.last_name.clone(),
            phone: self.phone.clone(),
            date_of_birth: self.date_of_birth,
            notes: self.notes.clone(),
            external_id: self.external_id.clone(),
            clinician_name: self.clinician_name.clone(),
        }
    }
}

impl RawDraft {
    /// Reads every field and says everything that is wrong at once. Blank optional fields count as
    /// absent. `today` bounds dates of birth.
    pub fn read(self, today: NaiveDate) -> Result<Draft, Vec<FieldError>> {
        let mut errors = Errors::default();
        let email = errors.required("email", self.email, Email::parse);
        let first_name = errors.required("first_name", self.first_name, name);
        let last_name = errors.required("last_name", self.last_name, name);
        let phone = errors.optional("phone", self.phone, phone);
        let date_of_birth =
            errors.optional("date_of_birth", self.date_of_birth, |text| birth_date(text, today));
        let notes = errors.optional("notes", self.notes, notes);
        let external_id = errors.optional("external_id", self.external_id, opaque);
        let clinician_id = errors.optional("clinician_id", self.clinician_id, opaque);
        let clinician_name = errors.optional("clinician_name", self.clinician_name, name);
        let preferred_language = errors.optional("preferred_language", self.preferred_language, language);
        match (email, first_name, last_name) {
            (Some(email), Some(first_name), Some(last_name)) if errors.0.is_empty() => Ok(Draft {
                email,
                first_name,
                last_name,
                phone,
                date_of_birth,
                notes,
                external_id,
                clinician_id,
                clinician_name,
                preferred_language,
            }),
            _ => Err(errors.0),
        }
    }
}

/// Collects what is wrong, field by field.
#[derive(Debug, Default)]
pub struct Errors(pub Vec<FieldError>);

impl Errors {
    /// Reads a field that must be there.
    pub fn required<T>(
        &mut self,
        field: &'static str,
        text: Option<String>,
        read: impl FnOnce(&str) -> Result<T, Unusable>,
    ) -> Option<T> {
        match text {
            Some(text) => self.keep(field, read(&text)),
            None => self.keep(field, Err(Unusable("is required"))),
        }
    }

    /// Reads a field that may be absent or blank.
    pub fn optional<T>(
        &mut self,
        field: &'static str,
        text: Option<String>,
        read: impl FnOnce(&str) -> Result<T, Unusable>,
    ) -> Option<T> {
        let text = text.filter(|text| !text.trim().is_empty())?;
        self.keep(field, read(&text))
    }

    /// Notes what is wrong with a field.
    pub fn add(&mut self, field: &'static str, message: &str) {
        self.0.push(FieldError { field, message: message.to_owned() });
    }

    fn keep<T>(&mut self, field: &'static str, outcome: Result<T, Unusable>) -> Option<T> {
        outcome.map_err(|why| self.0.push(FieldError { field, message: why.to_string() })).ok()
    }
}

/// A person's name: 1 to 200 characters, any script, no control characters.
pub fn name(text: &str) -> Result<String, Unusable> {
    let text = text.trim();
    match text.chars().count() {
        0 => Err(Unusable("must not be empty")),
        201.. => Err(Unusable("must have at most 200 characters")),
        _ if text.chars().any(char::is_control) => Err(Unusable("must not hold control characters")),
        _ => Ok(text.to_owned()),
    }
}

/// A phone number as people write it. Kept as it is: clinics dial it, we do not.
pub fn phone(text: &str) -> Result<String, Unusable> {
    let text = text.trim();
    let digits = text.chars().filter(char::is_ascii_digit).count();
    let known = |c: char| c.is_ascii_digit() || "+-()./ #*".contains(c) || c.is_ascii_alphabetic();
    if digits < 3 || text.len() > 50 || !text.chars().all(known) {
        return Err(Unusable("is not a phone number, such as +44 20 7946 0018"));
    }
    Ok(text.to_owned())
}

/// A date of birth: an ISO date, not after today, not before 1850.
pub fn birth_date(text: &str, today: NaiveDate) -> Result<NaiveDate, Unusable> {
    let date = NaiveDate::parse_from_str(text.trim(), "%Y-%m-%d")
        .ok()
        .filter(|_| text.trim().len() == 10)
        .ok_or(Unusable("is not a date that exists, written as YYYY-MM-DD"))?;
    if date > today {
        return Err(Unusable("must not be in the future"));
    }
    if date < NaiveDate::from_ymd_opt(1850, 1, 1).unwrap_or_default() {
        return Err(Unusable("must not be before 1850"));
    }
    Ok(date)
}

/// Staff's notes: up to 10,000 characters; line breaks are welcome.
pub fn notes(text: &str) -> Result<String, Unusable> {
    if text.chars().count() > 10_000 {
        return Err(Unusable("must have at most 10,000 characters"));
    }
    if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
        return Err(Unusable("must not hold control characters"));
    }
    Ok(text.to_owned())
}

/// Staff's words to a patient: up to 2,000 characters; line breaks are welcome.
pub fn words(text: &str) -> Result<String, Unusable> {
    let text = text.trim();
    if text.chars().count() > 2_000 {
        return Err(Unusable("must have at most 2,000 characters"));
    }
    if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
        return Err(Unusable("must not hold control characters"));
    }
    Ok(text.to_owned())
}

/// A language tag such as `en` or `de-AT`.
pub fn language(text: &str) -> Result<String, Unusable> {
    let text = text.trim();
    let mut parts = text.split('-');
    let first = parts
        .next()
        .is_some_and(|part| (2..=3).contains(&part.len()) && part.chars().all(|c| c.is_ascii_alphabetic()));
    let rest =
        parts.all(|part| (1..=8).contains(&part.len()) && part.chars().all(|c| c.is_ascii_alphanumeric()));
    if first && rest && text.len() <= 35 {
        Ok(text.to_owned())
    } else {
        Err(Unusable("is not a language tag, such as en or de-AT"))
    }
}

/// Where an address and an external id are claimed: kind, value.
pub fn claims(account: &AccountId, email: Option<&Email>, external_id: Option<&str>) -> Vec<Claim> {
    let claim = |kind, value: &str| Claim { account: account.clone(), kind, value: value.to_owned() };
    let address = email.map(|email| claim(ClaimKind::Email, email.normalised()));
    address.into_iter().chain(external_id.map(|id| claim(ClaimKind::ExternalId, id))).collect()
}

/// Something only one live patient of a clinic may have.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Claim {
    /// The clinic.
    pub account: AccountId,
    /// What it is.
    pub kind: ClaimKind,
    /// Its normalised value.
    pub value: String,
}

/// The kinds of claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ClaimKind {
    /// A normalised address.
    Email,
    /// The record's id in the clinic's other systems.
    ExternalId,
}

impl ClaimKind {
    /// As it stands in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            ClaimKind::Email => "email",
            ClaimKind::ExternalId => "external_id",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn today() -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, 11, 23).expect("a date")
    }

    #[test]
    fn everything_wrong_is_said_at_once() {
        let raw = RawDraft {
            email: Some("eve".into()),
            first_name: Some(" ".into()),
            date_of_birth: Some("2026-02-31".into()),
            ..RawDraft::default()
        };
        let fields: Vec<_> = raw.read(today()).expect_err("refused").into_iter().map(|e| e.field).collect();
        assert_eq!(fields, ["email", "first_name", "last_name", "date_of_birth"]);
    }

    #[test]
    fn birth_dates_are_real_and_past() {
        assert!(birth_date("1990-02-28", today()).is_ok());
        for bad in ["1990-02-31", "28.02.1990", "2026-11-24", "1849-12-31", "1990-2-8", ""] {
            assert!(birth_date(bad, today()).is_err(), "{bad}");
        }
    }

    #[test]
    fn phones_are_kept_as_written() {
        assert_eq!(phone(" +44 (0)20 7946-0018 ext 3 ").as_deref(), Ok("+44 (0)20 7946-0018 ext 3"));
        for bad in ["ab", "=1+1|cmd", "12", "<script>"] {
            assert!(phone(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn language_tags() {
        assert!(["en", "de-AT", "zh-Hant-TW"].iter().all(|tag| language(tag).is_ok()));
        assert!(["", "e", "english!", "en_US", "-en"].iter().all(|tag| language(tag).is_err()));
    }

    proptest! {
        #[test]
        fn reading_never_panics(a in ".*", b in ".*", c in ".*") {
            let raw = RawDraft {
                email: Some(a.clone()), first_name: Some(b.clone()), last_name: Some(c.clone()),
                phone: Some(b.clone()), date_of_birth: Some(a), notes: Some(c), external_id: Some(b),
                ..RawDraft::default()
            };
            let _ = raw.read(today());
        }
    }
}
