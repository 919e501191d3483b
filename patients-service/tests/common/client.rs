//! A member of staff at their keyboard.

use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use uuid::Uuid;

/// Somebody who asks.
#[derive(Clone)]
pub struct Api {
    pub url: String,
    pub client: reqwest::Client,
    pub token: Option<String>,
}

impl Api {
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.url));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// Sends a request. A refusal must be in form, and repeat nothing that was sent.
    pub async fn send(&self, request: RequestBuilder) -> Reply {
        let request = request.build().unwrap();
        let sent = request.body().and_then(|body| body.as_bytes()).map(<[u8]>::to_vec).unwrap_or_default();
        let reply = Reply::read(self.client.execute(request).await.unwrap()).await;
        if reply.status >= 400 {
            reply.is_in_form();
            for value in values(&serde_json::from_slice(&sent).unwrap_or_default()) {
                assert!(!reply.text.contains(&value), "{value:?} comes back in {}", reply.text);
            }
        }
        reply
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.send(self.request(Method::GET, path)).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Reply {
        self.send(self.request(Method::POST, path).json(body)).await
    }

    /// Under an idempotency key.
    pub async fn post_as(&self, key: &str, path: &str, body: &Value) -> Reply {
        self.send(self.request(Method::POST, path).header("idempotency-key", key).json(body)).await
    }

    pub async fn put(&self, path: &str, etag: &str, body: &Value) -> Reply {
        self.send(self.request(Method::PUT, path).header("if-match", etag).json(body)).await
    }

    pub async fn patch(&self, path: &str, etag: &str, body: &Value) -> Reply {
        self.send(self.request(Method::PATCH, path).header("if-match", etag).json(body)).await
    }

    pub async fn delete(&self, path: &str, etag: &str) -> Reply {
        self.send(self.request(Method::DELETE, path).header("if-match", etag)).await
    }

    pub async fn upload(&self, file: impl Into<reqwest::Body>) -> Reply {
        let request = self.request(Method::POST, "/api/patients/import");
        self.send(request.header("content-type", "text/csv").body(file)).await
    }

    /// Puts a patient on record.
    pub async fn create(&self, body: &Value) -> Uuid {
        self.post("/api/patients", body).await.is(201).id()
    }

    /// Every item of a list, page by page.
    pub async fn all(&self, path: &str) -> Vec<Value> {
        let mut items = Vec::new();
        let mut page = self.get(path).await.is(200).body;
        loop {
            items.extend(page["items"].as_array().unwrap().clone());
            let Some(cursor) = page["next_cursor"].as_str() else { return items };
            let sign = if path.contains('?') { '&' } else { '?' };
            page = self.get(&format!("{path}{sign}cursor={cursor}")).await.is(200).body;
        }
    }
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
    pub body: Value,
}

impl Reply {
    async fn read(response: reqwest::Response) -> Reply {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.unwrap();
        Reply { status, headers, body: serde_json::from_str(&text).unwrap_or_default(), text }
    }

    #[track_caller]
    pub fn is(self, status: u16) -> Reply {
        assert_eq!(self.status, status, "{}", self.text);
        self
    }

    #[track_caller]
    pub fn refused(self, status: u16, code: &str) -> Value {
        assert_eq!((self.status, &self.body["code"]), (status, &json!(code)), "{}", self.text);
        self.body
    }

    /// Refused for one field, named by its pointer.
    #[track_caller]
    pub fn refused_at(self, status: u16, code: &str, pointer: &str) -> Value {
        let body = self.refused(status, code);
        let pointers: Vec<&str> = body["errors"].as_array().unwrap().iter().map(pointer_of).collect();
        assert_eq!(pointers, [pointer], "{body}");
        body
    }

    #[track_caller]
    pub fn etag(&self) -> String {
        self.headers["etag"].to_str().unwrap().to_owned()
    }

    #[track_caller]
    pub fn id(&self) -> Uuid {
        self.body["id"].as_str().unwrap().parse().unwrap()
    }

    fn is_in_form(&self) {
        assert_eq!(self.headers["content-type"], "application/problem+json", "{}", self.text);
        assert_eq!(self.body["status"], self.status);
        assert!(self.body["request_id"].is_string());
        let code = self.body["code"].as_str().unwrap();
        assert_eq!(self.body["type"], format!("urn:patient-first:problem:{code}"));
    }
}

fn pointer_of(error: &Value) -> &str {
    error["pointer"].as_str().unwrap()
}

/// The texts of a body that are long enough to be told from our own words.
fn values(body: &Value) -> Vec<String> {
    match body {
        Value::String(text) if text.chars().count() > 3 => vec![text.clone()],
        Value::Array(items) => items.iter().flat_map(values).collect(),
        Value::Object(members) => members.values().flat_map(values).collect(),
        _ => Vec::new(),
    }
}

/// A person like any other.
pub fn person(number: usize) -> Value {
    json!({
        "email": format!("person{number}@example.org"),
        "first_name": format!("Given{number}"),
        "last_name": format!("Family{number:03}"),
    })
}

/// A patient's path.
pub fn at(id: Uuid) -> String {
    format!("/api/patients/{id}")
}
