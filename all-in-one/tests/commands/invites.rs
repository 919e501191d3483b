//! `invite` and `invites`.

use crate::fake::Fake;
use crate::world::{Said, Scratch, run};
use serde_json::{Value, json};

const JOBS: [&str; 3] = [
    "0193e0f2-0000-7000-8000-000000000001",
    "0193e0f2-0000-7000-8000-000000000002",
    "0193e0f2-0000-7000-8000-000000000003",
];
const ADA: &str = "0193e0f2-0000-7000-8000-00000000000a";

fn job(id: &str, total: u64, failed: u64) -> Value {
    let failures: Vec<Value> =
        (0..failed.min(100)).map(|n| json!({"patient_id": format!("p{n}"), "code": "already_invited", "message": "has an open invite"})).collect();
    json!({"id": id, "state": "done", "total": total, "waiting": 0, "issued": total - failed, "failed": failed,
        "cancelled": 0, "failures": failures, "provider_id": "dr-grey", "created_at": "2026-11-23T10:00:00Z"})
}

/// A server that takes bulks, each at its end at once.
async fn taking(jobs: &[Value]) -> Fake {
    let fake = Fake::start().await;
    let taken: Vec<(u16, Value)> = jobs.iter().map(|job| (202, json!({ "id": job["id"] }))).collect();
    fake.on("POST /api/invites/bulk", &taken);
    for job in jobs {
        let id = job["id"].as_str().expect("an id");
        fake.on(&format!("GET /api/invites/bulk/{id}"), &[(200, job.clone())]);
    }
    fake
}

async fn invite(fake: &Fake, args: &[&str]) -> Said {
    run(&[&["invite", "--url", &fake.url, "--token", "t", "--provider", "dr-grey"], args].concat()).await
}

#[tokio::test]
async fn more_patients_than_one_job_takes_are_sent_as_several() {
    let fake = taking(&[job(JOBS[0], 10_000, 0), job(JOBS[1], 10_000, 0), job(JOBS[2], 5_000, 2)]).await;
    let scratch = Scratch::new("several");
    let ids: String = (0..25_000).map(|n| format!("0193e0f2-0000-7000-8000-{n:012x}\n")).collect();
    let said = invite(&fake, &["--patients", &scratch.file("ids", &ids), "--json"]).await;
    assert_eq!(said.code, Some(0), "{said:?}");
    let counts: Value = serde_json::from_str(&said.out).expect("one object and nothing else");
    assert_eq!(counts, json!({"total": 25_000, "issued": 24_998, "failed": 2, "cancelled": 0}));
    let sent = fake.asked_for("POST /api/invites/bulk");
    let sizes: Vec<usize> =
        sent.iter().map(|asked| asked.json()["patient_ids"].as_array().expect("ids").len()).collect();
    assert_eq!(sizes, [10_000, 10_000, 5_000]);
    let mut keys: Vec<&str> = sent.iter().map(|asked| asked.header("idempotency-key")).collect();
    keys.dedup();
    assert!(keys.len() == 3 && !keys.contains(&""), "each its own key: {keys:?}");
}

#[tokio::test]
async fn whom_and_how_is_said_as_it_was_asked() {
    for (args, whom) in [
        (vec!["--import", JOBS[1]], json!({"filter": {"import_id": JOBS[1]}})),
        (vec!["--all-uninvited"], json!({"filter": {"ever_invited": false}})),
        (vec!["--patient", ADA, "--patient", ADA], json!({"patient_ids": [ADA]})),
    ] {
        let fake = taking(&[job(JOBS[0], 1, 0)]).await;
        let how = ["--expiry-days", "14", "--message", "See you soon", "--no-email"];
        let said = invite(&fake, &[&args[..], &how[..]].concat()).await;
        assert_eq!(said.code, Some(0), "{said:?}");
        let mut wanted = json!({"provider_id": "dr-grey", "send_email": false, "expiry_days": 14,
            "custom_message": "See you soon"});
        wanted.as_object_mut().expect("an object").extend(whom.as_object().expect("an object").clone());
        assert_eq!(fake.asked_for("POST /api/invites/bulk")[0].json(), wanted);
    }
}

