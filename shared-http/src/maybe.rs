//! A field of a merge patch (RFC 7396): left alone, cleared, or set.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::__dev::ComposeSchema;
use utoipa::ToSchema;
use utoipa::openapi::{RefOr, Schema};

/// A field of a merge patch. Its struct says `#[serde(default)]` on it, and `deny_unknown_fields`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Maybe<T> {
    /// Not in the patch: leave as it is.
    #[default]
    Absent,
    /// `null`: clear it.
    Null,
    /// Set it to this.
    Value(T),
}

impl<T> Maybe<T> {
    /// Whether the patch leaves the field alone. For `skip_serializing_if`.
    pub fn is_absent(&self) -> bool {
        matches!(self, Maybe::Absent)
    }

    /// The field after the patch, given what it was before.
    pub fn over(self, before: Option<T>) -> Option<T> {
        match self {
            Maybe::Absent => before,
            Maybe::Null => None,
            Maybe::Value(value) => Some(value),
        }
    }

    /// `None` where the patch leaves the field alone, else what it becomes.
    pub fn change(self) -> Option<Option<T>> {
        match self {
            Maybe::Absent => None,
            Maybe::Null => Some(None),
            Maybe::Value(value) => Some(Some(value)),
        }
    }

    /// The value, for a field that cannot be cleared: `Err(())` stands for `null`.
    #[expect(
        clippy::result_unit_err,
        reason = "there is one way to be wrong, and the caller knows the field"
    )]
    pub fn required(self) -> Result<Option<T>, ()> {
        match self {
            Maybe::Absent => Ok(None),
            Maybe::Null => Err(()),
            Maybe::Value(value) => Ok(Some(value)),
        }
    }

    /// Reads the value further, such as text into a value type.
    pub fn try_map<U, E>(self, read: impl FnOnce(T) -> Result<U, E>) -> Result<Maybe<U>, E> {
        Ok(match self {
            Maybe::Absent => Maybe::Absent,
            Maybe::Null => Maybe::Null,
            Maybe::Value(value) => Maybe::Value(read(value)?),
        })
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Maybe<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::<T>::deserialize(deserializer)?.map_or(Maybe::Null, Maybe::Value))
    }
}

impl<T: Serialize> Serialize for Maybe<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Maybe::Value(value) => serializer.serialize_some(value),
            Maybe::Absent | Maybe::Null => serializer.serialize_none(),
        }
    }
}

/// The schema of an optional `T`: absence is told by the field not being required.
///
/// The trait is what utoipa's derive implements for generic types and what it asks of them as fields;
/// it is not documented. Deriving would describe three variants instead of one optional value.
impl<T: ComposeSchema> ComposeSchema for Maybe<T> {
    fn compose(generics: Vec<RefOr<Schema>>) -> RefOr<Schema> {
        Option::<T>::compose(generics)
    }
}

impl<T: ToSchema + ComposeSchema> ToSchema for Maybe<T> {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        T::schemas(schemas);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Patch {
        #[serde(default, skip_serializing_if = "Maybe::is_absent")]
        phone: Maybe<String>,
    }

    #[test]
    fn absent_null_and_value_are_three_things_there_and_back() {
        for (text, phone) in [
            ("{}", Maybe::Absent),
            (r#"{"phone":null}"#, Maybe::Null),
            (r#"{"phone":"1"}"#, Maybe::Value("1".to_owned())),
        ] {
            let patch: Patch = serde_json::from_str(text).expect("read");
            assert_eq!(patch.phone, phone);
            assert_eq!(serde_json::to_string(&patch).expect("written"), text);
        }
    }

    #[test]
    fn a_patch_lies_over_what_was_there() {
        assert_eq!(Maybe::Absent.over(Some(1)), Some(1));
        assert_eq!(Maybe::Null.over(Some(1)), None);
        assert_eq!(Maybe::Value(2).over(Some(1)), Some(2));
    }
}
