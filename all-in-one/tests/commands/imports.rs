//! `import` and `imports`.

use crate::fake::Fake;
use crate::world::{Said, Scratch, begin, run};
use serde_json::{Value, json};
use std::io::Write;

const ID: &str = "0193e0f2-0000-7000-8000-000000000001";
const CSV: &str = "Email,First,Last\nada@example.org,Ada,Lovelace\n";

fn done() -> Value {
    json!({"id": ID, "state": "done", "dry_run": false, "on_match": "skip",
        "read": 3, "created": 1, "updated": 0, "unchanged": 1, "skipped": 0, "failed": 1,
        "file": {"sha256": "a".repeat(64), "bytes": 120, "encoding": "windows-1252", "delimiter": ";", "blank_rows": 2},
        "columns": [{"header": "First", "field": "first_name", "by": "header"}],
        "ignored_columns": ["SSN"], "warnings": [], "created_at": "2026-11-23T10:00:00Z",
        "errors": [{"row": 2, "line": 3, "reasons": [{"code": "required", "message": "is missing", "column": "Email"}]}],
        "matches": [], "duplicates": []})
}

/// A server that takes an import, which is at its end at once.
async fn taking(job: Value) -> Fake {
    let fake = Fake::start().await;
    fake.on("POST /api/patients/import", &[(202, json!({ "id": ID }))]);
    fake.on(&format!("GET /api/imports/{ID}"), &[(200, job)]);
    fake
}

async fn import(fake: &Fake, args: &[&str]) -> Said {
    run(&[&["import", "--url", &fake.url, "--token", "t0ken"], args].concat()).await
}

#[tokio::test]
async fn a_file_is_sent_as_it_is_and_the_counts_are_one_object() {
    let (fake, scratch) = (taking(done()).await, Scratch::new("asitis"));
    let said = import(&fake, &[&scratch.file("people.csv", CSV), "--json"]).await;
    assert_eq!(said.code, Some(0), "a job that ended is no failure, whatever its rows: {said:?}");
    let counts: Value = serde_json::from_str(&said.out).expect("one object and nothing else");
    assert_eq!(counts, json!({"read":3,"created":1,"updated":0,"unchanged":1,"skipped":0,"failed":1}));
    let sent = &fake.asked_for("POST /api/patients/import")[0];
    assert_eq!((sent.header("content-type"), sent.text().as_str()), ("text/csv", CSV));
    assert_eq!(sent.header("content-length"), CSV.len().to_string());
    assert_eq!(sent.header("authorization"), "Bearer t0ken");
}

