//! What may be said beside a file, in each of the ways it can be said.

use crate::common::csv::{import_as, import_form, send, send_form, tally};
use crate::common::{World, number, on_both_databases};
use reqwest::Method;
use serde_json::json;

on_both_databases!(
    options_are_said_in_the_query_in_one_part_or_in_a_part_each,
    what_cannot_be_is_refused_by_name,
    a_part_after_the_file_is_refused,
    a_form_without_a_file_and_other_bodies_are_refused,
    a_mapping_names_columns,
    a_mapping_that_does_not_fit_is_refused,
    a_mapping_is_remembered_for_the_clinic_alone,
    a_mapping_that_cannot_be_remembered_is_refused,
);

const FILE: &str = "email,first,last,birthdate\na@example.org,Ada,Lovelace,03/04/1990\n";

async fn options_are_said_in_the_query_in_one_part_or_in_a_part_each(world: World) {
    let served = world.serve().await;
    let query = "dry_run=true&on_match=update&date_order=mdy&encoding=windows-1252&delimiter=,&invite=true\
                 &invite_matched=false&provider_id=dr-1&expiry_days=14&send_email=false";
    let options = json!({
        "dry_run": true, "on_match": "update", "date_order": "mdy", "encoding": "windows-1252", "delimiter": ",",
        "invite": true, "provider_id": "dr-1", "expiry_days": 14, "send_email": false, "custom_message": "Hello",
        "mapping": { "birthdate": "date_of_birth" },
    });
    let parts = [
        ("dry_run", "true"),
        ("on_match", "update"),
        ("date_order", "mdy"),
        ("encoding", "windows-1252"),
        ("delimiter", ","),
        ("invite", "true"),
        ("provider_id", "dr-1"),
        ("expiry_days", "14"),
        ("send_email", "false"),
        ("custom_message", "Hello"),
        ("file", FILE),
    ];
    for done in [
        import_as(&served, query, FILE).await,
        import_form(&served, &[("options", &options.to_string()), ("file", FILE)]).await,
        import_form(&served, &parts).await,
    ] {
        assert_eq!((&done["dry_run"], &done["on_match"]), (&json!(true), &json!("update")), "{done}");
        assert_eq!(
            (&done["file"]["date_order"], &done["file"]["encoding"]),
            (&json!("mdy"), &json!("windows-1252"))
        );
        assert_eq!(done["invites"], json!({ "requested": 1, "issued": 0, "refused": 0 }));
        assert_eq!(tally(&done), [1, 0, 0, 0, 0]);
    }
    let tab = FILE.replace(',', "\t");
    let done = import_as(&served, "delimiter=tab&date_order=dmy", tab).await;
    assert_eq!(done["file"]["delimiter"], "tab");
    let patient = &served.staff().all("/api/patients").await[0];
    assert_eq!(patient["date_of_birth"], "1990-04-03");
}

async fn what_cannot_be_is_refused_by_name(world: World) {
    let served = world.serve().await;
    let staff = served.staff();
    for (query, word) in [
        ("dryrun=true", "dryrun"),
        ("dry_run=perhaps", "dry_run"),
        ("expiry_days=many", "expiry_days"),
        ("on_match=overwrite", "on_match"),
        ("date_order=ymd", "date_order"),
        ("delimiter=x", "delimiter"),
        ("invite=true", "provider_id"),
        ("invite_matched=true", "provider_id"),
        ("provider_id=dr-1", "provider_id"),
        ("invite=true&provider_id=dr-1&expiry_days=0", "expiry_days"),
        ("invite=true&provider_id=dr-1&expiry_days=91", "expiry_days"),
        ("custom_message=secret", "custom_message"),
    ] {
        let reply = send(&staff, query, FILE).await;
        assert!([400, 422].contains(&reply.status), "{query}: {}", reply.text);
        assert!(reply.text.contains(word), "{query}: {}", reply.text);
    }
    send(&staff, "encoding=klingon", FILE).await.refused(422, "file_unreadable");
    for (part, word) in [
        (("options", "[]"), "options"),
        (("options", "{\"dryrun\":true}"), "dryrun"),
        (("dry-run", "true"), "dry-run"),
        (("dry_run", "yes"), "dry_run"),
        (("mapping", "not json"), "mapping"),
        (("mapping", "{\"email\":\"address\"}"), "mapping"),
        (("decisions", "{\"file_sha256\":\"x\",\"rows\":{\"1\":\"delete\"}}"), "decisions"),
        (("decisions", "{\"rows\":{}}"), "decisions"),
        (("custom_message", "\u{1}"), "custom_message"),
    ] {
        let reply = send_form(&staff, &[part, ("file", FILE)]).await;
        assert!([400, 422].contains(&reply.status), "{part:?}: {}", reply.text);
        assert!(reply.text.contains(word), "{part:?}: {}", reply.text);
    }
    assert_eq!(number!(served, "select count(*) from imports"), 0);
}

async fn a_part_after_the_file_is_refused(world: World) {
    let served = world.serve().await;
    // It would come too late to count, and what was meant as a rehearsal would be real.
    let reply = send_form(&served.staff(), &[("file", FILE), ("dry_run", "true")]).await;
    let body = reply.refused(422, "invalid_body");
    assert!(body.to_string().contains("before"), "{body}");
    assert_eq!(number!(served, "select count(*) from imports"), 0);
    assert_eq!(number!(served, "select count(*) from import_chunks"), 0);
}

