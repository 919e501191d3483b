//! What may happen: commands of staff and persons, time, and news that comes late, twice and in any order.

use proptest::prelude::*;
use shared_events::clinic::OpenInvitePolicy;

/// One thing that happens. Numbers choose among what there is, modulo how much there is.
#[derive(Debug, Clone)]
pub enum Step {
    Issue {
        days: u16,
        email: bool,
    },
    Resend(usize),
    Extend(usize, u16),
    Unlock(usize),
    Revoke(usize),
    Open(usize, Link),
    Prove(usize, Link, Fact),
    Accept(usize, Link, Fact),
    Archive,
    Restore,
    /// A new address; whether staff want open invites issued again.
    Move {
        reissue: bool,
    },
    /// A change that voids nothing.
    Touch,
    Erase,
    Pass {
        hours: i64,
    },
    Sweep,
    /// A mail with the newest link was queued.
    Queue(usize),
    /// invites-service hears events of the patient, in this order and in one batch.
    Tell(Vec<usize>),
    /// patients-service hears events of invites, in this order and in one batch.
    Hear(Vec<usize>),
}

/// Which of an invite's links.
#[derive(Debug, Clone, Copy)]
pub enum Link {
    Newest,
    TheOneBefore,
}

/// Whether it is the one on record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fact {
    Right,
    Wrong,
}

/// A clinic, and what happens to one of its patients.
#[derive(Debug, Clone)]
pub struct Script {
    pub policy: OpenInvitePolicy,
    pub steps: Vec<Step>,
    /// In which order what nobody heard is heard at the end.
    pub shuffle: u64,
}

fn link() -> impl Strategy<Value = Link> {
    prop_oneof![3 => Just(Link::Newest), 1 => Just(Link::TheOneBefore)]
}

fn fact() -> impl Strategy<Value = Fact> {
    prop_oneof![1 => Just(Fact::Right), 3 => Just(Fact::Wrong)]
}

fn places() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(0..64_usize, 1..5)
}

fn step() -> impl Strategy<Value = Step> {
    let invite = 0..64_usize;
    prop_oneof![
        6 => (1..=30_u16, any::<bool>()).prop_map(|(days, email)| Step::Issue { days, email }),
        2 => invite.clone().prop_map(Step::Resend),
        1 => (invite.clone(), 1..=90_u16).prop_map(|(invite, days)| Step::Extend(invite, days)),
        1 => invite.clone().prop_map(Step::Unlock),
        2 => invite.clone().prop_map(Step::Revoke),
        1 => (invite.clone(), link()).prop_map(|(invite, link)| Step::Open(invite, link)),
        4 => (invite.clone(), link(), fact()).prop_map(|(invite, link, fact)| Step::Prove(invite, link, fact)),
        1 => (invite.clone(), link(), fact()).prop_map(|(invite, link, fact)| Step::Accept(invite, link, fact)),
        2 => Just(Step::Archive),
        2 => Just(Step::Restore),
        4 => prop::bool::weighted(0.8).prop_map(|reissue| Step::Move { reissue }),
        1 => Just(Step::Touch),
        1 => prop::bool::weighted(0.2).prop_map(|erase| if erase { Step::Erase } else { Step::Touch }),
        3 => (1..400_i64).prop_map(|hours| Step::Pass { hours }),
        1 => Just(Step::Sweep),
        2 => invite.prop_map(Step::Queue),
        8 => places().prop_map(Step::Tell),
        2 => places().prop_map(Step::Hear),
    ]
}

/// Any script of up to `most` steps.
pub fn script(most: usize) -> impl Strategy<Value = Script> {
    let policy = prop_oneof![
        Just(OpenInvitePolicy::Supersede),
        Just(OpenInvitePolicy::Allow),
        Just(OpenInvitePolicy::Reject)
    ];
    // Mostly the patient is known from the beginning: little happens before.
    let steps = prop::collection::vec(step(), 0..most).prop_map(|mut steps| {
        steps.insert(steps.len().min(1), Step::Tell(vec![0]));
        steps
    });
    (policy, steps, any::<u64>()).prop_map(|(policy, steps, shuffle)| Script { policy, steps, shuffle })
}
