//! A clinic's register in one file, from upload to outcome.

use crate::common::client::at;
use crate::common::csv::{IGNORED, carry_out, counts, failures, file, import, outcome, row};
use crate::common::{Served, World, number, on_both_databases, until};
use patients_service::import::chunk::blocks;
use patients_service::import::worker::Stepped;
use serde_json::json;
use shared_runtime::fetch_all;

on_both_databases!(
    a_real_export_becomes_patients_and_its_other_columns_are_named,
    the_same_file_again_changes_nothing,
    a_row_that_says_something_else_is_skipped,
    bad_rows_are_reported_by_number_and_good_ones_stay,
    an_import_goes_on_where_another_service_left_it,
    the_worker_carries_out_what_is_uploaded,
    an_import_says_how_far_it_is,
    rows_are_sealed_and_gone_when_done,
    an_imported_patient_is_one_like_any_other,
    two_workers_make_each_patient_once,
    staff_and_an_import_meet_at_the_same_patients,
);

async fn a_real_export_becomes_patients_and_its_other_columns_are_named(world: World) {
    let served = world.serve().await;
    let done = import(&served, file((0..40).map(row))).await;
    assert_eq!((done["read"].as_i64(), counts(&done)), (Some(40), [40, 0, 0, 0]));
    assert_eq!(done["ignored_columns"], json!(IGNORED));
    assert_eq!(done["errors"], json!([]));
    let found = served.staff().all("/api/patients?search=mrn-17").await;
    let expected = json!({
        "email": "imported17@example.org", "first_name": "Given17", "last_name": "Family17",
        "phone": "+44 20 7946 0017", "external_id": "mrn-17", "date_of_birth": "1917-06-18", "status": "pending",
    });
    for (field, value) in expected.as_object().unwrap() {
        assert_eq!(&found[0][field], value);
    }
}

async fn the_same_file_again_changes_nothing(world: World) {
    let served = world.serve().await;
    let register = file((0..30).map(row));
    assert_eq!(counts(&import(&served, register.clone()).await), [30, 0, 0, 0]);
    assert_eq!(counts(&import(&served, register).await), [0, 30, 0, 0]);
    assert_eq!(number!(served, "select count(*) from events"), 30);
    // The same in another clinic is another register.
    let stranger = served.stranger().upload(file((0..3).map(row))).await.is(202).id();
    carry_out(&served).await;
    assert_eq!(counts(&outcome(&served.stranger(), stranger).await), [3, 0, 0, 0]);
}

async fn a_row_that_says_something_else_is_skipped(world: World) {
    let served = world.serve().await;
    import(&served, file((0..5).map(row))).await;
    let changed = (0..5).map(|number| match number {
        1 => row(1).replace("7946 0001", "7946 9999"),
        3 => row(3).replace("imported3@", "moved3@"),
        _ => row(number),
    });
    assert_eq!(counts(&import(&served, file(changed)).await), [0, 3, 2, 0]);
    // What a row leaves empty it does not say.
    let emptier = (0..5).map(|number| row(number).replace(&format!("+44 20 7946 {number:04}"), ""));
    assert_eq!(counts(&import(&served, file(emptier)).await), [0, 5, 0, 0]);
    assert_eq!(number!(served, "select count(*) from events"), 5);
}

async fn bad_rows_are_reported_by_number_and_good_ones_stay(world: World) {
    let served = world.serve().await;
    let rows = (1..=6).map(|number| match number {
        2 => row(2).replace("imported2@example.org", "no address"),
        4 => row(4).replace("Given4", " ").replace("1904-05-05", "1904-02-31"),
        5 => row(5).replace("Family5", "Fam\"\"ily").replace("Fam", "\"Fam").replace("ily", "ily\nTwo\""),
        _ => row(number),
    });
    let done = import(&served, file(rows)).await;
    assert_eq!(counts(&done), [3, 0, 0, 3]);
    let failures = failures(&done);
    assert_eq!(failures.iter().map(|(row, _)| *row).collect::<Vec<_>>(), [2, 4, 5]);
    assert!(failures[0].1.starts_with("email "), "{failures:?}");
    assert!(failures[1].1.contains("first_name") && failures[1].1.contains("date_of_birth"), "{failures:?}");
    assert!(failures[2].1.starts_with("last_name "), "{failures:?}");
    for secret in ["no address", "1904-02-31", "Fam"] {
        assert!(!done.to_string().contains(secret), "{done}");
    }
    assert_eq!(served.staff().all("/api/patients").await.len(), 3);
}

async fn an_import_goes_on_where_another_service_left_it(world: World) {
    let served = world.serve().await;
    let id = served.staff().upload(file((0..1200).map(row))).await.is(202).id();
    assert_eq!(served.service.import_worker().step().await.unwrap(), Stepped::Rows(500));
    served.close().await;

    let served = world.serve().await;
    let halfway = served.staff().get(&format!("/api/imports/{id}")).await.is(200).body;
    assert_eq!((&halfway["state"], counts(&halfway)), (&json!("running"), [500, 0, 0, 0]));
    carry_out(&served).await;
    assert_eq!(counts(&outcome(&served.staff(), id).await), [1200, 0, 0, 0]);
    assert_eq!(number!(served, "select count(*) from patients"), 1200);
    assert_eq!(number!(served, "select count(*) from events"), 1200);
    assert_eq!(number!(served, "select count(*) from claims"), 2400);
}

