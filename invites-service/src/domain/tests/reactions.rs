use super::*;
use shared_events::invite::RevokeReason;

fn void(before: i64) -> Ask {
    Ask::Void { before, reason: RevokeReason::EmailChanged }
}

#[test]
fn invites_made_from_an_older_record_are_void_and_newer_ones_are_not() {
    // The patient stands at version 3.
    let given = given().when(start(), issue(FIRST));
    assert_eq!(given.then(start(), void(3)), []);
    assert_eq!(given.then(start(), void(4)), [(FIRST, "InviteRevoked")]);
    let given = given.when(start(), void(4));
    assert_eq!(given.then(start(), void(4)), [], "once");
    assert_eq!(given.invite(FIRST).reason, Some(RevokeReason::EmailChanged));
}

#[test]
fn what_has_ended_is_left_alone() {
    let given = given().when(start(), issue(FIRST)).when(start(), accept(FIRST, born()));
    assert_eq!(given.then(start(), void(i64::MAX)), []);
}

#[test]
fn what_has_lapsed_is_said_to_have_once() {
    let expire = || Ask::Expire { invite: FIRST };
    let given = given().when(start(), issue(FIRST));
    assert_eq!(given.then(day(7) - TimeDelta::microseconds(1), expire()), []);
    assert_eq!(given.then(day(7), expire()), [(FIRST, "InviteExpired")]);
    let given = given.when(day(7), expire());
    assert_eq!(given.then(day(8), expire()), []);
    assert_eq!(given.then(day(8), Ask::Expire { invite: SECOND }), []);
}
