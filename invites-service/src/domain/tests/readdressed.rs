//! Staff changed a patient's address and want what this voided issued again.

use super::*;
use crate::domain::Reissue;
use shared_events::invite::RevokeReason;

const NOBODY: [Uuid; 0] = [];

fn reissue() -> Ask {
    Ask::Reissue { token_key_id: "t9".into() }
}

/// The change that is version `version` of the patient's stream; what was made from `from` on was void by it alone.
fn link(version: i64, from: i64) -> Reissue {
    Reissue { cause: Uuid::from_u128(version as u128), version, from, at: day(1) }
}

impl Given {
    /// Patient events were heard: invites older than `version` are void, `links` are known.
    fn heard(mut self, version: i64, reason: RevokeReason, links: &[Reissue]) -> Given {
        self = self.patient(|patient| (patient.version, patient.void_before) = (version, version));
        self.0.reissues = links.to_vec();
        self.when(day(1), Ask::Void { before: version, reason })
    }

    fn issued_again(&self) -> Vec<Uuid> {
        let said = decide(&self.0, &reissue(), day(1)).expect("not refused");
        said.iter()
            .map(|one| match &one.event {
                Event::InviteIssued(issued) => issued.reissue_of.expect("of another"),
                other => panic!("{other:?}"),
            })
            .collect()
    }
}

fn moved(version: i64, links: &[Reissue]) -> Given {
    given().when(start(), issue(FIRST)).heard(version, RevokeReason::EmailChanged, links)
}

#[test]
fn what_a_new_address_voids_is_issued_again_alike() {
    let mut given = moved(4, &[link(4, 0)]);
    let said = given.carry_out(day(2), &reissue()).expect("not refused");
    let Event::InviteIssued(again) = &said[0].event else { panic!("{said:?}") };
    let old = given.invite(FIRST);
    assert_eq!(said[0].stream, Uuid::new_v5(&Uuid::from_u128(4), FIRST.as_bytes()));
    assert_eq!((again.reissue_of, again.send_email), (Some(FIRST), old.send_email));
    assert_eq!((again.invite.issued_at, again.invite.expires_at), (day(2), day(9)));
    assert_eq!((again.source_patient_version, again.token_key_id.as_str()), (4, "t9"));
    assert_eq!((again.invite.import_id, &again.invite.provider_id), (None, &old.facts.provider_id));
    assert_eq!(given.then(day(2), reissue()), [], "once");
}

#[test]
fn nobody_is_invited_by_a_change_that_does_not_ask_for_it() {
    assert_eq!(moved(4, &[]).issued_again(), NOBODY);
}

#[test]
fn what_staff_or_an_archive_ended_stays_ended() {
    let taken_back = given().when(start(), issue(FIRST)).when(start(), revoke(FIRST));
    assert_eq!(taken_back.heard(4, RevokeReason::EmailChanged, &[link(4, 0)]).issued_again(), NOBODY);
    // Archived after the change, heard before it.
    let archived = given().when(start(), issue(FIRST)).heard(5, RevokeReason::Archived, &[link(4, 0)]);
    assert_eq!(archived.issued_again(), NOBODY);
}

#[test]
fn a_chain_of_changes_is_followed_to_its_end_whichever_is_heard_last() {
    assert_eq!(moved(6, &[link(6, 4)]).issued_again(), NOBODY, "the first is not heard yet");
    assert_eq!(
        moved(6, &[link(4, 0)]).issued_again(),
        NOBODY,
        "the second is not heard yet, or does not ask"
    );
    assert_eq!(moved(6, &[link(4, 0), link(6, 4)]).issued_again(), [FIRST]);
    // In between the import changed the address and did not ask.
    assert_eq!(moved(6, &[link(6, 5)]).issued_again(), NOBODY);
}

#[test]
fn a_newer_invite_is_enough_unless_the_clinic_wants_more() {
    for (policy, again) in [
        (OpenInvitePolicy::Supersede, vec![]),
        (OpenInvitePolicy::Reject, vec![]),
        (OpenInvitePolicy::Allow, vec![FIRST]),
    ] {
        let given = moved(4, &[link(4, 0)]).policy(policy).when(day(1), issue(SECOND));
        assert_eq!(given.issued_again(), again, "{policy:?}");
    }
}

#[test]
fn all_that_were_open_come_back_where_several_may_be() {
    let given =
        given().policy(OpenInvitePolicy::Allow).when(start(), issue(FIRST)).when(day(1), issue(SECOND));
    let given = given.heard(4, RevokeReason::EmailChanged, &[link(4, 0)]);
    assert_eq!(given.issued_again(), [FIRST, SECOND]);
    let fewer = given.policy(OpenInvitePolicy::Supersede);
    assert_eq!(fewer.issued_again(), [SECOND], "the newest, where the clinic has changed its mind");
}

#[test]
fn what_lapsed_before_the_news_came_is_issued_again_and_what_lapsed_before_the_change_is_not() {
    let lapsed = |at| {
        let given = given().when(start(), issue(FIRST));
        let given = given.patient(|patient| (patient.version, patient.void_before) = (4, 4));
        let mut given = given.when(day(8), Ask::Void { before: 4, reason: RevokeReason::EmailChanged });
        given.0.reissues = vec![Reissue { at, ..link(4, 0) }];
        given.issued_again()
    };
    assert_eq!(lapsed(day(6)), [FIRST]);
    assert_eq!(lapsed(day(7)), NOBODY);
}

#[test]
fn whoever_registered_or_was_erased_is_not_invited_again() {
    let registered = moved(4, &[link(4, 0)]).patient(|patient| patient.user_id = Some(USER));
    assert_eq!(registered.issued_again(), NOBODY);
    let erased = moved(4, &[link(4, 0)]).patient(|patient| patient.status = PatientStatus::Erased);
    assert_eq!(erased.issued_again(), NOBODY);
}
