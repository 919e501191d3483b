//! Lists: filters, search, order, pages.

use crate::common::client::{at, person};
use crate::common::told::{Invite, hand_over};
use crate::common::{Served, World, on_both_databases};
use chrono::TimeDelta;
use serde_json::{Value, json};
use std::collections::BTreeSet;

on_both_databases!(
    every_page_together_gives_each_patient_once_in_every_order,
    patients_are_sorted_by_name_and_by_age,
    filters_choose,
    a_search_finds_names_addresses_and_external_ids,
    a_search_takes_wildcards_for_plain_letters,
    a_cursor_goes_on_with_its_own_query_only,
    a_bad_parameter_is_named,
    a_page_begun_before_a_new_patient_goes_on_without_repeating,
);

const LIST: &str = "/api/patients";

async fn emails(served: &Served, query: &str) -> Vec<String> {
    let items = served.viewer().all(&format!("{LIST}?{query}")).await;
    items.iter().map(|item| item["email"].as_str().unwrap().to_owned()).collect()
}

async fn every_page_together_gives_each_patient_once_in_every_order(world: World) {
    let served = world.serve().await;
    let staff = served.staff();
    for number in 0..120 {
        // Names and times that many patients have in common.
        let mut body = person(number);
        body["last_name"] = json!(format!("Family{}", number % 5));
        body["first_name"] = json!("Kim");
        staff.create(&body).await;
        if number % 10 == 0 {
            world.clock().advance(TimeDelta::milliseconds(7));
        }
    }
    for sort in ["name", "-name", "created_at", "-created_at"] {
        let seen = emails(&served, &format!("limit=7&sort={sort}")).await;
        assert_eq!(seen.len(), 120, "{sort}");
        assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), 120, "{sort}");
    }
    let up = emails(&served, "limit=7&sort=created_at").await;
    let mut down = emails(&served, "limit=50&sort=-created_at").await;
    down.reverse();
    assert_eq!(up, down);
    let page = staff.get(LIST).await.is(200).body;
    assert_eq!(page["items"].as_array().unwrap().len(), 50);
    assert_eq!(staff.get("/api/patients?limit=120").await.body["next_cursor"], Value::Null);
}

async fn patients_are_sorted_by_name_and_by_age(world: World) {
    let served = world.serve().await;
    for (email, first, last) in [
        ("c@example.org", "Ada", "Zuse"),
        ("a@example.org", "Bob", "adams"),
        ("b@example.org", "Abe", "Adams"),
    ] {
        let body = json!({ "email": email, "first_name": first, "last_name": last });
        served.staff().create(&body).await;
        world.clock().advance(TimeDelta::seconds(1));
    }
    let (a, b, c) = ("a@example.org", "b@example.org", "c@example.org");
    assert_eq!(emails(&served, "").await, [b, a, c]);
    assert_eq!(emails(&served, "sort=name&limit=1").await, [b, a, c]);
    assert_eq!(emails(&served, "sort=-name&limit=1").await, [c, a, b]);
    assert_eq!(emails(&served, "sort=created_at&limit=1").await, [c, a, b]);
    assert_eq!(emails(&served, "sort=-created_at&limit=1").await, [b, a, c]);
}

async fn filters_choose(world: World) {
    let served = world.serve().await;
    let staff = served.staff();
    let mut ids = Vec::new();
    for number in 0..5 {
        let mut body = person(number);
        body["clinician_id"] = json!(format!("dr-{}", number % 2));
        ids.push(staff.create(&body).await);
    }
    let invite = Invite::to(ids[1], world.clock());
    let user = ids[0];
    hand_over(&served, &[invite.issued(1), Invite::to(ids[2], world.clock()).accepted(2, user)])
        .await
        .unwrap();
    staff.delete(&at(ids[3]), "*").await.is(200);

    let numbers = |emails: Vec<String>| -> Vec<String> {
        emails.iter().map(|email| email.chars().filter(char::is_ascii_digit).collect()).collect()
    };
    for (query, expected) in [
        ("", vec!["0", "1", "2", "4"]),
        ("status=pending", vec!["0", "1", "4"]),
        ("status=active", vec!["2"]),
        ("status=inactive", vec!["3"]),
        ("has_pending_invite=true", vec!["1"]),
        ("has_pending_invite=false", vec!["0", "2", "4"]),
        ("clinician_id=dr-1", vec!["1"]),
        ("clinician_id=dr-0&has_pending_invite=false&status=pending", vec!["0", "4"]),
        ("clinician_id=dr-9", vec![]),
        ("incomplete=true", vec![]),
        ("incomplete=false&limit=1", vec!["0", "1", "2", "4"]),
        ("search=person2&status=active", vec!["2"]),
        ("search=%20", vec!["0", "1", "2", "4"]),
    ] {
        assert_eq!(numbers(emails(&served, query).await), expected, "{query}");
    }
    assert!(served.stranger().all(LIST).await.is_empty());
}

