//! PUT, PATCH and If-Match.

use crate::common::client::{at, person};
use crate::common::past::take_over;
use crate::common::{World, number, on_both_databases};
use chrono::TimeDelta;
use reqwest::Method;
use serde_json::{Value, json};

on_both_databases!(
    put_replaces_the_whole_record,
    a_patch_leaves_what_it_does_not_name_and_clears_what_is_null,
    a_required_field_cannot_be_cleared,
    what_changes_nothing_makes_no_version,
    a_change_needs_the_version_it_was_made_from,
    a_change_from_an_old_version_is_refused_and_changes_nothing,
    a_tag_that_is_none_of_ours_is_refused,
    one_of_many_writers_from_one_version_wins,
    an_address_in_other_letters_is_the_same_address,
    a_record_taken_over_without_names_is_completed_by_them,
);

fn full() -> Value {
    json!({
        "email": "ada@example.org", "first_name": "Ada", "last_name": "Lovelace", "phone": "020 7946 0018",
        "external_id": "MRN-1", "clinician_id": "dr-1", "clinician_name": "Dr. Who",
        "date_of_birth": "1990-02-28", "notes": "allergic", "preferred_language": "de",
    })
}

async fn put_replaces_the_whole_record(world: World) {
    let served = world.serve().await;
    let id = served.staff().create(&full()).await;
    world.clock().advance(TimeDelta::minutes(1));
    let reply = served.staff().put(&at(id), "\"1\"", &person(2)).await.is(200);
    assert_eq!(reply.etag(), "\"2\"");
    assert_eq!(
        reply.body,
        json!({
            "id": id, "account_id": "clinic-1", "status": "pending", "has_pending_invite": false,
            "email": "person2@example.org", "first_name": "Given2", "last_name": "Family002",
            "created_at": "2026-11-23T08:00:00Z", "updated_at": "2026-11-23T08:01:00Z",
        })
    );
    assert_eq!(served.staff().get(&at(id)).await.body, reply.body);
    served.staff().put(&at(id), "\"2\"", &json!({ "email": "a@b.org", "first_name": "A" })).await.refused_at(
        422,
        "invalid_body",
        "/last_name",
    );
}

async fn a_patch_leaves_what_it_does_not_name_and_clears_what_is_null(world: World) {
    let served = world.serve().await;
    let id = served.staff().create(&full()).await;
    let patch = json!({ "phone": null, "notes": "", "last_name": "King", "date_of_birth": "1990-03-01" });
    let reply = served.staff().patch(&at(id), "\"1\"", &patch).await.is(200);
    let mut expected = full();
    let fields = expected.as_object_mut().unwrap();
    fields.remove("phone");
    fields.remove("notes");
    fields["last_name"] = json!("King");
    fields["date_of_birth"] = json!("1990-03-01");
    for field in full().as_object().unwrap().keys() {
        assert_eq!(reply.body.get(field), expected.get(field), "{field}");
    }
    let cleared = json!({
        "external_id": null, "clinician_id": null, "clinician_name": null, "date_of_birth": null,
        "preferred_language": null,
    });
    let reply = served.staff().patch(&at(id), "\"2\"", &cleared).await.is(200);
    assert!(
        cleared.as_object().unwrap().keys().all(|field| reply.body.get(field).is_none()),
        "{}",
        reply.text
    );
}

async fn a_required_field_cannot_be_cleared(world: World) {
    let served = world.serve().await;
    let id = served.staff().create(&full()).await;
    for field in ["email", "first_name", "last_name"] {
        for value in [json!(null), json!(""), json!("  ")] {
            let reply = served.staff().patch(&at(id), "\"1\"", &json!({ field: value })).await;
            reply.refused_at(422, "invalid_body", &format!("/{field}"));
        }
    }
    let all = json!({ "email": null, "first_name": null, "last_name": "", "date_of_birth": "1990-02-31" });
    let body = served.staff().patch(&at(id), "\"1\"", &all).await.refused(422, "invalid_body");
    assert_eq!(body["errors"].as_array().unwrap().len(), 4, "{body}");
    assert_eq!(served.staff().get(&at(id)).await.etag(), "\"1\"");
}

async fn what_changes_nothing_makes_no_version(world: World) {
    let served = world.serve().await;
    let id = served.staff().create(&full()).await;
    for patch in [json!({}), json!({ "phone": " 020 7946 0018 " }), full()] {
        assert_eq!(served.staff().patch(&at(id), "\"1\"", &patch).await.is(200).etag(), "\"1\"");
    }
    assert_eq!(served.staff().put(&at(id), "\"1\"", &full()).await.is(200).etag(), "\"1\"");
    assert_eq!(number!(served, "select count(*) from events where stream_id = $1", id), 1);
}

