//! patients-service as its callers meet it, on both databases.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

#[path = "../common/mod.rs"]
mod common;

mod access;
mod archiving;
mod audit;
mod changes;
mod clinic;
mod erasing;
mod imports;
mod imports_dry_run;
mod imports_examples;
mod imports_invites;
mod imports_matching;
mod imports_options;
mod imports_policies;
mod imports_reading;
mod imports_refused;
mod imports_rows;
mod imports_undo;
mod imports_uploads;
mod invites;
mod lists;
mod personal_data;
mod records;
mod refusals;
mod repeats;
mod rights;
mod status;
mod texts;
mod together;
