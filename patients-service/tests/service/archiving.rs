//! Archive and restore: what becomes free, and what is taken again.

use crate::common::client::{at, person};
use crate::common::{World, number, on_both_databases};
use serde_json::json;

on_both_databases!(
    an_archived_patient_frees_its_address_and_external_id,
    a_restored_patient_takes_them_again,
    a_restore_is_refused_while_another_holds_them,
    an_archived_patient_cannot_be_changed,
    archiving_and_restoring_twice_answers_as_the_first_time,
    a_new_address_frees_the_old_one,
);

async fn an_archived_patient_frees_its_address_and_external_id(world: World) {
    let served = world.serve().await;
    let staff = served.staff();
    let mut first = person(1);
    first["external_id"] = json!("MRN-1");
    let id = staff.create(&first).await;
    let archived = staff.delete(&at(id), "\"1\"").await.is(200);
    assert_eq!((archived.etag().as_str(), &archived.body["status"]), ("\"2\"", &json!("inactive")));
    assert_eq!(number!(served, "select count(*) from claims"), 0);
    assert_ne!(staff.create(&first).await, id);
    assert_eq!(staff.get(&at(id)).await.is(200).body["email"], "person1@example.org");
}

async fn a_restored_patient_takes_them_again(world: World) {
    let served = world.serve().await;
    let staff = served.staff();
    let mut first = person(1);
    first["external_id"] = json!("MRN-1");
    let id = staff.create(&first).await;
    staff.delete(&at(id), "\"1\"").await.is(200);
    let restored = staff.post(&format!("{}/restore", at(id)), &json!({})).await.is(200);
    assert_eq!((restored.etag().as_str(), &restored.body["status"]), ("\"3\"", &json!("pending")));
    let body = staff.post("/api/patients", &first).await.refused(409, "email_taken");
    assert_eq!(body["patient_id"], id.to_string());
    let mut other = person(2);
    other["external_id"] = json!("MRN-1");
    let body = staff.post("/api/patients", &other).await.refused_at(409, "external_id_taken", "/external_id");
    assert_eq!(body["patient_id"], id.to_string());
}

async fn a_restore_is_refused_while_another_holds_them(world: World) {
    let served = world.serve().await;
    let staff = served.staff();
    let mut first = person(1);
    first["external_id"] = json!("MRN-1");
    let id = staff.create(&first).await;
    staff.delete(&at(id), "*").await.is(200);
    let restore = format!("{}/restore", at(id));

    let holder = staff.create(&person(1)).await;
    let body = staff.post(&restore, &json!({})).await.refused(409, "email_taken");
    assert_eq!(body["patient_id"], holder.to_string());

    staff.patch(&at(holder), "*", &json!({ "email": "x@example.org", "external_id": "MRN-1" })).await.is(200);
    let body = staff.post(&restore, &json!({})).await.refused(409, "external_id_taken");
    assert_eq!(body["patient_id"], holder.to_string());
    assert_eq!(staff.get(&at(id)).await.body["status"], "inactive");

    staff.patch(&at(holder), "*", &json!({ "external_id": null })).await.is(200);
    staff.post(&restore, &json!({})).await.is(200);
    assert_eq!(number!(served, "select count(*) from claims"), 3);
}

async fn an_archived_patient_cannot_be_changed(world: World) {
    let served = world.serve().await;
    let staff = served.staff();
    let id = staff.create(&person(1)).await;
    staff.delete(&at(id), "\"1\"").await.is(200);
    staff.patch(&at(id), "\"2\"", &json!({ "phone": "12345" })).await.refused(409, "patient_archived");
    staff.put(&at(id), "*", &person(2)).await.refused(409, "patient_archived");
    assert_eq!(staff.get(&at(id)).await.etag(), "\"2\"");
}

async fn archiving_and_restoring_twice_answers_as_the_first_time(world: World) {
    let served = world.serve().await;
    let staff = served.staff();
    let id = staff.create(&person(1)).await;
    let restore = format!("{}/restore", at(id));
    assert_eq!(staff.post(&restore, &json!({})).await.is(200).etag(), "\"1\"");
    // The answer got lost and the same request comes again: it is already so.
    for _ in 0..2 {
        let archived = staff.delete(&at(id), "\"1\"").await.is(200);
        assert_eq!((archived.etag().as_str(), &archived.body["status"]), ("\"2\"", &json!("inactive")));
    }
    for _ in 0..2 {
        let restored = staff.post(&restore, &json!({})).await.is(200);
        assert_eq!((restored.etag().as_str(), &restored.body["status"]), ("\"3\"", &json!("pending")));
    }
    assert_eq!(number!(served, "select count(*) from events where stream_id = $1", id), 3);
}

async fn a_new_address_frees_the_old_one(world: World) {
    let served = world.serve().await;
    let staff = served.staff();
    let id = staff.create(&person(1)).await;
    staff.patch(&at(id), "\"1\"", &json!({ "email": "moved@example.org" })).await.is(200);
    let other = staff.create(&person(1)).await;
    let body = staff
        .patch(&at(other), "\"1\"", &json!({ "email": "MOVED@example.org" }))
        .await
        .refused(409, "email_taken");
    assert_eq!(body["patient_id"], id.to_string());
    assert_eq!(staff.get(&at(other)).await.body["email"], "person1@example.org");
}
