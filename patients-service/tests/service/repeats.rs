//! Requests that come again under their idempotency key.

use crate::common::client::{Api, Reply, at, person};
use crate::common::past::erase;
use crate::common::{Served, World, number, on_both_databases};
use reqwest::Method;
use serde_json::json;
use shared_http::Role;
use tokio::task::JoinSet;
use uuid::Uuid;

on_both_databases!(
    the_same_request_again_is_the_same_patient,
    another_request_under_the_same_key_is_refused,
    a_key_is_its_owners_alone,
    twenty_at_once_under_one_key_make_one_patient,
    twenty_different_ones_at_once_under_one_key_make_one_patient,
    a_refusal_is_not_kept_and_may_be_tried_again,
    a_repeated_creation_of_an_archived_patient_shows_it_as_it_is,
    a_repeated_creation_of_an_erased_patient_says_so,
    a_restore_is_done_once_under_its_key,
    an_upload_is_taken_in_once_under_its_key,
    a_header_that_is_no_key_is_refused,
);

const PATIENTS: &str = "/api/patients";

async fn the_same_request_again_is_the_same_patient(world: World) {
    let served = world.serve().await;
    let staff = served.staff();
    let first = staff.post_as("k1", PATIENTS, &person(1)).await.is(201);
    let again = staff.post_as("k1", PATIENTS, &person(1)).await.is(201);
    assert_eq!((&again.body, again.etag()), (&first.body, first.etag()));
    assert_eq!(again.headers["location"], first.headers["location"]);
    // What others did meanwhile is shown; what would now be refused is not asked again.
    staff.patch(&at(first.id()), "\"1\"", &json!({ "email": "moved@example.org" })).await.is(200);
    staff.create(&person(1)).await;
    let later = staff.post_as("k1", PATIENTS, &person(1)).await.is(201);
    assert_eq!((later.id(), later.etag().as_str()), (first.id(), "\"2\""));
    assert_eq!(number!(served, "select count(*) from patients"), 2);
}

async fn another_request_under_the_same_key_is_refused(world: World) {
    let served = world.serve().await;
    let staff = served.staff();
    staff.post_as("k1", PATIENTS, &person(1)).await.is(201);
    staff.post_as("k1", PATIENTS, &person(2)).await.refused(422, "idempotency_key_reused");
    // Refused also where the other request would be refused by itself.
    let taken = json!({ "email": "person1@example.org", "first_name": "A", "last_name": "B" });
    staff.post_as("k1", PATIENTS, &taken).await.refused(422, "idempotency_key_reused");
    assert_eq!(number!(served, "select count(*) from events"), 1);
}

async fn a_key_is_its_owners_alone(world: World) {
    let served = world.serve().await;
    let mut ids = Vec::new();
    for (number, api) in [
        served.staff(),
        served.admin(),
        served.stranger(),
        served.by("clinic-2", "staff-1", Role::Staff),
        // The same characters, cut elsewhere.
        served.by("clinic-1s", "taff-1", Role::Staff),
    ]
    .into_iter()
    .enumerate()
    {
        ids.push(api.post_as("k1", PATIENTS, &person(number)).await.is(201).id());
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 5);
}

async fn at_once(served: &Served, ask: impl Fn(Api, usize) -> JoinedAsk) -> Vec<Reply> {
    let mut asked = JoinSet::new();
    for number in 0..20 {
        asked.spawn(ask(served.staff(), number));
    }
    asked.join_all().await
}

type JoinedAsk = std::pin::Pin<Box<dyn Future<Output = Reply> + Send>>;

async fn twenty_at_once_under_one_key_make_one_patient(world: World) {
    let served = world.serve().await;
    let replies =
        at_once(&served, |staff, _| Box::pin(async move { staff.post_as("k1", PATIENTS, &person(1)).await }))
            .await;
    let ids: std::collections::BTreeSet<Uuid> = replies.into_iter().map(|reply| reply.is(201).id()).collect();
    assert_eq!(ids.len(), 1);
    assert_eq!(number!(served, "select count(*) from events"), 1);
    assert_eq!(number!(served, "select count(*) from idempotency"), 1);
}

async fn twenty_different_ones_at_once_under_one_key_make_one_patient(world: World) {
    let served = world.serve().await;
    let replies = at_once(&served, |staff, number| {
        Box::pin(async move { staff.post_as("k1", PATIENTS, &person(number)).await })
    })
    .await;
    assert_eq!(replies.iter().filter(|reply| reply.status == 201).count(), 1);
    for reply in replies.into_iter().filter(|reply| reply.status != 201) {
        reply.refused(422, "idempotency_key_reused");
    }
    assert_eq!(number!(served, "select count(*) from events"), 1);
    assert_eq!(number!(served, "select count(*) from claims"), 1);
}

