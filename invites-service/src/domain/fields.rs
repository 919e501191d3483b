//! What may stand in the fields of a request. Parsed once, at the edge.

use super::fact::Fact;
use super::refusal::Refusal;
use chrono::NaiveDate;
use shared_events::values::{normalise, opaque};

/// A field that cannot be taken as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// The field's name.
    pub field: &'static str,
    /// What is wrong and what to do; never the value.
    pub message: String,
}

/// The most days an invite may be open.
pub const LONGEST_EXPIRY: i64 = 90;
/// The most characters of staff's words.
pub const LONGEST_WORDS: usize = 2000;

/// One wrong field, as a refusal.
pub fn invalid(field: &'static str, message: impl Into<String>) -> Refusal {
    Refusal::Invalid(vec![FieldError { field, message: message.into() }])
}

/// A provider's id: opaque, of the clinic's own making.
pub fn provider(text: &str) -> Result<String, Refusal> {
    opaque(text).map_err(|why| invalid("provider_id", why.0))
}

/// Days until an invite lapses, 1 to 90.
pub fn expiry(days: Option<i64>) -> Result<Option<u16>, Refusal> {
    let read = |days: i64| u16::try_from(days).ok().filter(|_| (1..=LONGEST_EXPIRY).contains(&days));
    match days {
        None => Ok(None),
        Some(days) => read(days).map(Some).ok_or_else(|| invalid("expiry_days", "must be from 1 to 90 days")),
    }
}

/// By how many days an invite is extended, 1 to 90.
pub fn days(days: Option<i64>) -> Result<u16, Refusal> {
    let days = days.ok_or_else(|| invalid("days", "is required: by how many days it lapses later"))?;
    let read = u16::try_from(days).ok().filter(|_| (1..=LONGEST_EXPIRY).contains(&days));
    read.ok_or_else(|| invalid("days", "must be from 1 to 90 days"))
}

/// Staff's own words; blank counts as none.
pub fn words(field: &'static str, text: Option<&str>) -> Result<Option<String>, Refusal> {
    let Some(text) = text.map(str::trim).filter(|text| !text.is_empty()) else { return Ok(None) };
    if text.chars().count() > LONGEST_WORDS {
        return Err(invalid(field, "must have at most 2000 characters"));
    }
    if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
        return Err(invalid(field, "must not hold control characters"));
    }
    Ok(Some(text.to_owned()))
}

/// The one fact of a request. A last name is the fact where neither of the others is given; beside them
/// it is a name that the form collected.
pub fn fact(
    date_of_birth: Option<&str>,
    last_name: Option<&str>,
    email: Option<&str>,
) -> Result<Fact, Refusal> {
    match (date_of_birth, last_name, email) {
        (Some(date), _, None) => NaiveDate::parse_from_str(date.trim(), "%Y-%m-%d")
            .map(Fact::DateOfBirth)
            .map_err(|_| invalid("date_of_birth", "must be a date such as 1985-01-31")),
        (None, _, Some(email)) => short("email", email).map(Fact::Email),
        (None, Some(name), None) => short("last_name", name).map(Fact::LastName),
        (None, None, None) => {
            Err(invalid("date_of_birth", "is required, or last_name or email: what the page asks for"))
        }
        (Some(_), _, Some(_)) => Err(invalid("email", "give either date_of_birth or email, not both")),
    }
}

/// A name that a form collected; blank counts as none.
pub fn name(field: &'static str, text: Option<&str>) -> Result<Option<String>, Refusal> {
    let name = words(field, text)?;
    match name {
        Some(name) if name.chars().count() > 200 => Err(invalid(field, "must have at most 200 characters")),
        Some(name) if name.contains(char::is_control) => {
            Err(invalid(field, "must not hold control characters"))
        }
        name => Ok(name),
    }
}

/// An address as it is compared, not yet known to be anybody's.
pub fn address(field: &'static str, text: &str) -> Result<String, Refusal> {
    match short(field, text)? {
        text if text.contains(char::is_control) => Err(invalid(field, "must not hold control characters")),
        text => Ok(normalise(&text)),
    }
}

fn short(field: &'static str, text: &str) -> Result<String, Refusal> {
    match text.trim() {
        "" => Err(invalid(field, "must not be empty")),
        text if text.chars().count() > 254 => Err(invalid(field, "must have at most 254 characters")),
        text => Ok(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_fact_and_no_more() {
        assert!(matches!(fact(Some("1985-01-31"), None, None), Ok(Fact::DateOfBirth(_))));
        assert!(matches!(fact(None, Some("Hara"), None), Ok(Fact::LastName(_))));
        assert!(matches!(fact(None, Some("Hara"), Some("eve@example.org")), Ok(Fact::Email(_))));
        let both = (Some("1985-01-31"), None, Some("eve@example.org"));
        for bad in [(None, None, None), both, (Some("31.1.1985"), None, None)] {
            assert!(matches!(fact(bad.0, bad.1, bad.2), Err(Refusal::Invalid(_))), "{bad:?}");
        }
    }

    #[test]
    fn an_expiry_is_a_number_of_days_within_bounds() {
        assert_eq!(expiry(Some(90)), Ok(Some(90)));
        for bad in [0, -1, 91, 1 << 40] {
            assert!(expiry(Some(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn blank_words_are_no_words() {
        assert_eq!(words("custom_message", Some("  \n")), Ok(None));
        assert_eq!(words("custom_message", Some(" Hello\nEve ")), Ok(Some("Hello\nEve".to_owned())));
        assert!(words("custom_message", Some(&"x".repeat(2001))).is_err());
        assert!(words("custom_message", Some("a\u{0}b")).is_err());
    }
}
