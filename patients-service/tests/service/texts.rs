//! Names and words as people really write them, and characters that a database cannot keep.

use crate::common::client::{at, person};
use crate::common::{World, number, on_both_databases};
use serde_json::json;

on_both_databases!(
    names_of_the_whole_world_are_kept_as_they_are,
    long_notes_are_kept_whole,
    characters_no_database_keeps_are_refused_by_field,
    addresses_of_the_whole_world_are_one_address_each,
);

async fn names_of_the_whole_world_are_kept_as_they_are(world: World) {
    let served = world.serve().await;
    let names = [
        ("Siobhán", "O'Brien"),
        ("محمد", "بن سلمان"),
        ("שרה", "כהן"),
        ("👩‍⚕️", "🙂"),
        ("Zoe\u{308}", "D’Arcy-Łukasz"),
        ("李", "小龍"),
        ("Robert'); drop table patients;--", "\"quoted\" \\ back"),
        ("<b>Bold</b>", "=1+1"),
        ("\u{202e}gnp", "\u{200b}zero"),
    ];
    for (number, (first, last)) in names.into_iter().enumerate() {
        let body = json!({
            "email": format!("w{number}@example.org"), "first_name": first, "last_name": last, "notes": first,
            "clinician_name": last, "external_id": last,
        });
        let id = served.staff().create(&body).await;
        let read = served.staff().get(&at(id)).await.is(200).body;
        for (field, value) in body.as_object().unwrap() {
            assert_eq!(&read[field], value);
        }
        // Said again from the log: what was sealed opens as it was.
        let patched = served.staff().patch(&at(id), "\"1\"", &json!({ "phone": "12345" })).await.is(200);
        assert_eq!((&patched.body["first_name"], &patched.body["last_name"]), (&json!(first), &json!(last)));
    }
    assert_eq!(served.staff().all("/api/patients?limit=2").await.len(), names.len());
}

async fn long_notes_are_kept_whole(world: World) {
    let served = world.serve().await;
    for notes in ["x".repeat(10_000), "🙂".repeat(10_000), "\"\\\n\t\r".repeat(2_000)] {
        let mut body = person(1);
        body["notes"] = json!(notes);
        let reply = served.staff().post("/api/patients", &body).await.is(201);
        assert_eq!(reply.body["notes"], body["notes"]);
        assert_eq!(served.staff().get(&at(reply.id())).await.body["notes"], body["notes"]);
        served.staff().delete(&at(reply.id()), "*").await.is(200);
    }
    let mut body = person(1);
    body["notes"] = json!("🙂".repeat(10_001));
    served.staff().post("/api/patients", &body).await.refused_at(422, "invalid_body", "/notes");
}

async fn characters_no_database_keeps_are_refused_by_field(world: World) {
    let served = world.serve().await;
    let staff = served.staff();
    let id = staff.create(&person(1)).await;
    for field in [
        "email",
        "first_name",
        "last_name",
        "phone",
        "external_id",
        "clinician_id",
        "clinician_name",
        "date_of_birth",
        "notes",
        "preferred_language",
    ] {
        for odd in ["a\u{0}b", "\u{0}", "a@b.org\u{0}", "1990-02-28\u{0}", "12345\u{0}"] {
            let mut body = person(2);
            body[field] = json!(odd);
            let pointer = format!("/{field}");
            staff.post("/api/patients", &body).await.refused_at(422, "invalid_body", &pointer);
            let patch = json!({ field: odd });
            staff.patch(&at(id), "\"1\"", &patch).await.refused_at(422, "invalid_body", &pointer);
        }
    }
    // A field's name may be odd, too.
    staff.post("/api/patients", &json!({ "a\u{0}b": "x" })).await.refused(422, "invalid_body");
    assert_eq!(number!(served, "select count(*) from events"), 1);
}

async fn addresses_of_the_whole_world_are_one_address_each(world: World) {
    let served = world.serve().await;
    let staff = served.staff();
    for (email, again) in [
        ("jörg@müller.example", "JÖRG@MÜLLER.example"),
        ("eve.o'hara+clinic@example.org", "Eve.O'Hara+Clinic@EXAMPLE.ORG"),
    ] {
        let body = |email: &str| json!({ "email": email, "first_name": "A", "last_name": "B" });
        let id = staff.create(&body(email)).await;
        let taken = staff.post("/api/patients", &body(again)).await.refused(409, "email_taken");
        assert_eq!(taken["patient_id"], id.to_string());
    }
}
