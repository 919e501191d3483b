//! Whatever is asked, and in whatever order events come.

use super::*;
use proptest::prelude::*;
use shared_events::patient::PatientStatus;

fn any_ask() -> impl Strategy<Value = Ask> {
    let address = prop_oneof![Just("ada@example.org"), Just("ADA@example.org"), Just("new@example.org")];
    let text = prop_oneof![Just(None), Just(Some("one".to_owned())), Just(Some("two".to_owned()))];
    let change = (proptest::option::of(address), proptest::option::of(text.clone()), text, any::<bool>())
        .prop_map(|(address, phone, first_name, reissue_invites)| {
            let patch = Patch { email: address.map(email), phone, first_name, ..Patch::default() };
            Ask::Change { patch: Box::new(patch), reissue_invites, import_id: None }
        });
    prop_oneof![
        1 => Just(create()),
        1 => Just(imported()),
        4 => change,
        2 => prop_oneof![Just(ArchiveReason::Staff), Just(ArchiveReason::ImportUndone)]
            .prop_map(|reason| Ask::Archive { reason }),
        2 => Just(Ask::Restore),
        2 => prop_oneof![Just(USER), Just(OTHER_USER)].prop_map(activate),
    ]
}

proptest! {
    #[test]
    fn whatever_is_asked_the_log_tells_the_state(asks in prop::collection::vec(any_ask(), 0..30), last in any::<bool>()) {
        let mut patient = Patient::Absent;
        let mut log: Vec<(Place, Event)> = Vec::new();
        for ask in asks {
            let version = patient.version();
            let Ok(Some(event)) = decide(&patient, &ask) else { continue };
            let place = place(version + 1);
            patient = patient.evolve(&place, &event);
            prop_assert_eq!(patient.version(), version + 1);
            prop_assert_eq!(&decide(&patient, &ask).ok().flatten(), &None, "asked again, {:?} says more", ask);
            log.push((place, event));
        }
        if last && patient.known().is_some() {
            let place = place(patient.version() + 1);
            patient = patient.evolve(&place, &erased());
            log.push((place, erased()));
        }
        let stored: Vec<(Place, Event)> = log
            .iter()
            .map(|(place, event)| {
                let kind = event.kind();
                let read = Event::from_data(kind.name, kind.version, event.to_data()).expect("read");
                (place.clone(), read)
            })
            .collect();
        let told = stored.iter().fold(Patient::Absent, |patient, (place, event)| patient.evolve(place, event));
        prop_assert_eq!(&told, &patient);
        let live = patient.known().is_some_and(|known| known.status.is_live());
        prop_assert_eq!(patient.claims().is_empty(), !live);
        if let Some(known) = patient.known() {
            prop_assert!(known.invites_void_before <= known.version);
            prop_assert_eq!(known.status == PatientStatus::Active, live && known.user_id.is_some());
        }
    }

    #[test]
    fn events_in_no_order_at_all_never_panic(asks in prop::collection::vec(any_ask(), 0..12), seed in any::<u64>()) {
        let mut patient = Patient::Absent;
        let mut events = vec![erased(), taken_over("ada@example.org")];
        for ask in &asks {
            if let Ok(Some(event)) = decide(&patient, ask) {
                patient = apply(patient, &event);
                events.push(event);
            }
        }
        let turn = usize::try_from(seed % events.len() as u64).expect("small");
        events.rotate_left(turn);
        let odd = events.iter().fold(Patient::Absent, apply);
        for ask in &asks {
            let _ = decide(&odd, ask);
        }
        prop_assert_eq!(odd.version(), events.len() as i64);
    }
}
