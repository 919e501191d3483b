//! Registers as clinics export them.

use super::client::{Api, Reply};
use super::{Served, until};
use patients_service::import::worker::Stepped;
use reqwest::Method;
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

/// Sends a file, options in the query.
pub async fn send(api: &Api, query: &str, file: impl Into<reqwest::Body>) -> Reply {
    let request = api.request(Method::POST, &format!("/api/patients/import?{query}"));
    api.send(request.header("content-type", "text/csv").body(file)).await
}

/// Sends a form, its parts in this order.
pub async fn send_form(api: &Api, parts: &[(&str, &str)]) -> Reply {
    let part = |(name, text): &(&str, &str)| {
        let file = if *name == "file" { "; filename=\"register.csv\"" } else { "" };
        format!("--of-parts\r\ncontent-disposition: form-data; name=\"{name}\"{file}\r\n\r\n{text}\r\n")
    };
    let body: String = parts.iter().map(part).collect::<String>() + "--of-parts--\r\n";
    let request = api.request(Method::POST, "/api/patients/import");
    api.send(request.header("content-type", "multipart/form-data; boundary=of-parts").body(body)).await
}

/// Takes a file in, options in the query, and carries it out. How it then stands, whatever it waits for.
pub async fn import_as(served: &Served, query: &str, file: impl Into<reqwest::Body>) -> Value {
    let id = send(&served.staff(), query, file).await.is(202).id();
    carry_out(served).await;
    standing(&served.staff(), id).await
}

/// The same as a form.
pub async fn import_form(served: &Served, parts: &[(&str, &str)]) -> Value {
    let id = send_form(&served.staff(), parts).await.is(202).id();
    carry_out(served).await;
    standing(&served.staff(), id).await
}

/// An import as it stands.
pub async fn standing(api: &Api, id: Uuid) -> Value {
    api.get(&format!("/api/imports/{id}")).await.is(200).body
}

/// The path of something that belongs to an import.
pub fn of(import: &Value, what: &str) -> String {
    format!("/api/imports/{}{what}", import["id"].as_str().unwrap())
}

/// Each row's outcome, in the order of the file.
pub async fn ends(api: &Api, import: &Value) -> Vec<String> {
    let rows = api.all(&of(import, "/rows?limit=200")).await;
    rows.iter().map(|row| row["outcome"].as_str().unwrap().to_owned()).collect()
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

/// created, updated, unchanged, skipped, failed.
pub fn tally(import: &Value) -> [i64; 5] {
    ["created", "updated", "unchanged", "skipped", "failed"].map(|name| import[name].as_i64().unwrap())
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
