//! What serde says about a body or a query, said again without the values that were sent.
//!
//! Serde's own words quote them (`invalid type: string "eve@example.org", expected u32`), and an
//! answer is copied into tickets and logs. The texts are taken apart here because serde offers
//! nothing but text; a `Deserializer` with an error type of our own would need a JSON parser of our
//! own. A text of an unknown kind comes from a value type of ours, whose words are fixed.

use crate::problem::{FieldError, Problem};
use axum::http::StatusCode;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_path_to_error::{Path, Segment};
use std::borrow::Cow;

/// Reads a JSON body, or says where it is wrong.
pub(crate) fn json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    // Serde takes a list for a struct, its items for the fields in their order. No route takes a list.
    if bytes.trim_ascii_start().starts_with(b"[") && serde_json::from_slice::<IgnoredAny>(bytes).is_ok() {
        let error = FieldError::new("", "wrong_type", "expected an object, found array");
        return Err(Problem::invalid_body(vec![error]));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        if error.inner().is_data() {
            let text = error.inner().to_string();
            Problem::invalid_body(vec![explain(error.path(), without_place(&text), pointer)])
        } else {
            malformed(error.inner())
        }
    })?;
    deserializer.end().map_err(|error| malformed(&error))?;
    Ok(value)
}

/// Reads a query string, or says which parameter is wrong.
pub(crate) fn query<T: DeserializeOwned>(text: &str) -> Result<T, Problem> {
    let pairs = serde_urlencoded::Deserializer::new(form_urlencoded::parse(text.as_bytes()));
    serde_path_to_error::deserialize(pairs).map_err(|error| {
        let said = error.inner().to_string();
        Problem::invalid_query(vec![explain(error.path(), &said, parameter)])
    })
}

fn malformed(error: &serde_json::Error) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "malformed_json", "The body is not JSON")
        .detail(format!(
            "The JSON breaks off or goes wrong at line {}, column {}.",
            error.line(),
            error.column()
        ))
        .with("line", error.line())
        .with("column", error.column())
}

/// serde_json appends ` at line 1 column 7` to what it says about data.
fn without_place(text: &str) -> &str {
    text.rsplit_once(" at line ").map_or(text, |(said, _)| said)
}

/// Renders a path and, where a field is missing or unknown, its name.
type Place = fn(&Path, Option<&str>) -> String;

fn explain(path: &Path, said: &str, place: Place) -> FieldError {
    let at = |name| place(path, name);
    if let Some(rest) = said.strip_prefix("unknown field ") {
        let name = first_quoted(rest);
        return FieldError::new(at(Some(&name)), "unknown_field", unknown_field(&name, rest));
    }
    if let Some(rest) = said.strip_prefix("missing field ") {
        return FieldError::new(at(Some(&first_quoted(rest))), "missing_field", "is required");
    }
    if let Some(rest) = said.strip_prefix("duplicate field ") {
        return FieldError::new(at(Some(&first_quoted(rest))), "duplicate_field", "is given twice");
    }
    if said.starts_with("unknown variant ") {
        return FieldError::new(at(None), "unknown_value", expected(said));
    }
    if let Some(rest) = said.strip_prefix("invalid type: ") {
        let found = rest.split(['"', '`', ',']).next().unwrap_or_default().trim();
        return FieldError::new(at(None), "wrong_type", format!("{}, found {}", expected(said), found));
    }
    if said.starts_with("invalid value: ") || said.starts_with("invalid length ") {
        return FieldError::new(at(None), "invalid_value", expected(said));
    }
    FieldError::new(at(None), "invalid_value", in_our_words(said))
}

/// The text between the first pair of backticks, cut to 64 characters: a key that long is no typo.
fn first_quoted(text: &str) -> String {
    let inner = text.strip_prefix('`').unwrap_or(text);
    let end = inner.find("`, ").or_else(|| inner.rfind('`')).unwrap_or(inner.len());
    inner[..end].chars().take(64).collect()
}

fn unknown_field(name: &str, rest: &str) -> String {
    match rest.rsplit_once("`, expected ") {
        Some((_, expected)) => format!("unknown field `{name}`, expected {expected}"),
        None => format!("unknown field `{name}`"),
    }
}

/// Serde's ", expected ..." in words of JSON instead of words of Rust.
fn expected(said: &str) -> String {
    let Some((_, wanted)) = said.rsplit_once(", expected ") else {
        return "is not a value taken here".to_owned();
    };
    let wanted = match wanted {
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number that is not negative",
        "f32" | "f64" => "a number",
        "a sequence" => "an array",
        "a map" => "an object",
        other if other.starts_with("struct ") || other.starts_with("internally tagged enum") => "an object",
        other => other,
    };
    format!("expected {wanted}")
}

/// Texts of the value types we did not write ourselves, which quote what they were given.
fn in_our_words(said: &str) -> Cow<'static, str> {
    if said.contains("UUID parsing failed") {
        return "is not a UUID".into();
    }
    if said.starts_with("data did not match any variant") {
        return "has none of the forms taken here".into();
    }
    if said.contains("digit found in string") || said.contains("number too") {
        return "expected a whole number within the limits".into();
    }
    if said.contains("provided string was not `true` or `false`") {
        return "expected true or false".into();
    }
    said.to_owned().into()
}

