//! The commands that ask a server: against one that answers as the API's description says, so that each
//! answer can be had at will; and, where it matters that it is real, against a real one.

mod audit;
mod fake;
mod follows;
mod imports;
mod invites;
mod status;
mod world;
