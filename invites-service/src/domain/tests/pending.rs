use super::*;
use shared_events::invite::InviteStatus;

fn extend(days: u16) -> Ask {
    Ask::Extend { invite: FIRST, days }
}

fn unlock() -> Ask {
    Ask::Unlock { invite: FIRST }
}

fn locked(given: Given) -> Given {
    (0..5).fold(given, |given, _| given.when(start(), prove(FIRST, wrong())))
}

#[test]
fn more_time_moves_the_end_and_keeps_the_link() {
    let given = given().when(start(), issue(FIRST)).when(day(6), extend(10));
    let invite = given.invite(FIRST);
    assert_eq!((invite.facts.expires_at, invite.facts.issue_no), (day(17), 1));
    assert!(invite.is_live(1) && invite.is_open(day(17) - TimeDelta::microseconds(1)));
    // A new link runs as long as the first one did.
    let given = given.when(day(7), resend(FIRST));
    assert_eq!(given.invite(FIRST).facts.expires_at, day(14));
}

#[test]
fn a_link_works_for_ninety_days_at_most() {
    let given = given().when(start(), issue(FIRST));
    assert_eq!(given.then(start(), extend(83)), [(FIRST, "InviteExtended")]);
    assert_eq!(given.refused(start(), extend(84)), Refusal::ExpiryTooFar { latest: day(90) });
    // Ninety days begin anew with a new link.
    let given = given.when(day(5), resend(FIRST));
    assert_eq!(given.then(day(5), extend(83)), [(FIRST, "InviteExtended")]);
}

#[test]
fn only_an_open_invite_is_kept_going() {
    for ask in [extend(1), unlock(), Ask::ShowLink { invite: FIRST }] {
        assert_eq!(given().refused(start(), ask.clone()), Refusal::NotFound);
        let lapsed = given().when(start(), issue(FIRST)).refused(day(7), ask.clone());
        assert_eq!(lapsed, Refusal::NotPending { status: InviteStatus::Expired });
        let revoked = given().when(start(), issue(FIRST)).when(start(), revoke(FIRST)).refused(start(), ask);
        assert_eq!(revoked, Refusal::NotPending { status: InviteStatus::Revoked });
    }
}

#[test]
fn an_unlocked_invite_takes_five_more_facts() {
    let given = locked(given().when(start(), issue(FIRST)));
    assert_eq!(given.refused(start(), prove(FIRST, born())), Refusal::NotAccepted);
    assert_eq!(given.refused(start(), Ask::ShowLink { invite: FIRST }), Refusal::Locked);
    let given = given.when(start(), unlock());
    assert_eq!(given.then(start(), unlock()), [], "once");
    assert_eq!(given.then(start(), Ask::ShowLink { invite: FIRST }), []);
    assert_eq!(given.then(start(), prove(FIRST, born())), [(FIRST, "InviteVerified")]);
    let given = locked(given);
    assert!(given.invite(FIRST).locked_at.is_some());
}