#[tokio::test]
async fn what_is_asked_comes_before_the_file() {
    let (fake, scratch) = (taking(done()).await, Scratch::new("form"));
    let file = scratch.file("secret-clinic.csv", CSV);
    let mapping = scratch.file("mapping.json", r#"{"mapping": {"Mail": "email", "SSN": null}}"#);
    let hash = "0f".repeat(32);
    let decisions =
        scratch.file("decisions.json", &json!({"file_sha256": hash, "rows": {"17": "create"}}).to_string());
    let args = [
        &file,
        "--dry-run",
        "--on-match",
        "update",
        "--date-order",
        "dmy",
        "--encoding",
        "windows-1252",
        "--delimiter",
        ";",
        "--mapping",
        &mapping,
        "--decisions",
        &decisions,
        "--invite",
        "--provider",
        "dr-grey",
        "--invite-matched",
        "--expiry-days",
        "14",
        "--message",
        "See you soon",
        "--no-email",
    ];
    let said = import(&fake, &args).await;
    assert_eq!(said.code, Some(0), "{said:?}");
    let sent = fake.asked_for("POST /api/patients/import")[0].text();
    assert!(!sent.contains("secret-clinic"), "the file's name stays here");
    let (options, file) = sent.split_once("name=\"file\"").expect("both parts, options first");
    assert!(file.contains(CSV));
    let options = options.lines().find(|line| line.starts_with('{')).expect("an object");
    let wanted = json!({"dry_run": true, "on_match": "update", "date_order": "dmy", "encoding": "windows-1252",
        "delimiter": ";", "mapping": {"Mail": "email", "SSN": null},
        "decisions": {"file_sha256": hash, "rows": {"17": "create"}}, "invite": true, "invite_matched": true,
        "provider_id": "dr-grey", "expiry_days": 14, "custom_message": "See you soon", "send_email": false});
    assert_eq!(serde_json::from_str::<Value>(options).expect("JSON"), wanted);
}

#[tokio::test]
async fn what_is_wrong_here_is_said_before_anything_is_sent() {
    let (fake, scratch) = (taking(done()).await, Scratch::new("wrong"));
    let file = scratch.file("people.csv", CSV);
    let there = scratch.file("result.csv", "");
    let wrong = |name: &str, text: &str| scratch.file(name, text);
    for (args, words) in [
        (["--mapping", &wrong("1", r#"{"Mail": "e-mail"}"#)], "use one of email, first_name"),
        (["--mapping", &wrong("2", "Mail=email")], "is no JSON object"),
        (["--mapping", &scratch.path("nowhere")], "cannot read"),
        (["--decisions", &wrong("3", r#"{"rows": {}}"#)], "file_sha256 must be"),
        (
            [
                "--decisions",
                &wrong("4", &format!(r#"{{"file_sha256":"{}","rows":{{"0":"skip"}}}}"#, "a".repeat(64))),
            ],
            "is no row",
        ),
        (
            [
                "--decisions",
                &wrong("5", &format!(r#"{{"file_sha256":"{}","rows":{{"1":"merge"}}}}"#, "a".repeat(64))),
            ],
            "use create, update or skip",
        ),
        (["--result", &there], "overwrite it with --force"),
        (["--delimiter", "x"], "use , ; | or tab"),
        (["--provider", "dr-grey"], "--invite"),
        (["--data-dir", "--invite"], "--data-dir"),
    ] {
        let said = import(&fake, &[&[file.as_str()], args.as_slice()].concat()).await;
        assert!(said.code != Some(0) && said.err.contains(words), "{args:?}: {said:?}");
        assert_eq!(said.out, "");
    }
    assert_eq!(fake.asked().len(), 0, "nothing was sent");
}

#[tokio::test]
async fn a_refusal_is_said_in_words() {
    let (fake, scratch) = (taking(done()).await, Scratch::new("refused"));
    let problem = json!({"code": "dates_ambiguous", "title": "The file cannot be imported", "detail": "say date_order"});
    fake.on("POST /api/patients/import", &[(422, problem)]);
    let said = import(&fake, &[&scratch.file("people.csv", CSV), "--json"]).await;
    assert_eq!((said.code, said.out.as_str()), (Some(1), ""));
    assert!(said.err.contains("say date_order [422 dates_ambiguous]"), "{said:?}");
}

#[tokio::test]
async fn a_job_that_could_not_go_on_is_a_failure() {
    let mut job = done();
    (job["state"], job["failure"]) = (json!("failed"), json!("the keys are gone"));
    let (fake, scratch) = (taking(job).await, Scratch::new("failed"));
    let said = import(&fake, &[&scratch.file("people.csv", CSV), "--json"]).await;
    assert_eq!((said.code, said.out.as_str()), (Some(1), ""));
    assert!(said.err.contains("could not go on: the keys are gone"), "{said:?}");
}

#[tokio::test]
async fn standard_input_is_a_file_too() {
    let fake = taking(done()).await;
    let mut child = begin(&["import", "-", "--json", "--url", &fake.url, "--token", "t"]);
    let mut input = child.input();
    input.write_all(CSV.as_bytes()).expect("written");
    drop(input);
    let said = child.said().await;
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(fake.asked_for("POST /api/patients/import")[0].text(), CSV);
}

#[tokio::test]
async fn a_person_reads_what_was_found_and_what_to_do_next() {
    let (fake, scratch) = (taking(done()).await, Scratch::new("report"));
    let said = import(&fake, &[&scratch.file("people.csv", CSV)]).await;
    for words in [
        "The import is done.",
        "1  created\n",
        "letters in windows-1252",
        "columns between \";\"",
        "2 blank rows left out",
        "First  is  first_name",
        "not read: SSN",
        "row 2 (line 3): Email: is missing",
        &format!("patient-first imports result {ID} FILE --url {}", fake.url),
        &format!("imports undo {ID}"),
    ] {
        assert!(said.out.contains(words), "{words}\n{}", said.out);
    }
    assert!(!said.out.contains("t0ken"), "no token on the screen");
}

#[tokio::test]
async fn invites_are_counted_beside_the_rows() {
    let mut job = done();
    job["invites"] = json!({"requested": 4, "issued": 3, "refused": 1});
    let (fake, scratch) = (taking(job).await, Scratch::new("invite"));
    let file = scratch.file("people.csv", CSV);
    let said = import(&fake, &[&file, "--invite", "--provider", "dr-grey", "--json"]).await;
    let counts: Value = serde_json::from_str(&said.out).expect("one object");
    assert_eq!(counts["invites"], json!({"requested": 4, "issued": 3, "refused": 1}));
    assert_eq!(counts.as_object().expect("an object").len(), 7);
}

#[tokio::test]
async fn the_result_is_saved_for_its_owner_alone_and_overwrites_nothing() {
    use std::os::unix::fs::PermissionsExt;
    let (fake, scratch) = (taking(done()).await, Scratch::new("result"));
    let text = "import_row,import_line\n1,2\n";
    fake.on_text(&format!("GET /api/imports/{ID}/result"), text);
    fake.on_text(&format!("GET /api/imports/{ID}/result?only=failed"), "only failed");
    let (file, result) = (scratch.file("people.csv", CSV), scratch.path("result.csv"));
    let said = import(&fake, &[&file, "--result", &result]).await;
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(std::fs::read_to_string(&result).expect("saved"), text);
    assert_eq!(std::fs::metadata(&result).expect("there").permissions().mode() & 0o777, 0o600);

    let save = ["imports", "result", ID, &result, "--only-failed", "--url", &fake.url, "--token", "t"];
    let said = run(&save).await;
    assert!(said.code == Some(1) && said.err.contains("is there already"), "{said:?}");
    assert_eq!(std::fs::read_to_string(&result).expect("there"), text, "untouched");
    let said = run(&[&save[..], &["--force"]].concat()).await;
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(std::fs::read_to_string(&result).expect("there"), "only failed");
    let left = std::fs::read_dir(scratch.path("")).expect("a directory").count();
    assert_eq!(left, 2, "no half-written file stays");
}

#[tokio::test]
async fn imports_are_listed_retried_and_undone() {
    let fake = taking(done()).await;
    let at = ["--url", &fake.url, "--token", "t"];
    fake.on("GET /api/imports?limit=20", &[(200, json!({"items": [done()], "next_cursor": null}))]);
    let said = run(&[&["imports", "list"], &at[..]].concat()).await;
    assert!(said.out.contains(ID) && said.out.contains("2026-11-23T10:00:00"), "{said:?}");

    fake.on(&format!("POST /api/imports/{ID}/retry"), &[(202, json!({ "id": ID }))]);
    let said = run(&[&["imports", "retry", ID, "--json"], &at[..]].concat()).await;
    assert_eq!(serde_json::from_str::<Value>(&said.out).expect("JSON"), done());

    let mut undone = done();
    undone["state"] = json!("undone");
    undone["undo"] =
        json!({"archived": 1200, "kept": 1, "left": [{"patient_id": "p1", "reason": "invited"}]});
    fake.on(&format!("POST /api/imports/{ID}/undo"), &[(202, json!({ "id": ID }))]);
    fake.on(&format!("GET /api/imports/{ID}"), &[(200, undone)]);
    let said = run(&[&["imports", "undo", ID], &at[..]].concat()).await;
    assert!(said.out.contains("1,200  patients archived") && said.out.contains("p1: invited"), "{said:?}");

    let gone = json!({"code": "import_result_gone", "title": "The result is gone"});
    fake.on(&format!("POST /api/imports/{ID}/retry"), &[(410, gone)]);
    let said = run(&[&["imports", "retry", ID], &at[..]].concat()).await;
    assert!(said.code == Some(1) && said.err.contains("[410 import_result_gone]"), "{said:?}");
}
