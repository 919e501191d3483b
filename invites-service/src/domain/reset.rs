//! Resets of a login's password. The login's stream says which reset's link is alive, so that it is dead after
//! use, after a newer one, and after its time, over any number of copies of the service.

use super::invite::Place;
use super::refusal::Refusal;
use chrono::{DateTime, TimeDelta, Utc};
use shared_events::account::{PasswordReset, PasswordResetRequested};
use shared_events::{AccountId, Event};

/// How long a link lives. It is asked for by somebody who waits for it, and lies in a mailbox afterwards.
pub const LIVES: TimeDelta = TimeDelta::hours(1);

/// A login as its stream tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The clinic through which the login was made: whose events its own are.
    pub account: AccountId,
    /// The stream's version.
    pub version: i64,
    /// How many resets were asked for.
    pub resets: i32,
    /// Until when the newest one's link lives; none once it was used.
    pub open_until: Option<DateTime<Utc>>,
}

impl Standing {
    /// The login after an event; none before the first.
    #[must_use]
    pub fn evolve(standing: Option<Standing>, place: &Place, event: &Event) -> Standing {
        let mut next = standing.unwrap_or_else(|| Standing {
            account: place.account.clone(),
            version: 0,
            resets: 0,
            open_until: None,
        });
        next.version = place.version;
        match event {
            Event::PasswordResetRequested(e) => {
                (next.resets, next.open_until) = (e.reset_no, Some(e.expires_at));
            }
            Event::PasswordReset(_) => next.open_until = None,
            _ => {}
        }
        next
    }

    /// A person asks for a new password; the link is made with the key that makes links now.
    pub fn request(&self, token_key_id: &str, at: DateTime<Utc>) -> Event {
        Event::PasswordResetRequested(PasswordResetRequested {
            reset_no: self.resets + 1,
            token_key_id: token_key_id.to_owned(),
            expires_at: at + LIVES,
        })
    }

    /// A person came with a reset's link. [`Refusal::ResetEnded`] where it was used, replaced or is too old.
    pub fn reset(&self, reset_no: i32, at: DateTime<Utc>) -> Result<Event, Refusal> {
        let alive = reset_no == self.resets && self.open_until.is_some_and(|until| at < until);
        if alive { Ok(Event::PasswordReset(PasswordReset { reset_no })) } else { Err(Refusal::ResetEnded) }
    }
}
