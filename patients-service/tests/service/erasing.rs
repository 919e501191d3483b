//! Erasing: what is answered, what is left, and that a kill on the way changes nothing of it.

use crate::common::client::{Api, at, person};
use crate::common::csv::import;
use crate::common::{Served, World, number, on_both_databases};
use patients_service::eraser::Part;
use serde_json::{Value, json};
use shared_http::Role;
use shared_runtime::execute;
use shared_runtime::keys::Found;
use uuid::Uuid;

on_both_databases!(
    an_erased_patient_is_gone_from_every_answer,
    whoever_is_on_record_can_be_erased_and_once_is_enough,
    only_an_admin_of_the_clinic_erases_and_looks,
    a_kill_between_any_two_parts_is_healed_by_the_next_start,
    it_is_done_when_every_service_has_said_so,
    rows_of_imports_about_the_person_go_and_others_stay,
    a_dry_run_forgets_the_person,
    a_restored_key_database_is_told_again_what_was_destroyed,
    a_restored_database_is_told_again_who_was_erased,
    without_the_file_of_erasures_nothing_is_served,
);

async fn erase(api: &Api, id: Uuid) -> Value {
    api.post(&format!("{}/erase", at(id)), &json!({})).await.is(202).body
}

async fn look(served: &Served, erasure: &Value) -> Value {
    let path = format!("/api/erasures/{}", erasure["erasure_id"].as_str().unwrap());
    served.admin().get(&path).await.is(200).body
}

async fn key_of(served: &Served, id: Uuid) -> Uuid {
    let core = served.service.core();
    let mut reader = core.db.read().await.unwrap();
    core.log.load_one(reader.conn(), id).await.unwrap()[0].key.unwrap()
}

async fn is_destroyed(served: &Served, key: Uuid) -> bool {
    matches!(served.service.core().log.keys().find(&[key]).await.unwrap()[&key], Found::Erased)
}

async fn an_erased_patient_is_gone_from_every_answer(world: World) {
    let served = world.serve().await;
    let id = served.staff().create(&person(1)).await;
    served.staff().patch(&at(id), "*", &json!({ "phone": "020 7946 0018" })).await.is(200);
    let request = served.admin().post(&format!("{}/erase", at(id)), &json!({})).await.is(202);
    assert_eq!(
        request.headers["location"],
        format!("/api/erasures/{}", request.body["erasure_id"].as_str().unwrap())
    );
    assert_eq!((&request.body["patient_id"], &request.body["state"]), (&json!(id), &json!("running")));
    for _ in 0..2 {
        let gone = served.staff().get(&at(id)).await.refused(410, "patient_erased");
        assert_eq!((&gone["id"], &gone["erased_at"]), (&json!(id), &json!("2026-11-23T08:00:00+00:00")));
        for reply in [
            served.staff().put(&at(id), "*", &person(2)).await,
            served.staff().patch(&at(id), "*", &json!({ "phone": null })).await,
            served.staff().delete(&at(id), "*").await,
            served.staff().post(&format!("{}/restore", at(id)), &json!({})).await,
        ] {
            reply.refused(410, "patient_erased");
        }
        assert!(served.staff().all("/api/patients").await.is_empty());
        let history = served.staff().get(&format!("{}/history", at(id))).await.is(200);
        let events: Vec<_> =
            history.body["items"].as_array().unwrap().iter().map(|item| item["event"].clone()).collect();
        assert_eq!(events, ["PatientCreated", "PatientUpdated", "PatientErased"]);
        assert!(!history.text.contains("7946"));
        assert_eq!(history.body["items"][0]["changed"], json!(["email", "first_name", "last_name"]));
        let changes = &history.body["items"][1]["changes"];
        assert_eq!(changes, &json!([{ "field": "phone", "from": "erased", "to": "erased" }]));
        // The second time after the background has done its part.
        served.service.eraser().round().await.unwrap();
    }
    // Address and external id are free.
    served.staff().create(&person(1)).await;
}

async fn whoever_is_on_record_can_be_erased_and_once_is_enough(world: World) {
    let served = world.serve().await;
    let live = served.staff().create(&person(1)).await;
    let archived = served.staff().create(&person(2)).await;
    served.staff().delete(&at(archived), "*").await.is(200);
    for id in [live, archived] {
        let first = erase(&served.admin(), id).await;
        assert_eq!(erase(&served.admin(), id).await, first);
        let path = format!("{}/erase", at(id));
        let named = async || served.admin().post_as(&id.to_string(), &path, &json!({})).await.is(202).body;
        assert_eq!(named().await, named().await);
        served.service.eraser().round().await.unwrap();
        let again = erase(&served.admin(), id).await;
        assert_eq!(again["erasure_id"], first["erasure_id"]);
        assert!(again["services"][0]["completed_at"].is_string(), "{again}");
    }
    assert_eq!(number!(served, "select count(*) from events where type = 'PatientErased'"), 2);
    assert_eq!(number!(served, "select count(*) from events where type = 'ErasureRequested'"), 2);
    assert_eq!(number!(served, "select count(*) from events where type = 'ErasureCompleted'"), 2);
    assert_eq!(number!(served, "select count(*) from claims"), 0);
}

