//! Whatever is asked, in whatever order.

use super::*;
use proptest::prelude::*;
use shared_events::invite::{InviteStatus, RevokeReason};

fn any_invite() -> impl Strategy<Value = Uuid> {
    (11..15_u128).prop_map(Uuid::from_u128)
}

fn any_fact() -> impl Strategy<Value = Fact> {
    prop_oneof![
        Just(born()),
        Just(wrong()),
        Just(Fact::LastName("o'hara".into())),
        Just(Fact::Email("x@y.z".into()))
    ]
}

fn any_ask() -> impl Strategy<Value = Ask> {
    prop_oneof![
        3 => any_invite().prop_map(issue),
        1 => any_invite().prop_map(resend),
        1 => any_invite().prop_map(revoke),
        1 => (any_invite(), 0..4).prop_map(|(invite, issue_no)| open(invite, issue_no)),
        2 => (any_invite(), 0..4, any_fact())
            .prop_map(|(invite, issue_no, fact)| Ask::Prove { invite, issue_no, fact }),
        2 => (any_invite(), any_fact()).prop_map(|(invite, fact)| accept(invite, fact)),
        1 => (any_invite(), 0..4_i64).prop_map(|(invite, version)| link(invite, version)),
        1 => any_invite().prop_map(|invite| Ask::RequestLink { invite }),
        1 => any_invite().prop_map(|invite| Ask::Expire { invite }),
        1 => (0..6_i64).prop_map(|before| Ask::Void { before, reason: RevokeReason::Archived }),
    ]
}

/// A command, hours later, at a patient who may have changed.
fn any_step() -> impl Strategy<Value = (Ask, i64, PatientStatus)> {
    let status = prop_oneof![
        8 => Just(PatientStatus::Pending),
        1 => Just(PatientStatus::Inactive),
        1 => Just(PatientStatus::Erased)
    ];
    (any_ask(), 0..60_i64, status)
}

fn any_policy() -> impl Strategy<Value = OpenInvitePolicy> {
    prop_oneof![
        Just(OpenInvitePolicy::Allow),
        Just(OpenInvitePolicy::Reject),
        Just(OpenInvitePolicy::Supersede)
    ]
}

proptest! {
    #[test]
    fn ends_stay_ends_and_one_acceptance_is_enough(
        policy in any_policy(),
        steps in prop::collection::vec(any_step(), 0..60),
    ) {
        let mut given = given().policy(policy);
        let mut ended: std::collections::HashMap<Uuid, InviteStatus> = Default::default();
        let mut at = start();
        for (ask, hours, status) in steps {
            at += TimeDelta::hours(hours);
            given = given.patient(|patient| patient.status = status);
            let before: Vec<i64> = (11..15).map(|id| given.0.version(Uuid::from_u128(id))).collect();
            let said = given.carry_out(at, &ask).unwrap_or_default();
            let after: i64 = (11..15).map(|id| given.0.version(Uuid::from_u128(id))).sum();
            let of_logins = said.iter().filter(|one| one.stream == USER).count() as i64;
            prop_assert_eq!(after - before.iter().sum::<i64>() + of_logins, said.len() as i64);
            for id in given.0.invites.keys() {
                let Some(invite) = given.0.invite(*id) else { continue };
                if let Some(end) = ended.get(id) {
                    prop_assert_eq!(&invite.facts.status, end);
                }
                if invite.facts.status != InviteStatus::Pending {
                    ended.insert(*id, invite.facts.status);
                }
                prop_assert!(invite.failed_attempts <= 5);
                prop_assert_eq!(invite.locked_at.is_some(), invite.failed_attempts == 5);
            }
            let accepted = ended.values().filter(|end| **end == InviteStatus::Accepted).count();
            prop_assert!(accepted <= 1);
            if accepted == 1 {
                prop_assert_eq!(given.0.pending().count(), 0);
            }
            if policy != OpenInvitePolicy::Allow {
                prop_assert!(given.0.open(at).count() <= 1);
            }
        }
    }
}
