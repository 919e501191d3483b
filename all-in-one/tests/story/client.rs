//! A clinic's program: asks, waits, reads pages.

use reqwest::header::{HeaderMap, HeaderName};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Asks the API on behalf of a clinic. `patients` and `invites` are the same where one process serves both.
#[derive(Clone)]
pub struct Client {
    pub patients: String,
    pub invites: String,
    pub token: String,
    pub http: reqwest::Client,
}

impl Client {
    fn url(&self, path: &str) -> String {
        let ours = path.starts_with("/api/patients") || path.starts_with("/api/imports");
        format!("{}{path}", if ours { &self.patients } else { &self.invites })
    }

    /// The same for a person at home, whose requests come through a proxy that is believed, from an address of
    /// their own.
    pub fn at_home(&self, place: usize) -> Client {
        let address = format!("198.51.100.{place}").parse().expect("a header");
        let headers = HeaderMap::from_iter([(HeaderName::from_static("x-forwarded-for"), address)]);
        let http = reqwest::Client::builder().default_headers(headers).build().expect("a client");
        Client { http, ..self.clone() }
    }

    pub async fn get(&self, path: &str) -> Value {
        let answer = self.http.get(self.url(path)).bearer_auth(&self.token).send().await.expect("answered");
        assert!(answer.status().is_success(), "GET {path}: {}", answer.status());
        answer.json().await.expect("JSON")
    }

    pub async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let answer = self
            .http
            .post(self.url(path))
            .bearer_auth(&self.token)
            .json(body)
            .send()
            .await
            .expect("answered");
        (answer.status().as_u16(), answer.json().await.unwrap_or_default())
    }

    /// Every item of a list, page by page.
    pub async fn all(&self, path: &str) -> Vec<Value> {
        let (mut items, mut cursor) = (Vec::new(), None::<String>);
        loop {
            let page =
                self.get(&cursor.as_ref().map_or(path.to_owned(), |c| format!("{path}&cursor={c}"))).await;
            items.extend(page["items"].as_array().expect("items").iter().cloned());
            match page["next_cursor"].as_str() {
                Some(next) => cursor = Some(next.to_owned()),
                None => return items,
            }
        }
    }

    /// Imports a file and gives the finished job.
    pub async fn import(&self, csv: &str) -> Value {
        let request = self.http.post(self.url("/api/patients/import")).bearer_auth(&self.token);
        let answer =
            request.header("content-type", "text/csv").body(csv.to_owned()).send().await.expect("answered");
        assert_eq!(answer.status(), 202);
        let id = answer.json::<Value>().await.expect("JSON")["id"].as_str().expect("id").to_owned();
        let path = format!("/api/imports/{id}");
        eventually(Duration::from_secs(60), "the import to end", async || {
            self.get(&path).await["state"] == "done"
        })
        .await;
        self.get(&path).await
    }

    /// Invites a patient, waiting until invites-service has heard of them.
    pub async fn invite(&self, patient: &str, place: usize) -> Value {
        let body =
            json!({ "patient_id": patient, "provider_id": format!("dr-{}", place % 3), "send_email": false });
        let until = Instant::now() + Duration::from_secs(30);
        loop {
            match self.post("/api/generate_invite", &body).await {
                (201, invite) => return invite,
                (404, problem) if problem["code"] == "patient_unknown" && Instant::now() < until => {}
                (status, problem) => panic!("invited: {status} {problem}"),
            }
        }
    }
}

/// Waits for a condition, with a deadline.
pub async fn eventually(within: Duration, what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let until = Instant::now() + within;
    while !holds().await {
        assert!(Instant::now() < until, "waited {within:?} for {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
