//! A bulk of invites as the server tells of it; and several of them, as one.

use serde::Deserialize;
use std::collections::BTreeMap;

/// How a bulk stands.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Job {
    /// Its name.
    pub id: String,
    /// `gathering`, `running`, `done` or `cancelled`.
    pub state: String,
    /// Patients in it.
    pub total: u64,
    /// Patients whose turn has not come.
    pub waiting: u64,
    /// Invites made.
    pub issued: u64,
    /// Patients who could not be invited.
    pub failed: u64,
    /// Patients whose turn was cancelled.
    pub cancelled: u64,
    /// The first hundred who could not be invited.
    pub failures: Vec<Failure>,
    /// When it was asked for.
    pub created_at: String,
}

/// A patient who could not be invited.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Failure {
    /// The patient.
    pub patient_id: String,
    /// For programs.
    pub code: String,
    /// For people.
    pub message: String,
}

/// One page of bulks.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Page {
    /// Newest first.
    pub items: Vec<Job>,
}

/// One page of a bulk's patients.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Patients {
    /// In their order.
    pub items: Vec<Failure>,
    /// Where the next page begins.
    pub next_cursor: Option<String>,
}

impl Job {
    /// Whether it stands so until somebody asks for more.
    pub fn ended(&self) -> bool {
        ["done", "cancelled"].contains(&self.state.as_str())
    }

    /// Patients whose turn has come.
    pub fn decided(&self) -> u64 {
        self.issued + self.failed + self.cancelled
    }

    /// The counts of several bulks as those of one.
    pub fn together(jobs: &[Job]) -> Job {
        let sum = |count: fn(&Job) -> u64| jobs.iter().map(count).sum();
        Job {
            total: sum(|job| job.total),
            waiting: sum(|job| job.waiting),
            issued: sum(|job| job.issued),
            failed: sum(|job| job.failed),
            cancelled: sum(|job| job.cancelled),
            ..Job::default()
        }
    }
}

/// Failures by their reason, those with most patients first.
#[derive(Debug, Clone, Default)]
pub struct Reasons(BTreeMap<String, Reason>);

/// Patients who could not be invited for one reason.
#[derive(Debug, Clone)]
pub struct Reason {
    /// For programs.
    pub code: String,
    /// For people.
    pub message: String,
    /// How many.
    pub count: u64,
    /// The first of them.
    pub first: Vec<String>,
}

/// How many patients are named for a reason.
const NAMED: usize = 5;

impl Reasons {
    /// Counts one more.
    pub fn add(&mut self, failure: Failure) {
        let reason = self.0.entry(failure.code.clone()).or_insert_with(|| Reason {
            code: failure.code,
            message: failure.message,
            count: 0,
            first: Vec::new(),
        });
        reason.count += 1;
        if reason.first.len() < NAMED {
            reason.first.push(failure.patient_id);
        }
    }

    /// How many were counted.
    pub fn counted(&self) -> u64 {
        self.0.values().map(|reason| reason.count).sum()
    }

    /// The most frequent first.
    pub fn sorted(&self) -> Vec<Reason> {
        let mut reasons: Vec<Reason> = self.0.values().cloned().collect();
        reasons.sort_by_key(|reason| std::cmp::Reverse(reason.count));
        reasons
    }
}
