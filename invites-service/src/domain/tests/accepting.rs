use super::*;
use shared_events::invite::InviteStatus;

fn issued() -> Given {
    given().when(start(), issue(FIRST))
}

#[test]
fn a_right_fact_is_said_once_per_link() {
    assert_eq!(issued().then(start(), prove(FIRST, born())), [(FIRST, "InviteVerified")]);
    let proved = issued().when(start(), prove(FIRST, born()));
    assert_eq!(proved.then(start(), prove(FIRST, born())), []);
}

#[test]
fn the_fact_is_the_first_that_is_on_record() {
    let last_name = || Fact::LastName("  o'HARA ".into());
    let email = || Fact::Email("eve@EXAMPLE.org".into());
    let verified = [(FIRST, "InviteVerified")];
    let failed = [(FIRST, "InviteVerificationFailed")];
    assert_eq!(issued().then(start(), prove(FIRST, last_name())), failed, "true, but not what is asked");
    let no_date = || issued().patient(|patient| patient.date_of_birth = None);
    assert_eq!(no_date().then(start(), prove(FIRST, last_name())), verified);
    assert_eq!(no_date().then(start(), prove(FIRST, email())), failed);
    let no_name = || no_date().patient(|patient| patient.last_name = Some(String::new()));
    assert_eq!(no_name().then(start(), prove(FIRST, email())), verified);
    assert_eq!(no_name().then(start(), prove(FIRST, last_name())), failed);
}

#[test]
fn five_wrong_facts_lock_and_a_right_one_comes_too_late() {
    let given = (0..4).fold(issued(), |given, _| given.when(start(), prove(FIRST, wrong())));
    assert_eq!(
        given.then(start(), prove(FIRST, wrong())),
        [(FIRST, "InviteVerificationFailed"), (FIRST, "InviteLocked")]
    );
    let locked = given.when(start(), prove(FIRST, wrong()));
    assert_eq!(locked.invite(FIRST).failed_attempts, 5);
    assert_eq!(locked.invite(FIRST).facts.status, InviteStatus::Pending);
    for fact in [born(), wrong()] {
        assert_eq!(locked.refused(start(), prove(FIRST, fact)), Refusal::NotAccepted);
    }
}

#[test]
fn how_an_invite_ended_is_told_after_the_fact_and_not_before() {
    let ended: [(Given, DateTime<Utc>, Refusal); 4] = [
        (issued(), day(7), Refusal::Expired),
        (issued().when(start(), revoke(FIRST)), start(), Refusal::Revoked),
        (issued().when(start(), accept(FIRST, born())), start(), Refusal::AlreadyAccepted),
        (issued().patient(|p| p.status = PatientStatus::Inactive), start(), Refusal::PatientInactive),
    ];
    for (given, at, refusal) in ended {
        assert_eq!(given.then(at, prove(FIRST, wrong()))[0], (FIRST, "InviteVerificationFailed"));
        assert_eq!(given.refused(at, prove(FIRST, born())), refusal);
        assert_eq!(given.refused(at, accept(FIRST, born())), refusal);
    }
}

#[test]
fn wrong_facts_about_an_ended_invite_are_counted_and_its_status_stays() {
    let given = issued().when(start(), revoke(FIRST));
    let locked = (0..5).fold(given, |given, _| given.when(start(), prove(FIRST, wrong())));
    assert_eq!(locked.invite(FIRST).facts.status, InviteStatus::Revoked);
    assert_eq!(locked.refused(start(), prove(FIRST, born())), Refusal::NotAccepted);
}

#[test]
fn accepting_makes_a_login_and_takes_the_others_back() {
    let given =
        given().policy(OpenInvitePolicy::Allow).when(start(), issue(FIRST)).when(day(3), issue(SECOND));
    let then = [
        (FIRST, "InviteVerified"),
        (USER, "AccountRegistered"),
        (FIRST, "InviteAccepted"),
        (SECOND, "InviteRevoked"),
    ];
    assert_eq!(given.then(day(4), accept(FIRST, born())), then);
    let given = given.when(day(4), accept(FIRST, born()));
    assert_eq!(given.invite(SECOND).reason.map(|reason| reason.as_str()), Some("accepted_elsewhere"));
    assert_eq!(given.refused(day(4), issue(Uuid::from_u128(13))), Refusal::PatientAlreadyRegistered);
}

#[test]
fn the_login_of_the_address_gets_one_more_patient() {
    let given = issued().account(4);
    assert_eq!(given.then(start(), link(FIRST, 4))[1], (USER, "AccountLinked"));
    assert_eq!(given.refused(start(), link(FIRST, 3)), Refusal::LoginMoved, "it moved on");
    assert_eq!(given.refused(start(), accept(FIRST, born())), Refusal::LoginMoved, "it came");
    assert_eq!(issued().refused(start(), link(FIRST, 4)), Refusal::LoginMoved, "it went");
}

#[test]
fn a_login_beside_others_is_made_only_where_it_may_be() {
    let own = |user_id: u128| {
        let login = Login::Register { user_id: Uuid::from_u128(user_id), hash: String::new(), own: true };
        Ask::Accept { invite: FIRST, issue_no: 1, fact: born(), login, names: GivenNames::default() }
    };
    let mut given = issued().account(1);
    assert_eq!(given.refused(start(), own(77)), Refusal::LoginMoved, "nobody shares");
    given.0.settings.allow_shared_email = true;
    assert_eq!(given.refused(start(), own(77)), Refusal::LoginMoved, "no other patient has the address");
    given.0.logins.shared = true;
    assert_eq!(given.then(start(), own(77))[1], (Uuid::from_u128(77), "AccountRegistered"));
    assert_eq!(given.then(start(), link(FIRST, 1))[1], (USER, "AccountLinked"), "or whose password it is");
    given.0.logins.at_address.clear();
    assert_eq!(given.refused(start(), own(77)), Refusal::LoginMoved, "there is none it could stand beside");
}

#[test]
fn a_wrong_fact_makes_no_login() {
    let then = issued().then(start(), accept(FIRST, wrong()));
    assert_eq!(then, [(FIRST, "InviteVerificationFailed")]);
}

#[test]
fn names_are_taken_where_none_are_on_record() {
    let names = GivenNames { first_name: Some("Ada".into()), last_name: Some("Lovelace".into()) };
    let with_names = |given: &Given, fact: Fact| {
        let Ask::Accept { invite, issue_no, login, .. } = accept(FIRST, fact.clone()) else { unreachable!() };
        let ask = Ask::Accept { invite, issue_no, fact, login, names: names.clone() };
        let said = decide(&given.0, &ask, start()).expect("accepted");
        said.into_iter().find_map(|one| match one.event {
            Event::InviteAccepted(accepted) => accepted.personal,
            _ => None,
        })
    };
    assert_eq!(with_names(&issued(), born()), None);
    let nameless = issued().patient(|patient| {
        patient.date_of_birth = None;
        patient.first_name = Some(String::new());
        patient.last_name = None;
    });
    let given = with_names(&nameless, Fact::Email("eve@example.org".into())).expect("names");
    assert_eq!(given.known(), Some(&names));
}

#[test]
fn an_erased_patient_has_nothing_to_prove() {
    let erased = issued().patient(|patient| {
        patient.status = PatientStatus::Erased;
        patient.email = None;
        patient.date_of_birth = None;
        patient.last_name = None;
    });
    for fact in [born(), Fact::LastName(String::new()), Fact::Email(String::new())] {
        assert_eq!(erased.refused(start(), prove(FIRST, fact)), Refusal::NotAccepted);
    }
}
