use super::*;
use shared_events::invite::InviteStatus;

#[test]
fn resending_makes_a_new_link_and_begins_the_expiry_again() {
    let given = given().when(start(), issue(FIRST)).when(day(6), resend(FIRST));
    let invite = given.invite(FIRST);
    assert_eq!((invite.facts.issue_no, invite.facts.expires_at), (2, day(13)));
    assert_eq!((invite.facts.issued_at, invite.token_key_id.as_str()), (start(), "t2"));
}

#[test]
fn the_old_link_lives_until_a_mail_with_the_new_one_is_queued() {
    let mut given = given().when(start(), issue(FIRST)).when(start(), resend(FIRST));
    assert!(given.invite(FIRST).is_live(1) && given.invite(FIRST).is_live(2));
    assert!(!given.invite(FIRST).is_live(0) && !given.invite(FIRST).is_live(3));
    if let Some(crate::domain::Stands::Known(invite)) = given.0.invites.get_mut(&FIRST) {
        invite.mailed_issue = 2;
    }
    assert!(!given.invite(FIRST).is_live(1) && given.invite(FIRST).is_live(2));
    assert_eq!(given.refused(start(), prove(FIRST, born())), Refusal::NotAccepted);
}

#[test]
fn without_mail_the_old_link_dies_at_once() {
    let Ask::Issue(mut ask) = issue(FIRST) else { unreachable!() };
    ask.send_email = false;
    let given = given().when(start(), Ask::Issue(ask)).when(start(), resend(FIRST));
    assert!(!given.invite(FIRST).is_live(1) && given.invite(FIRST).is_live(2));
}

#[test]
fn only_a_pending_invite_is_sent_again_or_taken_back() {
    let issued = || given().when(start(), issue(FIRST));
    let expired = Refusal::NotPending { status: InviteStatus::Expired };
    assert_eq!(issued().refused(day(7), resend(FIRST)), expired);
    assert_eq!(issued().refused(day(7), revoke(FIRST)), expired);
    let accepted = issued().when(start(), accept(FIRST, born()));
    let status = InviteStatus::Accepted;
    assert_eq!(accepted.refused(start(), resend(FIRST)), Refusal::NotPending { status });
    assert_eq!(accepted.refused(start(), revoke(FIRST)), Refusal::NotPending { status });
    assert_eq!(given().refused(start(), revoke(FIRST)), Refusal::NotFound);
}

#[test]
fn revoking_twice_is_revoking_once() {
    let given = given().when(start(), issue(FIRST)).when(start(), revoke(FIRST));
    assert_eq!(given.then(day(1), revoke(FIRST)), []);
}

#[test]
fn a_page_is_said_to_be_opened_once_per_link() {
    let given = given().when(start(), issue(FIRST));
    assert_eq!(given.then(start(), open(FIRST, 1)), [(FIRST, "InviteOpened")]);
    let given = given.when(start(), open(FIRST, 1));
    assert_eq!(given.then(start(), open(FIRST, 1)), []);
    let given = given.when(start(), resend(FIRST));
    assert_eq!(given.then(start(), open(FIRST, 2)), [(FIRST, "InviteOpened")]);
}

#[test]
fn whatever_cannot_be_used_opens_alike() {
    let issued = || given().when(start(), issue(FIRST));
    for unusable in [
        given(),
        issued().when(start(), revoke(FIRST)),
        issued().when(start(), accept(FIRST, born())),
        issued().patient(|patient| patient.status = PatientStatus::Inactive),
        (0..5).fold(issued(), |given, _| given.when(start(), prove(FIRST, wrong()))),
    ] {
        assert_eq!(unusable.refused(start(), open(FIRST, 1)), Refusal::NotAccepted);
    }
    assert_eq!(issued().refused(day(7), open(FIRST, 1)), Refusal::NotAccepted);
    assert_eq!(issued().refused(start(), open(FIRST, 2)), Refusal::NotAccepted);
}
