//! `patient-first`: both services, their relays and workers in one process, on SQLite and the embedded
//! bus. A newcomer needs nothing else; an operator finds the commands here.
//!
//! * [`data_dir`]: the directory everything lives in.
//! * [`embedded`]: both services, put together.
//! * [`server`]: how commands find a running server.
//! * [`commands`]: what can be typed.

pub mod commands;
pub mod data_dir;
pub mod embedded;
pub mod server;
