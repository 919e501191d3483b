//! Many patients invited at once: a job, what it invites with, whom, and how it stands.

use super::Refusal;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The most patients that can be named one by one.
pub const MOST_NAMED: usize = 10_000;

/// What every invite of a job is issued with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// Whom the patients are invited to.
    pub provider_id: String,
    /// Whether mails go out.
    pub send_email: bool,
    /// Days until the invites lapse; else the clinic's default.
    pub expiry_days: Option<u16>,
}

/// Whom a job invites.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whom {
    /// These, each once.
    Named(Vec<Uuid>),
    /// Whoever of the clinic fits and may be invited.
    Fitting(Filter),
}

/// Which of the patients who may be invited; what is none is not asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Filter {
    /// The import that put the patient on record.
    pub import_id: Option<Uuid>,
    /// Who cares for the patient.
    pub clinician_id: Option<String>,
    /// The patient's language, in lower case.
    pub preferred_language: Option<String>,
    /// Whether the patient has an open invite.
    pub has_pending_invite: Option<bool>,
    /// Whether the patient ever had an invite.
    pub ever_invited: Option<bool>,
}

/// How a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It looks for the patients that fit.
    Gathering,
    /// It invites.
    Running,
    /// Nobody waits any more.
    Done,
    /// Staff ended it.
    Cancelled,
}

impl State {
    /// As it stands in JSON and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Gathering => "gathering",
            State::Running => "running",
            State::Done => "done",
            State::Cancelled => "cancelled",
        }
    }

    /// Reads the word. A word from a newer program counts as done: nothing is begun for it here.
    pub fn of(word: &str) -> State {
        let states = [State::Gathering, State::Running, State::Cancelled];
        states.into_iter().find(|state| state.as_str() == word).unwrap_or(State::Done)
    }

    /// Whether it will stand so until staff act.
    pub fn is_over(self) -> bool {
        matches!(self, State::Done | State::Cancelled)
    }
}

/// What became of a patient of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing yet.
    Waiting,
    /// Invited.
    Issued,
    /// Could not be invited; may be tried again.
    Failed,
    /// The job was cancelled first.
    Cancelled,
}

impl Outcome {
    /// As it stands in JSON and, but for `waiting`, in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Waiting => "waiting",
            Outcome::Issued => "issued",
            Outcome::Failed => "failed",
            Outcome::Cancelled => "cancelled",
        }
    }
}

/// What staff ask of a job may change it, or find it so already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Change it.
    Needed,
    /// It is so already.
    None,
}

/// Whether the failed of a job are tried again. `open`: a worker still has something to do for it, be it
/// only to mark who was cancelled.
pub fn retry(open: bool, failed: i64) -> Result<Change, Refusal> {
    match (open, failed) {
        (true, _) => Err(Refusal::BulkRunning),
        (false, 0) => Ok(Change::None),
        (false, _) => Ok(Change::Needed),
    }
}

/// Whether a job is cancelled.
pub fn cancel(state: State) -> Change {
    if state.is_over() { Change::None } else { Change::Needed }
}

/// The invite that a job makes for a patient: always the same one, however often it is tried.
pub fn invite_of(job: Uuid, patient: Uuid) -> Uuid {
    Uuid::new_v5(&job, patient.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_rests_is_tried_again() {
        assert_eq!(retry(true, 3), Err(Refusal::BulkRunning));
        assert_eq!((retry(false, 0), retry(false, 3)), (Ok(Change::None), Ok(Change::Needed)));
    }

    #[test]
    fn what_is_over_is_not_cancelled() {
        for state in [State::Gathering, State::Running, State::Done, State::Cancelled] {
            assert_eq!(State::of(state.as_str()), state);
            assert_eq!(cancel(state) == Change::None, state.is_over());
        }
        assert!(State::of("a newer word").is_over());
    }

    #[test]
    fn an_invite_is_of_one_job_and_one_patient() {
        let (a, b) = (Uuid::from_u128(1), Uuid::from_u128(2));
        assert_eq!(invite_of(a, b), invite_of(a, b));
        assert_ne!(invite_of(a, b), invite_of(b, a));
    }
}