async fn a_refusal_is_not_kept_and_may_be_tried_again(world: World) {
    let served = world.serve().await;
    let staff = served.staff();
    let holder = staff.create(&person(1)).await;
    staff.post_as("k1", PATIENTS, &person(1)).await.refused(409, "email_taken");
    staff.delete(&at(holder), "*").await.is(200);
    let created = staff.post_as("k1", PATIENTS, &person(1)).await.is(201);
    assert_ne!(created.id(), holder);
    assert_eq!(staff.post_as("k1", PATIENTS, &person(1)).await.is(201).id(), created.id());
}

async fn a_repeated_creation_of_an_archived_patient_shows_it_as_it_is(world: World) {
    let served = world.serve().await;
    let staff = served.staff();
    let id = staff.post_as("k1", PATIENTS, &person(1)).await.is(201).id();
    staff.delete(&at(id), "*").await.is(200);
    let again = staff.post_as("k1", PATIENTS, &person(1)).await.is(201);
    assert_eq!((again.id(), &again.body["status"]), (id, &json!("inactive")));
    assert_eq!(number!(served, "select count(*) from patients"), 1);
}

async fn a_repeated_creation_of_an_erased_patient_says_so(world: World) {
    let served = world.serve().await;
    let staff = served.staff();
    let id = staff.post_as("k1", PATIENTS, &person(1)).await.is(201).id();
    erase(&served, id).await;
    let gone = |reply: Reply| {
        let body = reply.refused(410, "patient_erased");
        assert_eq!(body["id"], id.to_string());
        assert_eq!(body["erased_at"], "2026-11-23T08:00:00+00:00");
    };
    gone(staff.post_as("k1", PATIENTS, &person(1)).await);
    gone(staff.get(&at(id)).await);
    gone(staff.patch(&at(id), "*", &json!({})).await);
    gone(staff.put(&at(id), "*", &person(1)).await);
    gone(staff.delete(&at(id), "*").await);
    gone(staff.post(&format!("{}/restore", at(id)), &json!({})).await);
    staff.get(&format!("{}/history", at(id))).await.is(200);
    assert!(staff.all(PATIENTS).await.is_empty());
    served.stranger().get(&at(id)).await.refused(404, "not_found");
    staff.create(&person(1)).await;
}

async fn a_restore_is_done_once_under_its_key(world: World) {
    let served = world.serve().await;
    let staff = served.staff();
    let id = staff.create(&person(1)).await;
    let restore = format!("{}/restore", at(id));
    staff.delete(&at(id), "*").await.is(200);
    staff.post_as("k1", &restore, &json!({})).await.is(200);
    staff.delete(&at(id), "*").await.is(200);
    // The old request, come late, does not take back what was decided after it.
    let late = staff.post_as("k1", &restore, &json!({})).await.is(200);
    assert_eq!((late.etag().as_str(), &late.body["status"]), ("\"4\"", &json!("inactive")));
    let other = served.staff().create(&person(2)).await;
    let reused = staff.post_as("k1", &format!("{}/restore", at(other)), &json!({})).await;
    reused.refused(422, "idempotency_key_reused");
}

async fn an_upload_is_taken_in_once_under_its_key(world: World) {
    let served = world.serve().await;
    let upload = |staff: Api, file: &'static str| async move {
        let request = staff.request(Method::POST, "/api/patients/import").header("idempotency-key", "k1");
        staff.send(request.header("content-type", "text/csv").body(file)).await
    };
    let file = "email,first,last\na@b.org,A,B\n";
    let replies = at_once(&served, |staff, _| Box::pin(upload(staff, file))).await;
    let ids: std::collections::BTreeSet<Uuid> = replies.into_iter().map(|reply| reply.is(202).id()).collect();
    assert_eq!(ids.len(), 1);
    let other = upload(served.staff(), "email,first,last\nc@d.org,C,D\n").await;
    other.refused(422, "idempotency_key_reused");
    assert_eq!(number!(served, "select count(*) from import_chunks"), 1);
}

async fn a_header_that_is_no_key_is_refused(world: World) {
    let served = world.serve().await;
    for odd in ["", "two words", &"k".repeat(256)] {
        let refused = served.staff().post_as(odd, PATIENTS, &person(1)).await;
        refused.refused(400, "idempotency_key_invalid");
    }
    assert_eq!(number!(served, "select count(*) from events"), 0);
}