#[tokio::test]
async fn whom_must_be_said_once() {
    let fake = taking(&[]).await;
    assert!(invite(&fake, &[]).await.err.contains("--all-uninvited"));
    assert!(invite(&fake, &["--all-uninvited", "--import", ADA]).await.err.contains("cannot be used with"));
    let scratch = Scratch::new("whom");
    let said = invite(&fake, &["--patients", &scratch.file("empty", "\n\n")]).await;
    assert!(said.code == Some(1) && said.err.contains("names no patient"), "{said:?}");
    assert_eq!(fake.asked().len(), 0);
}

#[tokio::test]
async fn reasons_are_counted_over_every_page() {
    let fake = taking(&[job(JOBS[0], 300, 201)]).await;
    let of = |range: std::ops::Range<u32>, code: &str| -> Vec<Value> {
        range.map(|n| json!({"patient_id": format!("p{n}"), "outcome": "failed", "code": code, "message": "no"})).collect()
    };
    let path = format!("GET /api/invites/bulk/{}/patients?outcome=failed&limit=200", JOBS[0]);
    fake.on(&path, &[(200, json!({"items": of(0..200, "already_invited"), "next_cursor": "c2"}))]);
    fake.on(
        &format!("{path}&cursor=c2"),
        &[(200, json!({"items": of(200..201, "patient_archived"), "next_cursor": null}))],
    );
    let said = invite(&fake, &["--all-uninvited"]).await;
    assert!(said.out.contains("200  already_invited: no"), "{said:?}");
    assert!(said.out.contains("1  patient_archived: no\n      patients p200\n"), "{said:?}");
    assert!(said.out.contains(&format!("invites retry {}", JOBS[0])), "{said:?}");
}

#[tokio::test]
async fn a_part_that_was_not_taken_in_leaves_the_others_known() {
    let fake = taking(&[job(JOBS[0], 10_000, 0)]).await;
    let refused = (422, json!({"code": "invalid", "title": "Not acceptable"}));
    fake.on("POST /api/invites/bulk", &[(202, json!({ "id": JOBS[0] })), refused]);
    let scratch = Scratch::new("part");
    let ids: String = (0..10_001).map(|n| format!("0193e0f2-0000-7000-8000-{n:012x}\n")).collect();
    let said = invite(&fake, &["--patients", &scratch.file("ids", &ids)]).await;
    assert!(said.code == Some(1) && said.err.contains(JOBS[0]), "{said:?}");
}

#[tokio::test]
async fn jobs_are_listed_shown_retried_and_cancelled() {
    let mut cancelled = job(JOBS[0], 10, 1);
    (cancelled["state"], cancelled["issued"], cancelled["cancelled"]) =
        (json!("cancelled"), json!(4), json!(5));
    let fake = taking(&[cancelled]).await;
    let at = ["--url", &fake.url, "--token", "t"];
    fake.on("GET /api/invites/bulk?limit=20", &[(200, json!({"items": [job(JOBS[0], 10, 1)]}))]);
    let said = run(&[&["invites", "list"], &at[..]].concat()).await;
    assert!(said.out.contains(JOBS[0]), "{said:?}");
    let said = run(&[&["invites", "show", JOBS[0]], &at[..]].concat()).await;
    assert!(said.out.contains("5  cancelled") && said.out.contains("already_invited"), "{said:?}");
    for order in ["retry", "cancel"] {
        let line = format!("POST /api/invites/bulk/{}/{order}", JOBS[0]);
        fake.on(&line, &[(202, json!({ "id": JOBS[0] }))]);
        let said = run(&[&["invites", order, JOBS[0], "--json"], &at[..]].concat()).await;
        let counts: Value = serde_json::from_str(&said.out).expect("one object");
        assert_eq!(counts, json!({"total": 10, "issued": 4, "failed": 1, "cancelled": 5}));
        assert_eq!(fake.asked_for(&line).len(), 1, "an order is given once");
    }
}
