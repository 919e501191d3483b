//! Links: the token of an invite is worked out from a key, and kept nowhere.
//!
//! `pf1.` and, in base64url, the key's id (its length first), the invite's id, the issue number, and an
//! HMAC-SHA256 over the three. Whoever has the database, its backups, the log or the bus has no link.
//! A link is rendered again whenever it is needed; a new issue number makes a new link.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use shared_runtime::keys::Keyring;
use std::fmt;
use std::sync::Arc;
use uuid::Uuid;

/// What every token of ours begins with; the old system's do not.
pub const PREFIX: &str = "pf1.";
const MAC_BYTES: usize = 32;
const ID_BYTES: usize = 16;
const ISSUE_BYTES: usize = 4;
/// No token of ours is longer, whatever its key's id.
const LONGEST: usize = 512;

/// Makes and reads tokens. Cheap to clone.
#[derive(Clone)]
pub struct Tokens {
    keys: Keyring,
    public_url: Arc<str>,
}

/// What a token says, its HMAC checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Named {
    /// Which invite.
    pub invite: Uuid,
    /// Which of its links.
    pub issue_no: i32,
}

/// A link for a person. Shown to them and to nobody else: it does not print itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Link(String);

impl Link {
    /// The link, to be put into an answer.
    pub fn reveal(self) -> String {
        self.0
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<link>")
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tokens({:?})", self.keys)
    }
}

impl Tokens {
    /// Tokens under `keys`, in links to `public_url` (with or without a slash at its end).
    pub fn new(keys: Keyring, public_url: &str) -> Tokens {
        Tokens { keys, public_url: public_url.trim_end_matches('/').into() }
    }

    /// The keys that make links.
    pub fn keys(&self) -> &Keyring {
        &self.keys
    }

    /// The key that makes links now.
    pub fn current_id(&self) -> String {
        self.keys.current_id()
    }

    /// The link of an invite's issue under a key. None where the key was retired.
    pub fn link(&self, key_id: &str, invite: Uuid, issue_no: i32) -> Option<Link> {
        let token = self.token(key_id, Named { invite, issue_no })?;
        Some(Link(format!("{}/i#{token}", self.public_url)))
    }

    fn token(&self, key_id: &str, named: Named) -> Option<String> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.keys.get(key_id)?);
        let mut bytes = Vec::with_capacity(1 + key_id.len() + ID_BYTES + ISSUE_BYTES + MAC_BYTES);
        bytes.push(u8::try_from(key_id.len()).ok()?);
        bytes.extend_from_slice(key_id.as_bytes());
        bytes.extend_from_slice(named.invite.as_bytes());
        bytes.extend_from_slice(&u32::try_from(named.issue_no).ok()?.to_be_bytes());
        let mac = hmac::sign(&key, &bytes);
        bytes.extend_from_slice(mac.as_ref());
        Some(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// Reads a token. None for whatever is not exactly one of ours; the comparison takes the same time
    /// wherever it differs. A `#` or `%23` before it is taken for a fragment copied whole.
    pub fn read(&self, text: &str) -> Option<Named> {
        let text = text.trim();
        let text = text.strip_prefix('#').or_else(|| text.strip_prefix("%23")).unwrap_or(text);
        if text.len() > LONGEST {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(text.strip_prefix(PREFIX)?).ok()?;
        let (body, mac) = bytes.split_at_checked(bytes.len().checked_sub(MAC_BYTES)?)?;
        let (length, rest) = body.split_first()?;
        let (key_id, rest) = rest.split_at_checked(usize::from(*length))?;
        let key = self.keys.get(std::str::from_utf8(key_id).ok()?)?;
        hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, &key), body, mac).ok()?;
        let (invite, issue_no) = rest.split_at_checked(ID_BYTES)?;
        let issue_no = u32::from_be_bytes(issue_no.try_into().ok()?);
        Some(Named { invite: Uuid::from_slice(invite).ok()?, issue_no: i32::try_from(issue_no).ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens() -> Tokens {
        Tokens::new(Keyring::generate("k1"), "https://clinic.example/")
    }

    fn token(tokens: &Tokens, invite: Uuid, issue_no: i32) -> String {
        let link = tokens.link("k1", invite, issue_no).expect("a link").reveal();
        link.strip_prefix("https://clinic.example/i#").expect("its form").to_owned()
    }

    #[test]
    fn a_link_is_read_again() {
        let tokens = tokens();
        let named = Named { invite: Uuid::from_u128(7), issue_no: 3 };
        let token = token(&tokens, named.invite, named.issue_no);
        assert_eq!(tokens.read(&token), Some(named));
        assert_eq!(tokens.read(&format!(" %23{token}\n")), Some(named));
    }

    #[test]
    fn every_bent_byte_is_refused() {
        let tokens = tokens();
        let token = token(&tokens, Uuid::from_u128(7), 1);
        let bytes = URL_SAFE_NO_PAD.decode(&token[PREFIX.len()..]).expect("base64");
        for place in 0..bytes.len() {
            let mut bent = bytes.clone();
            bent[place] ^= 1;
            let bent = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bent));
            assert_eq!(tokens.read(&bent), None, "byte {place}");
        }
        for end in 0..token.len() {
            assert_eq!(tokens.read(&token[..end]), None);
        }
    }

    #[test]
    fn another_key_of_the_same_name_reads_nothing() {
        assert_eq!(tokens().read(&token(&tokens(), Uuid::from_u128(7), 1)), None);
    }

    #[test]
    fn a_link_does_not_print_itself() {
        let link = tokens().link("k1", Uuid::from_u128(7), 1);
        assert_eq!(format!("{link:?}"), "Some(<link>)");
    }
}
