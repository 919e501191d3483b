//! patients-service: the records a clinic keeps first.
//!
//! * [`domain`]: is it allowed, and what then happened?
//! * [`desk`]: groups of commands become events, claims and rows in one transaction.
//! * [`store`]: what is remembered.
//! * [`http`]: what was asked, how it is answered.
//! * [`consumers`]: what invites-service said, and what is done about it.
//! * [`import`]: a clinic's register, row by row.
//! * [`eraser`]: leaves nothing of a person, in the background.
//! * [`settings`]: changing a clinic's settings.
//! * [`service`]: all of it put together and run.
//!
//! A new command begins in [`domain`]: an ask, its refusals, and a case in `domain/tests`. Then its route
//! in [`http`], and a case in `tests/service`, which asks the running service on both databases; another
//! clinic's turn at it goes into `every_route` of `tests/service/rights.rs`.

pub mod consumers;
pub mod desk;
pub mod domain;
pub mod eraser;
pub mod http;
pub mod import;
pub mod service;
pub mod settings;
pub mod store;
