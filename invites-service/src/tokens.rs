//! Links: the token of an invite is worked out from a key, and kept nowhere.
//!
//! `pf1.` and, in base64url, the key's id (its length first), the invite's id, the issue number, and an
//! HMAC-SHA256 over the three. Whoever has the database, its backups, the log or the bus has no link.
//! A link is rendered again whenever it is needed; a new issue number makes a new link.
//!
//! A password's reset has a token of the same form, `pr1.` with the login and the reset's number, under a key
//! derived from the same one: whatever is done to either, it never reads as the other.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use shared_runtime::keys::Keyring;
use std::fmt;
use std::sync::Arc;
use uuid::Uuid;

/// What every invite's token begins with; the old system's do not.
pub const PREFIX: &str = "pf1.";
/// What the token of a password reset begins with.
pub const RESET_PREFIX: &str = "pr1.";
/// Names the keys that make tokens of resets, derived from those of invites.
const RESET_PURPOSE: &[u8] = b"password reset";
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

/// What the token of a password reset says, its HMAC checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reset {
    /// Which login.
    pub user_id: Uuid,
    /// Which of its resets.
    pub reset_no: i32,
}

/// What a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Invite,
    Reset,
}

impl Kind {
    fn prefix(self) -> &'static str {
        match self {
            Kind::Invite => PREFIX,
            Kind::Reset => RESET_PREFIX,
        }
    }

    /// Each kind has keys of its own: else a change of prefix would turn one into the other.
    fn key(self, key: &[u8; 32]) -> hmac::Key {
        let key = hmac::Key::new(hmac::HMAC_SHA256, key);
        match self {
            Kind::Invite => key,
            Kind::Reset => hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&key, RESET_PURPOSE).as_ref()),
        }
    }
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
        let token = self.token(Kind::Invite, key_id, invite, issue_no)?;
        Some(Link(format!("{}/i#{token}", self.public_url)))
    }

    /// The link of a password reset under a key. None where the key was retired.
    pub fn reset_link(&self, key_id: &str, reset: Reset) -> Option<Link> {
        let token = self.token(Kind::Reset, key_id, reset.user_id, reset.reset_no)?;
        Some(Link(format!("{}/r#{token}", self.public_url)))
    }

    fn token(&self, kind: Kind, key_id: &str, id: Uuid, number: i32) -> Option<String> {
        let key = kind.key(&self.keys.get(key_id)?);
        let mut bytes = Vec::with_capacity(1 + key_id.len() + ID_BYTES + ISSUE_BYTES + MAC_BYTES);
        bytes.push(u8::try_from(key_id.len()).ok()?);
        bytes.extend_from_slice(key_id.as_bytes());
        bytes.extend_from_slice(id.as_bytes());
        bytes.extend_from_slice(&u32::try_from(number).ok()?.to_be_bytes());
        let mac = hmac::sign(&key, &bytes);
        bytes.extend_from_slice(mac.as_ref());
        Some(format!("{}{}", kind.prefix(), URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// Reads an invite's token. None for whatever is not exactly one of ours; the comparison takes the same time
    /// wherever it differs. A `#` or `%23` before it is taken for a fragment copied whole.
    pub fn read(&self, text: &str) -> Option<Named> {
        let (invite, issue_no) = self.open(Kind::Invite, text)?;
        Some(Named { invite, issue_no })
    }

    /// Reads the token of a password reset, as [`Tokens::read`] reads an invite's.
    pub fn read_reset(&self, text: &str) -> Option<Reset> {
        let (user_id, reset_no) = self.open(Kind::Reset, text)?;
        Some(Reset { user_id, reset_no })
    }

    fn open(&self, kind: Kind, text: &str) -> Option<(Uuid, i32)> {
        let text = text.trim();
        let text = text.strip_prefix('#').or_else(|| text.strip_prefix("%23")).unwrap_or(text);
        if text.len() > LONGEST {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(text.strip_prefix(kind.prefix())?).ok()?;
        let (body, mac) = bytes.split_at_checked(bytes.len().checked_sub(MAC_BYTES)?)?;
        let (length, rest) = body.split_first()?;
        let (key_id, rest) = rest.split_at_checked(usize::from(*length))?;
        let key = self.keys.get(std::str::from_utf8(key_id).ok()?)?;
        hmac::verify(&kind.key(&key), body, mac).ok()?;
        let (id, number) = rest.split_at_checked(ID_BYTES)?;
        let number = u32::from_be_bytes(number.try_into().ok()?);
        Some((Uuid::from_slice(id).ok()?, i32::try_from(number).ok()?))
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
    fn neither_kind_reads_as_the_other() {
        let tokens = tokens();
        let reset = Reset { user_id: Uuid::from_u128(7), reset_no: 1 };
        let link = tokens.reset_link("k1", reset).expect("a link").reveal();
        let of_reset = link.strip_prefix("https://clinic.example/r#").expect("its form");
        let of_invite = token(&tokens, Uuid::from_u128(7), 1);
        assert_eq!(tokens.read_reset(of_reset), Some(reset));
        assert_eq!((tokens.read(of_reset), tokens.read_reset(&of_invite)), (None, None));
        let swapped = |text: &str, to: &str| format!("{to}{}", &text[PREFIX.len()..]);
        assert_eq!(tokens.read(&swapped(of_reset, PREFIX)), None);
        assert_eq!(tokens.read_reset(&swapped(&of_invite, RESET_PREFIX)), None);
    }

    #[test]
    fn a_link_does_not_print_itself() {
        let link = tokens().link("k1", Uuid::from_u128(7), 1);
        assert_eq!(format!("{link:?}"), "Some(<link>)");
    }
}
