//! The wrapper around personal fields.
//!
//! An event says its personal fields under one member, `personal`. Everything else in it is plain and
//! may be read by anyone who may read the bus. [`split`] takes the member off before the event is
//! stored or sent, so that it can be sealed; [`join`] puts it back for those who hold the key.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::Value;
use std::fmt;

/// The member under which an event keeps its personal fields.
pub const MEMBER: &str = "personal";

/// What stands in the member's place once the key that sealed it is gone for ever.
pub const ERASED: &str = "erased";

/// What stands there for a reader that holds no key (analytics, the mailer).
pub const SEALED: &str = "sealed";

/// Personal fields: readable, erased, or sealed to this reader.
///
/// Never prints what it holds, so an event may be logged whole.
#[derive(Clone, PartialEq, Eq)]
pub enum Secret<T> {
    /// The fields can be read.
    Known(T),
    /// The person's key was destroyed. Readers go on without the fields; this is not an error.
    Erased,
    /// This reader has no key.
    Sealed,
}

impl<T> Secret<T> {
    /// The fields, where they can be read.
    pub fn known(&self) -> Option<&T> {
        match self {
            Secret::Known(fields) => Some(fields),
            Secret::Erased | Secret::Sealed => None,
        }
    }
}

impl<T> From<T> for Secret<T> {
    fn from(fields: T) -> Self {
        Secret::Known(fields)
    }
}

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Secret::Known(_) => "<personal>",
            Secret::Erased => "<erased>",
            Secret::Sealed => "<sealed>",
        })
    }
}

impl<T: Serialize> Serialize for Secret<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Secret::Known(fields) => fields.serialize(serializer),
            Secret::Erased => serializer.serialize_str(ERASED),
            Secret::Sealed => serializer.serialize_str(SEALED),
        }
    }
}

impl<'de, T: serde::de::DeserializeOwned> Deserialize<'de> for Secret<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(word) if word == ERASED => Ok(Secret::Erased),
            Value::String(word) if word == SEALED => Ok(Secret::Sealed),
            fields => T::deserialize(fields).map(Secret::Known).map_err(D::Error::custom),
        }
    }
}

/// On the bus the member is a sealed block, so that is what its schema says.
impl<T> JsonSchema for Secret<T> {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "SealedBlock".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({
            "description": "Personal fields, sealed for those who hold the bus key, or the word `erased`.",
            "oneOf": [
                { "const": ERASED },
                {
                    "type": "object",
                    "properties": { "key": { "type": "string" }, "sealed": { "type": "string" } },
                    "required": ["key", "sealed"]
                }
            ]
        })
    }
}

/// Takes the personal fields off an event's data. `None` where it has none; a word in their place
/// (`erased`) stays where it is, since there is nothing to seal in it.
pub fn split(data: &mut Value) -> Option<Value> {
    let members = data.as_object_mut()?;
    if members.get(MEMBER)?.is_object() { members.remove(MEMBER) } else { None }
}

/// Puts the personal member back.
pub fn join(data: &mut Value, personal: Value) {
    if let Some(members) = data.as_object_mut() {
        members.insert(MEMBER.to_owned(), personal);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn debug_output_holds_nothing_personal() {
        let secret = Secret::Known("eve@example.org".to_owned());
        assert_eq!(format!("{secret:?}"), "<personal>");
    }

    #[test]
    fn split_then_join_is_the_identity() {
        let whole = json!({"status": "pending", "personal": {"email": "eve@example.org"}});
        let mut data = whole.clone();
        let personal = split(&mut data).expect("there was a personal member");
        assert_eq!(data, json!({"status": "pending"}));
        join(&mut data, personal);
        assert_eq!(data, whole);
    }

    #[test]
    fn a_word_in_place_of_fields_stays_with_the_data() {
        let mut data = json!({"status": "pending", "personal": "erased"});
        assert_eq!(split(&mut data), None);
        assert_eq!(data["personal"], "erased");
    }

    #[test]
    fn an_erased_member_reads_as_erased() {
        let secret: Secret<String> = serde_json::from_value(json!("erased")).expect("reads");
        assert_eq!(secret, Secret::Erased);
    }
}