async fn only_an_admin_of_the_clinic_erases_and_looks(world: World) {
    let served = world.serve().await;
    let id = served.staff().create(&person(1)).await;
    let path = format!("{}/erase", at(id));
    for api in [served.staff(), served.viewer()] {
        api.post(&path, &json!({})).await.refused(403, "role_insufficient");
    }
    served.stranger().post(&path, &json!({})).await.refused(404, "not_found");
    served.admin().post(&format!("{}/erase", at(Uuid::nil())), &json!({})).await.refused(404, "not_found");
    served.staff().get(&at(id)).await.is(200);
    let erasure = erase(&served.by("clinic-1", "admin-2", Role::Admin), id).await;
    let erasure = format!("/api/erasures/{}", erasure["erasure_id"].as_str().unwrap());
    served.admin().get(&erasure).await.is(200);
    served.staff().get(&erasure).await.refused(403, "role_insufficient");
    served.stranger().get(&erasure).await.refused(404, "not_found");
    served.stranger().post(&path, &json!({})).await.refused(404, "not_found");
}

async fn a_kill_between_any_two_parts_is_healed_by_the_next_start(world: World) {
    for parts in 0..=Part::ALL.len() {
        let served = world.serve().await;
        let (id, row) = (served.staff().create(&person(parts)).await, person(parts));
        let key = key_of(&served, id).await;
        let taken = format!("email,first_name,last_name\n{},Given,\n", row["email"].as_str().unwrap());
        assert_eq!(import(&served, taken).await["failed"], 1);
        let erasure = erase(&served.admin(), id).await;
        let eraser = served.service.eraser();
        let open = eraser.open().await.unwrap().pop().unwrap();
        for part in &Part::ALL[..parts] {
            assert!(eraser.part(&open, *part).await.unwrap());
        }
        served.close().await;
        let served = world.serve().await;
        served.service.eraser().round().await.unwrap();
        assert!(served.service.eraser().open().await.unwrap().is_empty());
        assert!(is_destroyed(&served, key).await);
        assert!(look(&served, &erasure).await["services"][0]["completed_at"].is_string());
        assert_eq!(said(&served, &erasure).await, ["ErasureRequested", "ErasureCompleted"]);
        assert_eq!(number!(served, "select count(*) from erasures where traces is not null or open"), 0);
        assert_eq!(kept_rows(&served).await, 0);
        served.close().await;
    }
}

async fn said(served: &Served, erasure: &Value) -> Vec<String> {
    let core = served.service.core();
    let mut reader = core.db.read().await.unwrap();
    let id = erasure["erasure_id"].as_str().unwrap().parse().unwrap();
    let stream = core.log.load_one(reader.conn(), id).await.unwrap();
    stream.iter().map(|recorded| recorded.event.kind().name.to_owned()).collect()
}

/// How many rows of imports are kept, over all chunks.
async fn kept_rows(served: &Served) -> usize {
    let mut reader = served.service.core().db.read().await.unwrap();
    let chunks: Vec<(Vec<u8>,)> =
        shared_runtime::fetch_all!(reader.conn(), (Vec<u8>,), "select sealed from import_chunks").unwrap();
    let blocks = |sealed: &[u8]| {
        patients_service::import::chunk::blocks(sealed).iter().filter(|block| !block.is_empty()).count()
    };
    chunks.iter().map(|(sealed,)| blocks(sealed)).sum()
}

async fn it_is_done_when_every_service_has_said_so(world: World) {
    let served = world.serve().await;
    let erasure = erase(&served.admin(), served.staff().create(&person(1)).await).await;
    assert_eq!(look(&served, &erasure).await["state"], "running");
    crate::common::told::erasure_completed(&served, &erasure, "clinic-2").await;
    assert!(look(&served, &erasure).await["services"][1]["completed_at"].is_null(), "another clinic's");
    for _ in 0..2 {
        crate::common::told::erasure_completed(&served, &erasure, "clinic-1").await;
        assert!(look(&served, &erasure).await["services"][1]["completed_at"].is_string());
    }
    assert_eq!(look(&served, &erasure).await["state"], "running");
    served.service.eraser().round().await.unwrap();
    assert_eq!(look(&served, &erasure).await["state"], "done");
}

