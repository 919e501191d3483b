//! Proofs about an API, made from its own description: whatever route is added, they try it.
//!
//! * [`operations`] reads an OpenAPI document; `sample` makes up what an operation takes.
//! * [`Stage`] is a service that is served, with things in it and tokens of all kinds.
//! * [`access`], [`foreign`], [`audited`] and [`public`] are the proofs; [`tables`] tells whether a database changed.

pub mod access;
pub mod audited;
pub mod foreign;
pub mod public;
mod sample;
mod stage;
pub mod tables;

pub use stage::{Issuer, Stage};

use reqwest::Method;
use serde_json::Value;
use std::collections::BTreeSet;
use uuid::Uuid;

/// One thing a service can be asked.
#[derive(Debug, Clone)]
pub struct Operation {
    /// The method.
    pub method: Method,
    /// The path's template.
    pub path: String,
    /// The role it needs; none where it is for everybody, or not for staff.
    pub role: Option<String>,
    /// Names of parameters in the query that are ids and may be left out.
    pub ids_in_query: Vec<String>,
    /// Names of those that may not.
    pub needed_in_query: Vec<String>,
    /// Whether there is a parameter in the query for a page.
    pub pages: bool,
    /// Whether it takes an `Idempotency-Key`.
    pub repeatable: bool,
    /// Whether it needs `If-Match`.
    pub if_match: bool,
    /// What it takes: media type and text.
    pub body: Option<(String, String)>,
    /// The statuses it may answer.
    pub statuses: BTreeSet<u16>,
}

/// A request to be.
#[derive(Debug, Clone, Default)]
pub struct Call {
    /// Path and query.
    pub target: String,
    /// Headers.
    pub headers: Vec<(&'static str, String)>,
    /// Media type and text.
    pub body: Option<(String, String)>,
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The problem's code, or nothing.
    pub code: String,
    /// The body where it is JSON, else null.
    pub body: Value,
    /// The request's name.
    pub request_id: String,
}

/// Every operation of a document.
pub fn operations(document: &Value) -> Vec<Operation> {
    let paths = document["paths"].as_object().expect("paths");
    let mut operations = Vec::new();
    for (path, item) in paths {
        for (method, said) in item.as_object().expect("a path item") {
            if let Ok(method) = method.to_uppercase().parse::<Method>()
                && said["responses"].is_object()
            {
                operations.push(Operation::read(document, method, path, said));
            }
        }
    }
    assert!(!operations.is_empty());
    operations
}

impl Operation {
    fn read(document: &Value, method: Method, path: &str, said: &Value) -> Operation {
        let parameters = said["parameters"].as_array().cloned().unwrap_or_default();
        let named = |name: &str| parameters.iter().any(|parameter| parameter["name"] == name);
        let ids = |needed: bool| -> Vec<String> {
            let ids = parameters.iter().filter(|parameter| {
                parameter["in"] == "query" && parameter["schema"].to_string().contains("\"uuid\"")
            });
            let ids = ids.filter(|parameter| (parameter["required"] == true) == needed);
            ids.filter_map(|parameter| Some(parameter["name"].as_str()?.to_owned())).collect()
        };
        let statuses = said["responses"].as_object().expect("responses").keys();
        Operation {
            method,
            path: path.to_owned(),
            role: said["security"][0]["bearer"][0].as_str().map(str::to_owned),
            ids_in_query: ids(false),
            needed_in_query: ids(true),
            pages: named("cursor"),
            repeatable: named("Idempotency-Key"),
            if_match: named("If-Match"),
            body: sample::body(document, &said["requestBody"]),
            statuses: statuses.map(|status| status.parse().expect("a status")).collect(),
        }
    }

    /// Its name, for whoever reads a failure.
    pub fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// Whether its path, or what its query must have, names something.
    pub fn names_something(&self) -> bool {
        self.path.contains('{') || !self.needed_in_query.is_empty()
    }

    /// A request that should be taken, about the thing `id`: in the path and the query, and wherever its body has an id.
    pub fn about(&self, id: Uuid) -> Call {
        let mut target = String::new();
        for (place, part) in self.path.split(['{', '}']).enumerate() {
            target += if place % 2 == 0 { part } else { "\u{0}" };
        }
        let query: Vec<String> = self.needed_in_query.iter().map(|name| format!("{name}={id}")).collect();
        let sign = if query.is_empty() { "" } else { "?" };
        let target = format!("{}{sign}{}", target.replace('\u{0}', &id.to_string()), query.join("&"));
        let headers = if self.if_match { vec![("if-match", "*".to_owned())] } else { Vec::new() };
        let body = self.body.clone().map(|(kind, text)| (kind, sample::with_id(&text, id)));
        Call { target, headers, body }
    }
}
