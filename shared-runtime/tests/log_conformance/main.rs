//! What the event log promises, asked of both databases in the same words: streams without gaps and
//! with one writer a version, events that stay as they are, personal fields that only a key opens, one
//! global order that no late commit and no second sequencer disturbs, and nothing answered that a kill
//! takes back.
//!
//! `postgres::…` needs a server in `PF_TEST_POSTGRES_URL`; `sqlite::…` needs nothing.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is how a failure is said")]

mod appending;
mod doors;
mod killed;
mod ordering;
mod personal;
mod refusals;
mod repeating;
