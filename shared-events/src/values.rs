//! Values that both services must read alike.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Why a value was refused, in words that say what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unusable(pub &'static str);

/// A clinic: the tenant. An opaque string of the clinic's own, 1 to 128 visible characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct AccountId(String);

impl AccountId {
    /// Reads a clinic's id.
    pub fn parse(text: &str) -> Result<Self, Unusable> {
        opaque(text).map(AccountId)
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for AccountId {
    type Error = Unusable;
    fn try_from(text: String) -> Result<Self, Unusable> {
        AccountId::parse(&text)
    }
}

impl From<AccountId> for String {
    fn from(id: AccountId) -> String {
        id.0
    }
}

/// Reads an opaque id of a clinic's own making (clinic, provider, clinician, external id): outer
/// blanks are dropped, 1 to 128 characters remain, none of them a control character.
pub fn opaque(text: &str) -> Result<String, Unusable> {
    let text = text.trim();
    if text.is_empty() {
        return Err(Unusable("must not be empty"));
    }
    if text.chars().count() > 128 {
        return Err(Unusable("must have at most 128 characters"));
    }
    if text.chars().any(char::is_control) {
        return Err(Unusable("must not hold control characters"));
    }
    Ok(text.to_owned())
}

/// An e-mail address as a person typed it, and the form under which it is compared.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Email {
    address: String,
    normalised: String,
}

impl Email {
    /// Reads an address: outer blanks are dropped, the domain must have a dot, 254 characters at most.
    pub fn parse(text: &str) -> Result<Self, Unusable> {
        const OPTIONS: email_address::Options = email_address::Options {
            minimum_sub_domains: 2,
            allow_domain_literal: false,
            allow_display_text: false,
        };
        let address = text.trim();
        if address.is_empty() {
            return Err(Unusable("must not be empty"));
        }
        if address.len() > 254 {
            return Err(Unusable("must have at most 254 characters"));
        }
        // A quoted local part ("a b"@x.org) is legal and, in practice, always a mistake in a register.
        if address.contains('"') || address.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(Unusable("is not an e-mail address: it holds blanks or quotes"));
        }
        email_address::EmailAddress::parse_with_options(address, OPTIONS)
            .map_err(|_| Unusable("is not an e-mail address, such as name@example.org"))?;
        Ok(Email { address: address.to_owned(), normalised: normalise(address) })
    }

    /// As it was typed.
    pub fn as_str(&self) -> &str {
        &self.address
    }

    /// Trimmed and case-folded: the form that is unique.
    pub fn normalised(&self) -> &str {
        &self.normalised
    }
}

/// Trims and case-folds. Used for addresses, and for names where they are compared.
pub fn normalise(text: &str) -> String {
    text.trim().to_lowercase()
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<e-mail>")
    }
}

impl TryFrom<String> for Email {
    type Error = Unusable;
    fn try_from(text: String) -> Result<Self, Unusable> {
        Email::parse(&text)
    }
}

impl From<Email> for String {
    fn from(email: Email) -> String {
        email.address
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn addresses_people_really_have_are_read() {
        for good in ["a@b.org", " Eve.O'Hara+clinic@Sub.Example.ORG ", "jörg@müller.example"] {
            assert!(Email::parse(good).is_ok(), "{good}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for bad in [
            "",
            "eve",
            "eve@",
            "@b.org",
            "eve@localhost",
            "a b@c.org",
            "a@b..org",
            "a@b.org, c@d.org",
            "Eve <a@b.org>",
        ] {
            assert!(Email::parse(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn case_and_outer_blanks_never_matter(local in "[a-z0-9.]{0,5}[a-z0-9]", domain in "[a-z]{1,8}\\.[a-z]{2,4}") {
            prop_assume!(!local.starts_with('.') && !local.contains(".."));
            let plain = Email::parse(&format!("{local}@{domain}")).expect("valid");
            let loud = Email::parse(&format!("  {}@{}\t", local.to_uppercase(), domain.to_uppercase())).expect("valid");
            prop_assert_eq!(plain.normalised(), loud.normalised());
        }

        #[test]
        fn reading_never_panics(text in ".*") {
            let _ = Email::parse(&text);
            let _ = opaque(&text);
        }
    }
}