async fn rows_of_imports_about_the_person_go_and_others_stay(world: World) {
    let served = world.serve().await;
    let body = json!({ "email": "ada@example.org", "first_name": "Ada", "last_name": "Lovelace", "external_id": "MRN-7" });
    let ada = served.staff().create(&body).await;
    served.staff().patch(&at(ada), "*", &json!({ "email": "countess@example.org" })).await.is(200);
    let file = "email,first_name,last_name,external_id,date_of_birth\n\
                ADA@example.org,Other,Name,,never\n\
                x@example.org,Any,Body,mrn-7,never\n\
                y@example.org,ada,LOVELACE,,never\n\
                countess@example.org,,,,\n\
                z@example.org,Bob,Hope,,never\n\
                fine@example.org,Eve,Fine,,1990-02-03\n";
    let done = import(&served, file).await;
    assert_eq!((&done["failed"], &done["created"]), (&json!(5), &json!(1)), "{done}");
    erase(&served.admin(), ada).await;
    served.service.eraser().round().await.unwrap();
    assert_eq!(kept_rows(&served).await, 1);
    let path = format!("/api/imports/{}", done["id"].as_str().unwrap());
    let result = served.staff().get(&format!("{path}/result")).await.is(200).text;
    assert!(result.contains("z@example.org") && result.contains("nothing of the row is kept"), "{result}");
    for gone in ["ada@", "ADA@", "x@", "y@", "countess@"] {
        assert!(!result.contains(gone), "{gone} in {result}");
    }
    // Counts stay; and trying again takes what is there.
    served.staff().post(&format!("{path}/retry"), &json!({})).await;
    while served.service.import_worker().step().await.unwrap()
        != patients_service::import::worker::Stepped::Idle
    {}
    let again = served.staff().get(&path).await.is(200).body;
    assert_eq!((&again["failed"], &again["created"]), (&json!(5), &json!(1)), "{again}");
}

async fn a_dry_run_forgets_the_person(world: World) {
    let served = world.serve().await;
    let ada = served.staff().create(&person(1)).await;
    let file =
        "email,first_name,last_name\nperson1@example.org,Given1,Family001\nother@example.org,Some,Body\n";
    let request = served.admin().request(reqwest::Method::POST, "/api/patients/import?dry_run=true");
    served.admin().send(request.header("content-type", "text/csv").body(file)).await.is(202);
    served.service.import_worker().step().await.unwrap();
    assert_eq!(number!(served, "select count(*) from rehearsed_patients"), 2);
    erase(&served.admin(), ada).await;
    served.service.eraser().round().await.unwrap();
    assert_eq!(number!(served, "select count(*) from rehearsed_patients"), 1);
    assert_eq!(number!(served, "select count(*) from rehearsed_claims"), 1);
}

/// Puts a patient's key back, as a restored key database would, and forgets the last tombstones.
async fn a_restored_key_database_is_told_again_what_was_destroyed(world: World) {
    let served = world.serve().await;
    let id = served.staff().create(&person(1)).await;
    let key = key_of(&served, id).await;
    let keys_db = &served.service.core().keys_db;
    let mut reader = keys_db.read().await.unwrap();
    let sql = "select wrapped from data_keys where key_id = $1";
    let (wrapped,) = shared_runtime::fetch_one!(reader.conn(), (Vec<u8>,), sql, key).unwrap();
    drop(reader);
    erase(&served.admin(), id).await;
    served.service.eraser().round().await.unwrap();
    let mut tx = keys_db.begin().await.unwrap();
    execute!(
        tx.conn(),
        "update data_keys set wrapped = $2, erased_at = null where key_id = $1",
        key,
        &wrapped
    )
    .unwrap();
    execute!(tx.conn(), "delete from erased_keys").unwrap();
    tx.commit().await.unwrap();
    served.close().await;
    let served = world.serve().await;
    assert!(is_destroyed(&served, key).await);
    served.staff().get(&at(id)).await.refused(410, "patient_erased");
}

/// Takes a database back to before the erasure, on whose log the file of erasures insists.
async fn a_restored_database_is_told_again_who_was_erased(world: World) {
    let served = world.serve().await;
    let ada = served.staff().create(&person(1)).await;
    let key = key_of(&served, ada).await;
    let taken = "email,first_name,last_name\nperson1@example.org,Given,\n";
    import(&served, taken).await;
    // What an erasure leaves outside of this database, which is as it was restored.
    served.service.core().erasures.destroy(Uuid::from_u128(1), &[key]).await.unwrap();
    served.close().await;
    for _ in 0..2 {
        let served = world.serve().await;
        served.staff().get(&at(ada)).await.refused(410, "patient_erased");
        assert_eq!(number!(served, "select count(*) from patients"), 0);
        assert_eq!(number!(served, "select count(*) from claims"), 0);
        assert_eq!(number!(served, "select count(*) from events where type = 'PatientErased'"), 1);
        served.service.eraser().round().await.unwrap();
        assert_eq!(kept_rows(&served).await, 0);
        served.close().await;
    }
}

async fn without_the_file_of_erasures_nothing_is_served(world: World) {
    let served = world.serve().await;
    let id = served.staff().create(&person(1)).await;
    erase(&served.admin(), id).await;
    served.service.eraser().round().await.unwrap();
    served.close().await;
    let path = world.dir().join("erasures.log");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let refused = world.refused().await;
    assert!(refused.contains("Put the file back") && refused.contains("rebuild-erasures"), "{refused}");
    std::fs::write(&path, text.replacen('0', "1", 1)).unwrap();
    assert!(world.refused().await.contains("was changed"));
    std::fs::write(&path, text).unwrap();
    world.serve().await.close().await;
}
