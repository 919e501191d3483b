//! Many patients invited at once, in the background, whatever happens to a process.
//!
//! A job and its patients are rows. [`orders`]: staff begin, retry or cancel one; [`worker`]: a batch of
//! patients a transaction, in which their invites, their outcomes and the job's counts are written. So a
//! kill between two batches leaves a job that any copy of the service goes on with, and no half of one.

pub mod orders;
pub mod worker;

use uuid::Uuid;

/// A job's words open only as its own.
fn words_aad(job: Uuid) -> Vec<u8> {
    [job.as_bytes().as_slice(), b"bulk words"].concat()
}
