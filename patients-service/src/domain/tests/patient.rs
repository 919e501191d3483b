//! Every ask of a patient in every state.

use super::*;
use crate::domain::fields::ClaimKind;
use shared_events::patient::PatientStatus;

#[test]
fn a_new_patient_is_pending_and_holds_address_and_external_id() {
    let (_, after) = given(&[]).when(create()).then("PatientCreated");
    let patient = known(&after);
    assert_eq!(
        (patient.status, patient.version, patient.invites_void_before),
        (PatientStatus::Pending, 1, 0)
    );
    assert_eq!(patient.details, draft().details());
    let claims: Vec<(ClaimKind, String)> = after.claims().into_iter().map(|c| (c.kind, c.value)).collect();
    let expected = [(ClaimKind::Email, "ada@example.org"), (ClaimKind::ExternalId, "MRN-1")];
    assert_eq!(claims, expected.map(|(kind, value)| (kind, value.to_owned())));
}

#[test]
fn a_creation_repeated_says_nothing() {
    given(&[create()]).when(create()).says_nothing();
}

#[test]
fn an_absent_patient_cannot_be_asked_anything_else() {
    for ask in [change(Patch::default()), archive(), Ask::Restore, activate(USER)] {
        given(&[]).when(ask).refused(Refusal::NotFound);
    }
}

#[test]
fn a_change_names_the_fields_that_changed_and_no_others() {
    let patch = Patch {
        first_name: Some("Ada".into()),
        last_name: Some("King".into()),
        phone: Some(None),
        notes: Some(None),
        preferred_language: Some(Some("de".into())),
        clinician_id: Some(Some("dr-1".into())),
        ..Patch::default()
    };
    let (event, after) = given(&[create()]).when(change(patch)).then("PatientUpdated");
    assert_eq!(changed(&event), ["last_name", "phone", "preferred_language"]);
    assert_eq!(known(&after).details.phone, None);
    assert_eq!((known(&after).version, known(&after).updated_at), (2, NOON + TimeDelta::seconds(2)));
    assert_eq!(known(&after).created_at, NOON + TimeDelta::seconds(1));
}

#[test]
fn a_change_to_what_is_there_says_nothing() {
    for patch in [Patch::default(), Patch::from(draft())] {
        given(&[create()]).when(change(patch)).says_nothing();
    }
}

#[test]
fn a_new_address_voids_invites_made_before_it() {
    let (event, after) = given(&[create()]).when(moved("new@example.org")).then("PatientUpdated");
    assert_eq!(changed(&event), ["email"]);
    assert_eq!(known(&after).invites_void_before, 2);
    let (_, later) =
        Given(after).when(change(Patch { phone: Some(None), ..Patch::default() })).then("PatientUpdated");
    assert_eq!((known(&later).version, known(&later).invites_void_before), (3, 2));
}

#[test]
fn an_address_in_other_letters_voids_nothing() {
    let (event, after) = given(&[create()]).when(moved("ada@example.ORG")).then("PatientUpdated");
    assert_eq!((changed(&event), known(&after).invites_void_before), (vec!["email"], 0));
}

#[test]
fn invites_are_issued_again_only_where_the_address_moved() {
    for (to, reissued) in [("new@example.org", true), ("ada@example.ORG", false)] {
        let patch = Patch { email: Some(email(to)), ..Patch::default() };
        let ask = Ask::Change { patch: Box::new(patch), reissue_invites: true, import_id: None };
        let (event, _) = given(&[create()]).when(ask).then("PatientUpdated");
        assert!(
            matches!(event, Event::PatientUpdated(updated) if updated.reissue_invites == reissued),
            "{to}"
        );
    }
}

#[test]
fn an_archived_patient_is_inactive_holds_nothing_and_voids_invites() {
    let (_, after) = given(&[create()]).when(archive()).then("PatientArchived");
    let patient = known(&after);
    assert_eq!((patient.status, patient.invites_void_before), (PatientStatus::Inactive, 2));
    assert!(after.claims().is_empty());
    assert_eq!(patient.details, draft().details());
}

#[test]
fn archiving_twice_and_restoring_the_living_say_nothing() {
    given(&[create(), archive()]).when(archive()).says_nothing();
    given(&[create()]).when(Ask::Restore).says_nothing();
    given(&[create(), archive(), Ask::Restore]).when(Ask::Restore).says_nothing();
}

#[test]
fn an_archived_patient_cannot_be_changed() {
    for patch in [Patch::default(), Patch::from(draft()), Patch { phone: Some(None), ..Patch::default() }] {
        given(&[create(), archive()]).when(change(patch)).refused(Refusal::Archived);
    }
}

