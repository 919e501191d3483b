//! The cases, each run against both sides.

pub mod carrying;
pub mod flowing;
pub mod refusing;
pub mod settling;
