use super::*;
use crate::domain::Stands;
use shared_events::clinic::InviteSystem;

#[test]
fn an_invite_lapses_after_the_clinics_days_or_those_asked_for() {
    assert_eq!(given().when(start(), issue(FIRST)).invite(FIRST).facts.expires_at, day(7));
    let Ask::Issue(mut ask) = issue(FIRST) else { unreachable!() };
    ask.expiry_days = Some(90);
    assert_eq!(given().when(start(), Ask::Issue(ask)).invite(FIRST).facts.expires_at, day(90));
}

#[test]
fn supersede_takes_the_open_ones_back_and_issues() {
    let given =
        given().policy(OpenInvitePolicy::Allow).when(start(), issue(FIRST)).when(start(), issue(SECOND));
    let given = given.policy(OpenInvitePolicy::Supersede);
    let third = Uuid::from_u128(13);
    assert_eq!(
        given.then(day(1), issue(third)),
        [(FIRST, "InviteRevoked"), (SECOND, "InviteRevoked"), (third, "InviteIssued")]
    );
    let given = given.when(day(1), issue(third));
    assert_eq!(given.invite(FIRST).reason.map(|reason| reason.as_str()), Some("superseded"));
}

#[test]
fn allow_leaves_both_open_and_reject_names_the_open_one() {
    let given = given().policy(OpenInvitePolicy::Allow).when(start(), issue(FIRST));
    assert_eq!(given.then(start(), issue(SECOND)), [(SECOND, "InviteIssued")]);
    let given = given.policy(OpenInvitePolicy::Reject);
    assert_eq!(given.refused(start(), issue(SECOND)), Refusal::OpenInviteExists { invite: FIRST });
}

#[test]
fn a_lapsed_invite_is_no_open_one_and_ends_first() {
    for policy in [OpenInvitePolicy::Reject, OpenInvitePolicy::Supersede, OpenInvitePolicy::Allow] {
        let given = given().policy(policy).when(start(), issue(FIRST));
        assert_eq!(given.then(day(7), issue(SECOND)), [(FIRST, "InviteExpired"), (SECOND, "InviteIssued")]);
    }
}

#[test]
fn who_cannot_be_invited() {
    for (status, refusal) in [
        (PatientStatus::Active, Refusal::PatientAlreadyRegistered),
        (PatientStatus::Inactive, Refusal::PatientInactive),
        (PatientStatus::Erased, Refusal::PatientErased),
    ] {
        assert_eq!(
            given().patient(|patient| patient.status = status).refused(start(), issue(FIRST)),
            refusal
        );
    }
    assert_eq!(Given(Book::default()).refused(start(), issue(FIRST)), Refusal::PatientUnknown);
    let registered = given().patient(|patient| patient.user_id = Some(USER));
    assert_eq!(registered.refused(start(), issue(FIRST)), Refusal::PatientAlreadyRegistered);
}

#[test]
fn the_old_system_takes_no_new_invites() {
    let mut given = given().when(start(), issue(FIRST));
    given.0.settings.invite_system = InviteSystem::Legacy;
    assert_eq!(given.refused(start(), issue(SECOND)), Refusal::InviteSystemIsLegacy);
    assert_eq!(given.refused(start(), resend(FIRST)), Refusal::InviteSystemIsLegacy);
    given.0.settings.invite_system = InviteSystem::Parallel;
    assert_eq!(given.then(start(), issue(SECOND)).len(), 2);
}

#[test]
fn the_same_command_twice_issues_once() {
    let given = given().when(start(), issue(FIRST));
    assert_eq!(given.then(day(1), issue(FIRST)), []);
}

#[test]
fn what_an_import_asks_for_in_vain_is_an_event() {
    let Ask::Issue(mut ask) = issue(FIRST) else { unreachable!() };
    ask.import_id = Some(Uuid::from_u128(5));
    let given = given().patient(|patient| patient.status = PatientStatus::Active);
    assert_eq!(given.then(start(), Ask::Issue(ask.clone())), [(FIRST, "InviteRefused")]);
    let given = given.when(start(), Ask::Issue(ask.clone()));
    assert!(matches!(given.0.invites[&FIRST], Stands::Refused { version: 1, .. }));
    assert_eq!(given.then(start(), Ask::Issue(ask)), [], "an end: asked again, nothing more is said");
}
