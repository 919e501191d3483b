//! Something that a schema allows.

use serde_json::{Map, Value, json};
use uuid::Uuid;

/// A small register, for operations that take a file.
const REGISTER: &str = "email,first_name,last_name\nrow1@example.org,Given,Family\nrow1@example.org,Given,\n";

/// Media type and text of a body that should be taken.
pub(super) fn body(document: &Value, said: &Value) -> Option<(String, String)> {
    let contents = said["content"].as_object()?;
    if let Some(content) = contents.get("application/json") {
        let value = value(document, &content["schema"]);
        return Some(("application/json".to_owned(), value.to_string()));
    }
    assert!(contents.contains_key("text/csv"), "there is no sample of {:?}", contents.keys());
    Some(("text/csv".to_owned(), REGISTER.to_owned()))
}

/// A value: the example where there is one, else the least that the schema allows.
fn value(document: &Value, schema: &Value) -> Value {
    if let Some(reference) = schema["$ref"].as_str() {
        let target = reference.strip_prefix('#').and_then(|pointer| document.pointer(pointer));
        return value(document, target.unwrap_or_else(|| panic!("{reference} is nowhere")));
    }
    for told in [&schema["example"], &schema["examples"][0], &schema["const"], &schema["enum"][0]] {
        if !told.is_null() {
            return told.clone();
        }
    }
    for choices in ["oneOf", "anyOf"] {
        let choices = schema[choices].as_array();
        if let Some(choice) = choices.and_then(|all| all.iter().find(|one| one["type"] != "null")) {
            return value(document, choice);
        }
    }
    if let Some(parts) = schema["allOf"].as_array() {
        let parts = parts.iter().map(|part| value(document, part));
        let members = parts.filter_map(|part| part.as_object().cloned()).flatten();
        return Value::Object(members.collect::<Map<_, _>>());
    }
    plain(document, schema)
}

fn plain(document: &Value, schema: &Value) -> Value {
    let kinds = schema["type"].as_array();
    let kind = kinds.and_then(|kinds| kinds.iter().find(|kind| **kind != "null")).unwrap_or(&schema["type"]);
    match kind.as_str() {
        Some("object") => {
            let required = schema["required"].as_array().cloned().unwrap_or_default();
            let member = |name: &str| (name.to_owned(), value(document, &schema["properties"][name]));
            Value::Object(required.iter().filter_map(Value::as_str).map(member).collect())
        }
        Some("array") => json!([value(document, &schema["items"])]),
        Some("integer" | "number") => schema.get("minimum").cloned().unwrap_or(json!(1)),
        Some("boolean") => json!(false),
        _ => match schema["format"].as_str() {
            Some("uuid") => json!(Uuid::nil()),
            Some("date") => json!("1990-02-28"),
            Some("date-time") => json!("2026-01-01T00:00:00Z"),
            _ => json!("example"),
        },
    }
}

/// The same text, every id in it the one given.
pub(super) fn with_id(text: &str, id: Uuid) -> String {
    match serde_json::from_str::<Value>(text) {
        Ok(mut value) => {
            replace(&mut value, id);
            value.to_string()
        }
        Err(_) => text.to_owned(),
    }
}

fn replace(value: &mut Value, id: Uuid) {
    match value {
        Value::String(text) if Uuid::parse_str(text).is_ok() => *text = id.to_string(),
        Value::Array(items) => items.iter_mut().for_each(|item| replace(item, id)),
        Value::Object(members) => members.values_mut().for_each(|member| replace(member, id)),
        _ => {}
    }
}