async fn a_search_finds_names_addresses_and_external_ids(world: World) {
    let served = world.serve().await;
    let body = json!({
        "email": "Ada.L@Example.org", "first_name": "Ada Maria", "last_name": "O'Brien-Müller", "external_id": "MRN-77",
    });
    served.staff().create(&body).await;
    served.staff().create(&person(1)).await;
    for query in [
        "ada",
        "ADA+MARIA+O'BRIEN",
        "o'brien-m%C3%BCller+ada",
        "M%C3%9CLLER",
        "ada.l@EXAMPLE",
        "mrn-77",
        "%20Maria%20",
    ] {
        assert_eq!(emails(&served, &format!("search={query}")).await, ["Ada.L@Example.org"], "{query}");
    }
    for query in ["lovelace", "adam", "mrn-78", "ada.l@example.orgs"] {
        assert!(emails(&served, &format!("search={query}")).await.is_empty(), "{query}");
    }
}

async fn a_search_takes_wildcards_for_plain_letters(world: World) {
    let served = world.serve().await;
    for (email, last) in [("a@example.org", "50%"), ("b@example.org", "a_b"), ("c@example.org", "c\\d")] {
        served.staff().create(&json!({ "email": email, "first_name": "X", "last_name": last })).await;
    }
    for (query, expected) in [
        ("%25", "a@example.org"),
        ("50%25", "a@example.org"),
        ("_", "b@example.org"),
        ("a_b", "b@example.org"),
        ("%5C", "c@example.org"),
        ("c%5Cd", "c@example.org"),
    ] {
        assert_eq!(emails(&served, &format!("search={query}")).await, [expected], "{query}");
    }
    for query in ["%25%25", "a%25b", "axb", "%5C%5C", "%5C_", "'", "%22"] {
        assert!(emails(&served, &format!("search={query}")).await.is_empty(), "{query}");
    }
}

async fn a_cursor_goes_on_with_its_own_query_only(world: World) {
    let served = world.serve().await;
    for number in 0..4 {
        served.staff().create(&person(number)).await;
    }
    let page = served.staff().get("/api/patients?limit=2&sort=name").await.is(200).body;
    let cursor = page["next_cursor"].as_str().unwrap();
    assert!(!cursor.to_lowercase().contains("family"));
    served.viewer().get(&format!("{LIST}?limit=1&sort=name&cursor={cursor}")).await.is(200);
    for other in ["", "sort=-name&", "sort=created_at&", "sort=name&status=pending&", "sort=name&search=x&"] {
        let reply = served.staff().get(&format!("{LIST}?{other}cursor={cursor}")).await;
        reply.refused(400, "cursor_invalid");
    }
    let theirs = served.stranger().get(&format!("{LIST}?limit=2&sort=name&cursor={cursor}")).await;
    theirs.refused(400, "cursor_invalid");
    for junk in ["x", "", "AAAAAAAAAAAAAAAAAAAAAAAAAAAA", &cursor[1..]] {
        let reply = served.staff().get(&format!("{LIST}?sort=name&cursor={junk}")).await;
        reply.refused(400, "cursor_invalid");
    }
}

async fn a_bad_parameter_is_named(world: World) {
    let served = world.serve().await;
    for (query, pointer) in [
        ("status=erased", "?status"),
        ("status=", "?status"),
        ("sort=age", "?sort"),
        ("limit=0", "?limit"),
        ("limit=201", "?limit"),
        ("limit=many", "?limit"),
        ("has_pending_invite=perhaps", "?has_pending_invite"),
        ("incomplete=1", "?incomplete"),
        ("serach=ada", "?serach"),
        ("search=a&search=b", "?search"),
        ("search=a%00b", "?search"),
        ("clinician_id=%00", "?clinician_id"),
    ] {
        served.staff().get(&format!("{LIST}?{query}")).await.refused_at(400, "invalid_query", pointer);
    }
}

async fn a_page_begun_before_a_new_patient_goes_on_without_repeating(world: World) {
    let served = world.serve().await;
    let staff = served.staff();
    for number in [1, 3, 5, 7] {
        staff.create(&person(number)).await;
    }
    let first = staff.get("/api/patients?limit=2").await.is(200).body;
    for number in [2, 6] {
        staff.create(&person(number)).await;
    }
    let cursor = first["next_cursor"].as_str().unwrap();
    let rest = staff.get(&format!("{LIST}?limit=9&cursor={cursor}")).await.is(200).body;
    let names: Vec<&Value> =
        rest["items"].as_array().unwrap().iter().map(|item| &item["last_name"]).collect();
    assert_eq!(names, ["Family005", "Family006", "Family007"]);
}