async fn the_worker_carries_out_what_is_uploaded(world: World) {
    let served = world.work().await;
    let mut ids = Vec::new();
    for start in [0, 10, 20] {
        ids.push(served.staff().upload(file((start..start + 10).map(row))).await.is(202).id());
    }
    for id in ids {
        assert_eq!(counts(&outcome(&served.staff(), id).await), [10, 0, 0, 0]);
    }
    until("every event on the bus", || async {
        (number!(served, "select published from relay") == 30).then_some(())
    })
    .await;
    served.close().await;
}

async fn an_import_says_how_far_it_is(world: World) {
    let served = world.serve().await;
    let reply = served.staff().upload(file((0..3).map(row))).await.is(202);
    let path = reply.headers["location"].to_str().unwrap();
    assert_eq!(path, format!("/api/imports/{}", reply.id()));
    let waiting = served.viewer().get(path).await.is(200).body;
    let brief = (&waiting["state"], &waiting["read"], counts(&waiting));
    assert_eq!(brief, (&json!("running"), &json!(3), [0, 0, 0, 0]));
    assert!(waiting.get("finished_at").is_none());
}

async fn sealed_rows(served: &Served) -> Vec<Vec<u8>> {
    let mut reader = served.service.core().db.read().await.unwrap();
    let chunks = fetch_all!(
        reader.conn(),
        (Vec<u8>,),
        "select sealed from import_chunks order by import_id, chunk_no"
    );
    let chunks = chunks.unwrap();
    chunks.iter().flat_map(|(sealed,)| blocks(sealed).into_iter().map(<[u8]>::to_vec)).collect()
}

async fn rows_are_sealed_and_gone_when_done(world: World) {
    let served = world.serve().await;
    let rows =
        (0..3).map(|number| if number == 1 { row(1).replace("imported1@", "none ") } else { row(number) });
    let id = served.staff().upload(file(rows)).await.is(202).id();
    for sealed in sealed_rows(&served).await {
        assert!(!sealed.is_empty());
        let text = String::from_utf8_lossy(&sealed).into_owned();
        assert!(!["Given", "Family", "example", "mrn", "7946"].iter().any(|word| text.contains(word)));
    }
    carry_out(&served).await;
    assert_eq!(counts(&outcome(&served.staff(), id).await), [2, 0, 0, 1]);
    // The failed row stays, to be tried again.
    let kept: Vec<bool> = sealed_rows(&served).await.iter().map(|sealed| !sealed.is_empty()).collect();
    assert_eq!(kept, [false, true, false]);
    let columns = number!(served, "select count(*) from imports where columns is not null");
    assert_eq!(columns, 1);
}

async fn an_imported_patient_is_one_like_any_other(world: World) {
    let served = world.serve().await;
    import(&served, file([row(1)])).await;
    let id = served.staff().all("/api/patients").await[0]["id"].as_str().unwrap().parse().unwrap();
    served.staff().patch(&at(id), "\"1\"", &json!({ "phone": null })).await.is(200);
    let history = served.staff().get(&format!("{}/history", at(id))).await.is(200).body;
    assert_eq!(history["items"][0]["actor"], "staff:staff-1");
    served.staff().delete(&at(id), "\"2\"").await.is(200);
    // Matches are made among live patients only.
    assert_eq!(counts(&import(&served, file([row(1)])).await), [1, 0, 0, 0]);
    served.staff().post(&format!("{}/restore", at(id)), &json!({})).await.refused(409, "email_taken");
}

async fn two_workers_make_each_patient_once(world: World) {
    let served = world.serve().await;
    let ids = [
        served.staff().upload(file((0..600).map(row))).await.is(202).id(),
        served.staff().upload(file((300..900).map(row))).await.is(202).id(),
    ];
    let carry_out = || {
        let worker = served.service.import_worker();
        tokio::spawn(async move {
            // A batch that met the other's is done again, as the supervised worker would.
            while !matches!(worker.step().await, Ok(Stepped::Idle)) {}
        })
    };
    let (one, other) = (carry_out(), carry_out());
    one.await.unwrap();
    other.await.unwrap();
    let mut created = 0;
    for id in ids {
        let done = outcome(&served.staff(), id).await;
        assert_eq!(counts(&done)[2..], [0, 0]);
        created += counts(&done)[0];
    }
    assert_eq!((created, number!(served, "select count(*) from patients")), (900, 900));
}

async fn staff_and_an_import_meet_at_the_same_patients(world: World) {
    let served = world.work().await;
    let id = served.staff().upload(file((0..1500).map(row))).await.is(202).id();
    let mut asked = tokio::task::JoinSet::new();
    for number in (0..1500).step_by(50) {
        let staff = served.staff();
        let body = json!({
            "email": format!("imported{number}@example.org"), "first_name": "By", "last_name": "Hand",
        });
        asked.spawn(async move { staff.post("/api/patients", &body).await.status });
    }
    let by_hand = asked.join_all().await;
    assert!(by_hand.iter().all(|status| [201, 409].contains(status)), "{by_hand:?}");
    let by_hand = by_hand.into_iter().filter(|status| *status == 201).count() as i64;
    let done = outcome(&served.staff(), id).await;
    assert_eq!(counts(&done), [1500 - by_hand, 0, 0, by_hand]);
    assert!(failures(&done).iter().all(|(_, reason)| reason == "email_taken"), "{done}");
    assert_eq!(number!(served, "select count(*) from patients"), 1500);
    served.close().await;
}
