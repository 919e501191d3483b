//! Registers as clinics export them.

use super::client::{Api, Reply};
use super::{Served, until};
use patients_service::import::worker::Stepped;
use serde_json::Value;
use uuid::Uuid;

/// The first line of a real export: most columns are none of ours.
pub const HEADERS: &str = "Id,BIRTHDATE,DEATHDATE,SSN,PREFIX,FIRST,LAST,SUFFIX,GENDER,ADDRESS,EMAIL,PHONE";
/// Those that are not read.
pub const IGNORED: [&str; 6] = ["DEATHDATE", "SSN", "PREFIX", "SUFFIX", "GENDER", "ADDRESS"];

/// A row of it.
pub fn row(number: usize) -> String {
    let (day, month) = (number % 28 + 1, number % 12 + 1);
    format!(
        "mrn-{number},19{:02}-{month:02}-{day:02},,999-12-{number:04},Mrs.,Given{number},Family{number},,F,\
         \"{number} Long Road, Flat 2\",imported{number}@example.org,+44 20 7946 {number:04}",
        number % 100
    )
}

pub fn file(rows: impl IntoIterator<Item = String>) -> String {
    let lines: Vec<String> = std::iter::once(HEADERS.to_owned()).chain(rows).collect();
    lines.join("\r\n") + "\r\n"
}

/// Takes a file in and carries it out, step by step.
pub async fn import(served: &Served, file: impl Into<reqwest::Body>) -> Value {
    let id = served.staff().upload(file).await.is(202).id();
    carry_out(served).await;
    outcome(&served.staff(), id).await
}

/// Carries out what waits, to its end.
pub async fn carry_out(served: &Served) {
    let worker = served.service.import_worker();
    while worker.step().await.unwrap() != Stepped::Idle {}
}

/// An import that is done; its counts add up.
pub async fn outcome(api: &Api, id: Uuid) -> Value {
    let body = until("the end of the import", || async {
        let Reply { body, .. } = api.get(&format!("/api/imports/{id}")).await.is(200);
        (body["state"] == "done").then_some(body)
    })
    .await;
    let count = |name: &str| body[name].as_i64().unwrap();
    let ends = ["created", "updated", "unchanged", "skipped", "failed"].map(count);
    assert_eq!(count("read"), ends.iter().sum::<i64>(), "{body}");
    assert!(body["finished_at"].is_string());
    body
}

/// created, unchanged, skipped, failed.
pub fn counts(outcome: &Value) -> [i64; 4] {
    ["created", "unchanged", "skipped", "failed"].map(|name| outcome[name].as_i64().unwrap())
}

/// Failed rows and why: the code of a reason that concerns the whole row, else the field and the words.
pub fn failures(outcome: &Value) -> Vec<(i64, String)> {
    let errors = outcome["errors"].as_array().unwrap().iter();
    errors.map(|error| (error["row"].as_i64().unwrap(), reasons(error))).collect()
}

fn reasons(error: &Value) -> String {
    let reasons = error["reasons"].as_array().unwrap().iter();
    let said = |reason: &Value| match reason["field"].as_str() {
        Some(field) => format!("{field} {}", reason["message"].as_str().unwrap()),
        None => reason["code"].as_str().unwrap().to_owned(),
    };
    reasons.map(said).collect::<Vec<_>>().join("; ")
}
