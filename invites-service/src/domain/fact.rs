//! The fact a person must type before an invite is theirs. Mail scanners submit forms; none of them
//! knows when a patient was born.

use chrono::NaiveDate;

/// A fact as a person gave it.
#[derive(Clone, PartialEq, Eq)]
pub enum Fact {
    /// When the patient was born.
    DateOfBirth(NaiveDate),
    /// The patient's last name, compared without regard to case and blanks.
    LastName(String),
    /// The full address the invite went to, compared normalised.
    Email(String),
}

/// Which fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FactKind {
    /// Date of birth.
    DateOfBirth,
    /// Last name.
    LastName,
    /// E-mail address.
    Email,
}

impl Fact {
    /// Which kind it is.
    pub fn kind(&self) -> FactKind {
        match self {
            Fact::DateOfBirth(_) => FactKind::DateOfBirth,
            Fact::LastName(_) => FactKind::LastName,
            Fact::Email(_) => FactKind::Email,
        }
    }
}

impl FactKind {
    /// As it stands in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            FactKind::DateOfBirth => "date_of_birth",
            FactKind::LastName => "last_name",
            FactKind::Email => "email",
        }
    }
}

impl std::fmt::Debug for Fact {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "<{}>", self.kind().as_str())
    }
}
