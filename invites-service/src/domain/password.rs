//! What a password must be. Length, and nothing a stranger would try first; no rules about digits and
//! signs, which make passwords worse (NIST SP 800-63B, 5.1.1.2).

use shared_events::values::normalise;

/// The fewest characters.
pub const SHORTEST: usize = 10;
/// The most characters: hashing takes time with length.
pub const LONGEST: usize = 200;

/// The passwords that lists of leaks are headed by, of those long enough to pass otherwise.
const COMMONEST: [&str; 24] = [
    "1234567890",
    "0123456789",
    "0987654321",
    "9876543210",
    "12345678910",
    "123456789a",
    "123456789q",
    "1q2w3e4r5t",
    "1qaz2wsx3edc",
    "qwertyuiop",
    "qwerty1234",
    "qwerty12345",
    "qwerty123456",
    "asdfghjkl1",
    "password12",
    "password123",
    "password1234",
    "passwort123",
    "iloveyou12",
    "iloveyou123",
    "letmein123",
    "welcome123",
    "changeme123",
    "administrator",
];

/// Why a password cannot be taken. `personal` is what a stranger could know of the person: address and
/// names.
pub fn weakness(password: &str, personal: &[&str]) -> Option<&'static str> {
    let length = password.chars().count();
    if length < SHORTEST {
        return Some("It must have at least 10 characters.");
    }
    if length > LONGEST {
        return Some("It must have at most 200 characters.");
    }
    let folded = normalise(password);
    let plain = plain(&folded);
    if COMMONEST.contains(&folded.as_str()) || is_one_character(&folded) {
        return Some("It is one of the first that strangers try.");
    }
    let is_personal = personal.iter().map(|text| normalise(text)).any(|known| {
        let local = known.split('@').next().unwrap_or_default();
        !known.is_empty() && (folded == known || plain == self::plain(&known) || folded == local)
    });
    is_personal.then_some("It must not be the e-mail address or the name.")
}

fn is_one_character(text: &str) -> bool {
    let mut characters = text.chars();
    let first = characters.next();
    characters.all(|character| Some(character) == first)
}

/// Letters and digits alone: "Eve O'Hara" and "eveohara" are one name.
fn plain(text: &str) -> String {
    text.chars().filter(|character| character.is_alphanumeric()).collect()
}

#[cfg(test)]
mod tests {
    use super::weakness;

    const EVE: [&str; 3] = ["eve.longname@example.org", "Eve", "Eve Longname-Smith"];

    #[test]
    fn a_long_sentence_is_good() {
        assert_eq!(weakness("correct horse battery", &EVE), None);
        assert_eq!(weakness("ünïcödé wörds", &EVE), None);
    }

    #[test]
    fn what_strangers_try_first_is_refused() {
        for bad in [
            "",
            "short",
            "123456789",
            "1234567890",
            "PASSWORD123",
            "aaaaaaaaaaaa",
            "Eve.Longname@Example.org",
            "eve.longname",
            "eve longname smith",
        ] {
            assert!(weakness(bad, &EVE).is_some(), "{bad}");
        }
        assert!(weakness(&"x1".repeat(101), &EVE).is_some());
    }
}
