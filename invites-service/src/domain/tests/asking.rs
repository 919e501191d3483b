use super::*;
use crate::domain::account::may_make_own;
use crate::domain::reset::{LIVES, Standing};
use shared_events::patient::PatientStatus;
use std::time::Duration;

fn ask(invite: Uuid) -> Ask {
    Ask::RequestLink { invite }
}

/// The invites that were asked for, and whether a link goes out.
fn asked(given: &Given, at: DateTime<Utc>, invite: Uuid) -> Vec<(Uuid, bool)> {
    let said = decide(&given.0, &ask(invite), at).expect("never refused");
    let granted = |one: Said| match one.event {
        Event::LinkRequested(asked) => (one.stream, asked.granted),
        other => panic!("{other:?}"),
    };
    said.into_iter().map(granted).collect()
}

fn two() -> Given {
    given().policy(OpenInvitePolicy::Allow).when(start(), issue(FIRST)).when(day(1), issue(SECOND))
}

#[test]
fn an_open_invite_is_sent_again() {
    assert_eq!(asked(&two(), day(2), FIRST), [(FIRST, true)], "the one whose link they have");
    let newest = two().when(day(2), revoke(FIRST));
    assert_eq!(asked(&newest, day(2), FIRST), [(SECOND, true)], "else another that is open");
    let locked = (0..5).fold(two(), |given, _| given.when(day(2), prove(FIRST, wrong())));
    assert_eq!(asked(&locked, day(2), FIRST), [(SECOND, true)], "a locked one is of no use");
}

#[test]
fn what_cannot_be_sent_asks_for_help_once_a_day() {
    let once = || given().when(start(), issue(FIRST));
    let ends: [(Given, DateTime<Utc>); 5] = [
        (once(), day(7)),
        (once().when(start(), revoke(FIRST)), start()),
        (once().when(start(), accept(FIRST, born())), start()),
        (once().patient(|patient| patient.status = PatientStatus::Inactive), start()),
        ((0..5).fold(once(), |given, _| given.when(start(), prove(FIRST, wrong()))), start()),
    ];
    for (given, at) in ends {
        assert_eq!(asked(&given, at, FIRST), [(FIRST, false)]);
        let waits = given.when(at, ask(FIRST));
        assert_eq!(waits.invite(FIRST).help_requested_at, Some(at));
        assert_eq!(asked(&waits, at + TimeDelta::hours(23), FIRST), []);
        assert_eq!(asked(&waits, at + TimeDelta::hours(24), FIRST), [(FIRST, false)]);
    }
}

#[test]
fn over_the_limit_help_is_asked_for_and_a_new_link_ends_it() {
    let mut given = given().when(start(), issue(FIRST));
    given.0.full = Some(("link.patient", Duration::from_secs(60)));
    assert_eq!(asked(&given, start(), FIRST), [(FIRST, false)]);
    let mut waits = given.when(start(), ask(FIRST));
    waits.0.full = None;
    let served = waits.when(start(), resend(FIRST));
    assert_eq!(served.invite(FIRST).help_requested_at, None);
}

#[test]
fn of_an_erased_patient_nothing_is_said() {
    let erased = two().patient(|patient| patient.status = PatientStatus::Erased);
    assert_eq!(asked(&erased, day(2), FIRST), []);
    assert_eq!(asked(&two(), day(2), Uuid::from_u128(99)), [(SECOND, true)]);
    assert_eq!(
        asked(&given(), day(2), Uuid::from_u128(99)),
        [],
        "who never had an invite has no place to wait"
    );
}

#[test]
fn a_limit_refuses_after_all_that_waiting_does_not_mend() {
    let full = Some(("invite.patient", Duration::from_secs(60)));
    let too_many = Refusal::TooMany { limit: "invite.patient", wait: Duration::from_secs(60) };
    let mut given = given().policy(OpenInvitePolicy::Reject).when(start(), issue(FIRST));
    given.0.full = full;
    assert_eq!(given.refused(start(), resend(FIRST)), too_many);
    assert_eq!(given.refused(start(), issue(SECOND)), too_many);
    assert_eq!(given.then(start(), issue(FIRST)), [], "the same command again");
    let archived = given.patient(|patient| patient.status = PatientStatus::Inactive);
    assert_eq!(archived.refused(start(), issue(SECOND)), Refusal::PatientInactive);
}

#[test]
fn a_login_of_ones_own_where_an_address_is_shared() {
    for (clinic, patients, logins, may) in [
        (true, true, 1, true),
        (true, false, 2, true),
        (true, true, 9, true),
        (true, true, 10, false),
        (true, false, 1, false),
        (true, true, 0, false),
        (false, true, 1, false),
        (false, true, 2, false),
    ] {
        assert_eq!(may_make_own(clinic, patients, logins), may, "{clinic} {patients} {logins}");
    }
}

#[test]
fn a_resets_link_is_dead_after_use_after_a_newer_one_and_after_its_time() {
    let place = |version| Place {
        stream: USER,
        account: AccountId::parse("clinic-1").expect("an id"),
        version,
        at: start(),
    };
    let first = shared_events::account::AccountPatient { patient_id: PATIENT, invite_id: None };
    let login = Standing::evolve(None, &place(1), &Event::AccountRegistered(first));
    assert_eq!(login.reset(0, start()), Err(Refusal::ResetEnded));
    let asked = |login: &Standing, at| {
        let event = login.request("t1", at);
        Standing::evolve(Some(login.clone()), &place(login.version + 1), &event)
    };
    let once = asked(&login, start());
    assert!(once.reset(1, start() + LIVES - TimeDelta::microseconds(1)).is_ok());
    assert_eq!(once.reset(1, start() + LIVES), Err(Refusal::ResetEnded));
    let twice = asked(&once, start());
    assert_eq!(twice.reset(1, start()), Err(Refusal::ResetEnded));
    let used = Standing::evolve(Some(twice.clone()), &place(4), &twice.reset(2, start()).expect("alive"));
    for number in 0..4 {
        assert_eq!(used.reset(number, start()), Err(Refusal::ResetEnded));
    }
    assert!(asked(&used, start()).reset(3, start()).is_ok());
}
