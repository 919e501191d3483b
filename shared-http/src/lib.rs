//! The HTTP manners both services share: how a request is read, who may ask, and how we answer.
//!
//! It knows no database, no bus and no domain. A handler reads like a sentence made of these words:
//!
//! * [`problem`]: every refusal, in one form (RFC 9457).
//! * [`extract`]: bodies, paths and queries whose refusals are problems too; [`maybe`] for merge patch.
//! * [`access`]: which role an operation needs, in its description and at its door.
//! * [`caller`]: who asks, and with which role; [`auth`] decides whether their token is believed,
//!   `jwks` fetches the issuer's keys, [`minter`] issues tokens for the embedded default and for tests.
//! * [`client`]: who asks, where nobody has signed in: a network address, for limits.
//! * [`internal`]: the guard of internal routes.
//! * [`idempotency`], [`precondition`], [`cursor`]: the headers and parameters of careful clients.
//! * [`mod@manners`]: what surrounds every route: request id, limits, log line, trace context.
//! * [`progress`]: long work, followed live.
//! * [`openapi`], [`health`], [`server`]: the API's own description, its pulse, and the loop that serves it.
//!
//! `tests/common/mod.rs` is a service in small that uses all of it.
//!
//! To add a refusal: give it a code in snake_case, build it with [`Problem::new`] where it is decided,
//! and describe it in the handler's `responses(...)`; the common ones are added by [`openapi::describe`].

pub mod access;
pub mod auth;
pub mod caller;
pub mod client;
pub mod cursor;
pub mod extract;
pub mod health;
pub mod idempotency;
pub mod internal;
mod jwks;
pub mod manners;
pub mod maybe;
pub mod minter;
pub mod openapi;
pub mod precondition;
pub mod problem;
pub mod progress;
mod random;
mod reading;
pub mod server;
mod stall;
pub mod trace;

pub use auth::{Algorithm, Clock, KeySource, SetupError, Verifier, VerifierConfig};
pub use caller::{Caller, Role, bearer};
pub use client::{Cidr, Client, TrustedProxies};
pub use cursor::{CursorKey, CursorScope, Limit, Page};
pub use extract::{Body, Json, Path, Query};
pub use health::Health;
pub use idempotency::{FingerprintKey, IdempotencyKey, Key};
pub use internal::{ServiceCall, ServiceToken};
pub use manners::{ManneredConfig, RequestId, manners};
pub use maybe::Maybe;
pub use minter::{Claims, Minter, generate_signing_key};
pub use precondition::{ETag, IfMatch};
pub use problem::{FieldError, Problem};
pub use progress::{Standing, Stopping, follow};
pub use server::{Limits, run};
pub use trace::TraceContext;
