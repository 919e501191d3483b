//! The crate from outside: bytes in, records and refusals out.

mod any;
mod common;
mod dates;
mod faults;
mod found;
mod linear;
mod oracle;
mod refused;