/// An RFC 6901 pointer.
fn pointer(path: &Path, name: Option<&str>) -> String {
    let mut pointer = String::new();
    let mut push = |token: &str| {
        pointer.push('/');
        pointer.push_str(&token.replace('~', "~0").replace('/', "~1"));
    };
    for segment in path {
        match segment {
            Segment::Seq { index } => push(&index.to_string()),
            Segment::Map { key } => push(key),
            // A variant's name is no place in the body, and an unknown segment has none.
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    // Serde reports a bad key sometimes with, sometimes without the key in its path.
    if let Some(name) = name
        && !path_ends_with(path, name)
    {
        push(name);
    }
    pointer
}

/// `?name` for a query parameter.
fn parameter(path: &Path, name: Option<&str>) -> String {
    let segment = path.iter().find_map(|segment| match segment {
        Segment::Map { key } => Some(key.as_str()),
        _ => None,
    });
    format!("?{}", name.or(segment).unwrap_or_default())
}

fn path_ends_with(path: &Path, name: &str) -> bool {
    matches!(path.iter().next_back(), Some(Segment::Map { key }) if key == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read to see it refused")]
    struct Patient {
        email: String,
        age: Option<u8>,
        kind: Option<Kind>,
        id: Option<uuid::Uuid>,
        #[serde(default)]
        friends: Vec<Patient>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Kind {
        Pending,
        Active,
    }

    fn refused(body: &str) -> FieldError {
        let problem = json::<Patient>(body.as_bytes()).expect_err("refused");
        assert_eq!(problem.code(), "invalid_body", "{body}");
        problem.field_errors()[0].clone()
    }

    #[test]
    fn an_unknown_field_is_named_with_its_place() {
        let error = refused(r#"{"email":"a@b.org","friends":[{"emial":"secret"}]}"#);
        assert_eq!(error.pointer, "/friends/0/emial");
        assert_eq!(error.code, "unknown_field");
        assert!(
            error.message.starts_with("unknown field `emial`, expected one of `email`, `age`"),
            "{error:?}"
        );
    }

    #[test]
    fn a_missing_field_is_pointed_at_where_it_should_stand() {
        let error = refused(r#"{"email":"a@b.org","friends":[{}]}"#);
        assert_eq!((error.pointer.as_str(), error.code.as_ref()), ("/friends/0/email", "missing_field"));
    }

    #[test]
    fn a_duplicate_field_is_refused() {
        let error = refused(r#"{"email":"a","email":"b"}"#);
        assert_eq!((error.pointer.as_str(), error.code.as_ref()), ("/email", "duplicate_field"));
    }

    #[test]
    fn values_are_never_quoted() {
        for body in [
            r#"{"email":"a","age":"s3cret"}"#,
            r#"{"email":"a","age":"s3cret, expected s3cret"}"#,
            r#"{"email":"a","kind":"s3cret"}"#,
            r#"{"email":"a","kind":"s3cret`, expected one of s3cret"}"#,
            r#"{"email":"a","id":"s3cret"}"#,
            r#"{"email":"a","age":987654}"#,
            r#"{"email":987654}"#,
            r#"{"email":"a","friends":"s3cret"}"#,
            r#""s3cret""#,
        ] {
            let error = refused(body);
            assert!(
                !error.message.contains("s3cret") && !error.message.contains("987654"),
                "{body}: {error:?}"
            );
        }
    }

    #[test]
    fn types_are_told_in_words_of_json() {
        assert_eq!(
            refused(r#"{"email":"a","age":"x"}"#).message,
            "expected a whole number that is not negative, found string"
        );
        assert_eq!(refused(r#"["a@b.org",null]"#).message, "expected an object, found array");
        assert_eq!(refused(r#"7"#).message, "expected an object, found integer");
    }

    #[test]
    fn broken_json_tells_line_and_column() {
        for broken in ["", "{", "{\"email\":}", "{\"email\":\"a\"} trailing", "\u{0}", "{\"email\":\"a\"}}"] {
            let problem = json::<Patient>(broken.as_bytes()).expect_err("refused");
            assert_eq!(problem.code(), "malformed_json", "{broken}");
            assert!(problem.body(None)["line"].is_number());
        }
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read to see it refused")]
    struct Filter {
        limit: Option<u32>,
        wanted: bool,
        kind: Option<Kind>,
    }

    #[test]
    fn a_bad_parameter_is_named() {
        for (text, pointer, code) in [
            ("wanted=true&limit=s3cret", "?limit", "invalid_value"),
            ("wanted=s3cret", "?wanted", "invalid_value"),
            ("limit=3", "?wanted", "missing_field"),
            ("wanted=true&limt=3", "?limt", "unknown_field"),
            ("wanted=true&wanted=true", "?wanted", "duplicate_field"),
            ("wanted=true&kind=s3cret", "?kind", "unknown_value"),
        ] {
            let problem = query::<Filter>(text).expect_err("refused");
            let error = &problem.field_errors()[0];
            assert_eq!((error.pointer.as_str(), error.code.as_ref()), (pointer, code), "{text}");
            assert!(!error.message.contains("s3cret"), "{error:?}");
        }
    }
}