#[test]
fn a_restored_patient_is_what_it_was() {
    let (_, after) = given(&[create(), archive()]).when(Ask::Restore).then("PatientRestored");
    let patient = known(&after);
    // Invites of the time before the archive stay void.
    assert_eq!((patient.status, patient.invites_void_before), (PatientStatus::Pending, 2));
    assert_eq!(after.claims().len(), 2);
    let (_, after) = given(&[create(), activate(USER), archive()]).when(Ask::Restore).then("PatientRestored");
    assert_eq!(known(&after).status, PatientStatus::Active);
}

#[test]
fn an_undone_import_names_itself_and_only_where_it_made_the_patient() {
    let undone = || Ask::Archive { reason: ArchiveReason::ImportUndone };
    for (made, ask, named) in
        [(imported(), undone(), Some(IMPORT)), (imported(), archive(), None), (create(), undone(), None)]
    {
        let (event, _) = given(&[made]).when(ask).then("PatientArchived");
        assert!(matches!(event, Event::PatientArchived(archived) if archived.import_id == named));
    }
}

#[test]
fn an_acceptance_makes_a_pending_patient_active() {
    let (_, after) = given(&[create()]).when(activate(USER)).then("PatientActivated");
    assert_eq!((known(&after).status, known(&after).user_id), (PatientStatus::Active, Some(USER)));
    assert_eq!(after.claims().len(), 2);
}

#[test]
fn an_acceptance_repeated_says_nothing_whatever_came_after_it() {
    given(&[create(), activate(USER)]).when(activate(USER)).says_nothing();
    given(&[create(), activate(USER), archive()]).when(activate(USER)).says_nothing();
    given(&[create(), archive(), activate(USER)]).when(activate(USER)).says_nothing();
    given(&[create(), activate(USER), archive(), Ask::Restore]).when(activate(USER)).says_nothing();
}

#[test]
fn an_acceptance_links_an_archived_patient_and_leaves_it_archived() {
    let (_, after) = given(&[create(), archive()]).when(activate(USER)).then("PatientActivated");
    assert_eq!((known(&after).status, known(&after).user_id), (PatientStatus::Inactive, Some(USER)));
    assert!(after.claims().is_empty());
}

#[test]
fn an_acceptance_by_another_login_links_that_one() {
    let (_, after) = given(&[create(), activate(USER)]).when(activate(OTHER_USER)).then("PatientActivated");
    assert_eq!(known(&after).user_id, Some(OTHER_USER));
}

#[test]
fn of_an_erased_patient_nothing_is_left_to_ask() {
    let gone = || given(&[create()]).and(&erased());
    for ask in [create(), change(Patch::default()), archive(), Ask::Restore] {
        gone().when(ask).refused(Refusal::Erased { at: NOON });
    }
    gone().when(activate(USER)).says_nothing();
    assert_eq!((gone().0.version(), gone().0.claims().len()), (2, 0));
    assert!(gone().0.known().is_none());
}

#[test]
fn a_record_whose_key_is_gone_reads_as_erased() {
    let event = decide(&Patient::Absent, &create()).expect("granted").expect("created");
    let Event::PatientCreated(mut created) = event else { panic!("created") };
    created.record.personal = Secret::Erased;
    let patient = Patient::Absent.evolve(&place(1), &Event::PatientCreated(created));
    assert!(matches!(patient, Patient::Erased { version: 1, .. }));
}

#[test]
fn a_record_taken_over_without_names_is_completed_by_them() {
    let incomplete = || given(&[]).and(&taken_over("ada@example.org"));
    assert!(known(&incomplete().0).incomplete);
    let only_phone = change(Patch { phone: Some(None), ..Patch::default() });
    let (event, after) = incomplete().when(only_phone).then("PatientUpdated");
    assert_eq!((changed(&event), known(&after).incomplete), (vec!["phone"], true));
    let one_name = change(Patch { first_name: Some("Ada".into()), ..Patch::default() });
    assert!(known(&incomplete().when(one_name).then("PatientUpdated").1).incomplete);
    let (event, after) = incomplete().when(change(Patch::from(draft()))).then("PatientUpdated");
    assert!(!known(&after).incomplete);
    assert!(changed(&event).contains(&"incomplete"));
}

#[test]
fn an_address_that_is_none_claims_nothing_but_the_external_id_is_still_held() {
    let claims = given(&[]).and(&taken_over("no address")).0.claims();
    assert_eq!(claims.iter().map(|claim| claim.kind).collect::<Vec<_>>(), [ClaimKind::ExternalId]);
}