async fn a_change_needs_the_version_it_was_made_from(world: World) {
    let served = world.serve().await;
    let staff = served.staff();
    let id = staff.create(&full()).await;
    for method in [Method::PUT, Method::PATCH, Method::DELETE] {
        let request = staff.request(method, &at(id)).json(&full());
        staff.send(request).await.refused(428, "if_match_missing");
    }
    assert_eq!(staff.patch(&at(id), "*", &json!({ "phone": "12345" })).await.is(200).etag(), "\"2\"");
}

async fn a_change_from_an_old_version_is_refused_and_changes_nothing(world: World) {
    let served = world.serve().await;
    let staff = served.staff();
    let id = staff.create(&full()).await;
    staff.patch(&at(id), "\"1\"", &json!({ "phone": "12345" })).await.is(200);
    for stale in ["\"1\"", "\"0\"", "\"3\"", "\"-1\""] {
        for reply in [
            staff.put(&at(id), stale, &person(2)).await,
            staff.patch(&at(id), stale, &json!({ "phone": "67890" })).await,
            staff.delete(&at(id), stale).await,
        ] {
            assert_eq!(reply.refused(412, "version_stale")["current_version"], 2, "{stale}");
        }
    }
    let read = staff.get(&at(id)).await;
    assert_eq!((read.etag().as_str(), &read.body["phone"]), ("\"2\"", &json!("12345")));
}

async fn a_tag_that_is_none_of_ours_is_refused(world: World) {
    let served = world.serve().await;
    let id = served.staff().create(&full()).await;
    for odd in ["1", "W/\"1\"", "\"1\", \"2\"", "\"one\"", "\"01\"", ""] {
        served.staff().patch(&at(id), odd, &json!({})).await.refused(400, "if_match_invalid");
    }
}

async fn one_of_many_writers_from_one_version_wins(world: World) {
    let served = world.serve().await;
    let id = served.staff().create(&full()).await;
    let mut writers = tokio::task::JoinSet::new();
    for number in 0..16 {
        let staff = served.staff();
        let phone = format!("0800 {number:04}");
        writers.spawn(async move { staff.patch(&at(id), "\"1\"", &json!({ "phone": phone })).await });
    }
    let replies = writers.join_all().await;
    assert_eq!(replies.iter().filter(|reply| reply.status == 200).count(), 1);
    assert_eq!(replies.iter().filter(|reply| reply.status == 412).count(), 15);
    assert_eq!(number!(served, "select max(version) from events where stream_id = $1", id), 2);
}

async fn an_address_in_other_letters_is_the_same_address(world: World) {
    let served = world.serve().await;
    let staff = served.staff();
    let id = staff.create(&full()).await;
    let reply = staff.patch(&at(id), "\"1\"", &json!({ "email": " ADA@Example.ORG " })).await.is(200);
    assert_eq!(reply.body["email"], "ADA@Example.ORG");
    let other = json!({ "email": "\tada@EXAMPLE.org", "first_name": "A", "last_name": "B" });
    let body = staff.post("/api/patients", &other).await.refused(409, "email_taken");
    assert_eq!(body["patient_id"], id.to_string());
    assert_eq!(number!(served, "select count(*) from claims where kind = 'email'"), 1);
}

async fn a_record_taken_over_without_names_is_completed_by_them(world: World) {
    let served = world.serve().await;
    let staff = served.staff();
    let ids = [take_over(&served, "old1@example.org").await, take_over(&served, "old2@example.org").await];
    assert_eq!(staff.all("/api/patients?incomplete=true&limit=1").await.len(), 2);
    let by_put = json!({ "email": "old1@example.org", "first_name": "Ada", "last_name": "Lovelace" });
    let completed = staff.put(&at(ids[0]), "\"1\"", &by_put).await.is(200);
    assert_eq!(completed.body.get("incomplete"), None);
    let half = staff.patch(&at(ids[1]), "\"1\"", &json!({ "last_name": "King" })).await.is(200);
    assert_eq!(half.body["incomplete"], true);
    assert_eq!(staff.all("/api/patients?incomplete=true").await.len(), 1);
    staff.patch(&at(ids[1]), "\"2\"", &json!({ "first_name": "Ada" })).await.is(200);
    assert!(staff.all("/api/patients?incomplete=true").await.is_empty());
    staff.post("/api/patients", &by_put).await.refused(409, "email_taken");
}