async fn a_form_without_a_file_and_other_bodies_are_refused(world: World) {
    let served = world.serve().await;
    let staff = served.staff();
    send_form(&staff, &[("dry_run", "true")]).await.refused_at(422, "invalid_body", "/file");
    let request =
        |kind: &str| staff.request(Method::POST, "/api/patients/import").header("content-type", kind);
    let json = request("application/json").body("{}");
    staff.send(json).await.refused(415, "unsupported_media_type");
    let broken = request("multipart/form-data").body("x");
    staff.send(broken).await.refused(400, "form_unreadable");
    for kind in ["text/plain", "application/octet-stream", "Text/CSV; charset=utf-8"] {
        let request = staff.request(Method::POST, "/api/patients/import?date_order=dmy");
        staff.send(request.header("content-type", kind).body(FILE)).await.is(202);
    }
}

const OWN: &str = "Contact,Zuname,Vorname,Code,Phone,Mobile\na@example.org,Lovelace,Ada,m1,11111,22222\n";

async fn a_mapping_names_columns(world: World) {
    let served = world.serve().await;
    let mapping = json!({ "Contact": "email", "Zuname": "last_name", "Code": "external_id", "Phone": null });
    let done = import_form(&served, &[("mapping", &mapping.to_string()), ("file", OWN)]).await;
    assert_eq!(tally(&done), [1, 0, 0, 0, 0], "{done}");
    let column = |header: &str, field: serde_json::Value, by: &str| json!({ "header": header, "field": field, "by": by });
    let expected = json!([
        column("Contact", json!("email"), "mapping"),
        column("Zuname", json!("last_name"), "mapping"),
        column("Vorname", json!("first_name"), "header"),
        column("Code", json!("external_id"), "mapping"),
        column("Phone", json!(null), "mapping"),
        column("Mobile", json!("phone"), "header"),
    ]);
    assert_eq!((&done["columns"], &done["ignored_columns"]), (&expected, &json!(["Phone"])));
    let patient = &served.staff().all("/api/patients").await[0];
    assert_eq!((&patient["phone"], &patient["external_id"]), (&json!("22222"), &json!("m1")));
}

async fn a_mapping_that_does_not_fit_is_refused(world: World) {
    let served = world.serve().await;
    let doubled = "email,first,last,Code,Code\na@example.org,A,B,1,2\n";
    for (mapping, file, words) in [
        (json!({ "Kontakt": "email" }), OWN, "Kontakt"),
        (json!({ "Code": "external_id" }), doubled, "two of them"),
        (
            json!({ "Contact": "email", "Zuname": "last_name", "Mobile": "email", "Phone": null }),
            OWN,
            "two columns",
        ),
        (json!({ "Contact": "email", "Phone": null }), OWN, "no column for last_name"),
    ] {
        let reply = send_form(&served.staff(), &[("mapping", &mapping.to_string()), ("file", file)]).await;
        let body = reply.refused(422, "file_unreadable");
        assert!(body["detail"].as_str().unwrap().contains(words), "{body}");
    }
}

async fn a_mapping_is_remembered_for_the_clinic_alone(world: World) {
    let served = world.serve().await;
    let path = "/api/import-mappings";
    assert_eq!(served.viewer().get(path).await.is(200).body, json!({ "mapping": {} }));
    let put = |api: crate::common::client::Api, body: serde_json::Value| async move {
        api.send(api.request(Method::PUT, path).json(&body)).await
    };
    let first = json!({ "mapping": { "Contact": "email" } });
    put(served.viewer(), first.clone()).await.refused(403, "role_insufficient");
    assert_eq!(put(served.staff(), first).await.is(200).body["mapping"]["Contact"], "email");
    let whole = json!({ "mapping": {
        "Contact": "email", "Zuname": "last_name", "Phone": null, "Elsewhere": "notes" } });
    put(served.staff(), whole.clone()).await.is(200);
    assert_eq!(served.viewer().get(path).await.is(200).body, whole);
    assert_eq!(served.stranger().get(path).await.is(200).body, json!({ "mapping": {} }));
    served.stranger().upload(OWN).await.refused(422, "file_unreadable");

    let done = import_as(&served, "dry_run=true", OWN).await;
    let by: Vec<&str> =
        done["columns"].as_array().unwrap().iter().map(|c| c["by"].as_str().unwrap()).collect();
    assert_eq!(by, ["remembered", "remembered", "header", "header", "remembered", "header"]);
    // What is said with the file goes before it.
    let done =
        import_form(&served, &[("mapping", "{\"Phone\":\"phone\",\"Mobile\":null}"), ("file", OWN)]).await;
    assert_eq!(
        (&done["columns"][4]["by"], &done["columns"][4]["field"]),
        (&json!("mapping"), &json!("phone"))
    );
    put(served.staff(), json!({ "mapping": {} })).await.is(200);
    served.staff().upload(OWN).await.refused(422, "file_unreadable");
}

async fn a_mapping_that_cannot_be_remembered_is_refused(world: World) {
    let served = world.serve().await;
    let many: serde_json::Map<String, serde_json::Value> =
        (0..501).map(|number| (format!("Column {number}"), json!(null))).collect();
    for mapping in [
        json!({ " ": "email" }),
        json!({ "a\u{0}b": "email" }),
        json!({ "x".repeat(201): null }),
        json!({ "Contact": "address" }),
        json!(many),
    ] {
        let staff = served.staff();
        let request = staff.request(Method::PUT, "/api/import-mappings").json(&json!({ "mapping": mapping }));
        // Sent by hand: headers of a mapping may come back.
        let reply = request.send().await.unwrap();
        assert_eq!(reply.status(), 422, "{mapping}");
    }
    assert_eq!(number!(served, "select count(*) from import_mappings"), 0);
}
