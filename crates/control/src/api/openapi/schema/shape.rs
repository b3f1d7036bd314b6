//! The few shapes that schemas are made of.

use serde_json::{Map, Value, json};

/// Fields, each of which must be there unless its name ends in `?`.
pub(super) fn object(fields: &[(&str, Value)]) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for (name, schema) in fields {
        match name.strip_suffix('?') {
            Some(name) => drop(properties.insert(name.to_owned(), schema.clone())),
            None => {
                required.push(*name);
                properties.insert((*name).to_owned(), schema.clone());
            }
        }
    }
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}

/// A list of these.
pub(super) fn list(of: Value) -> Value {
    json!({"type": "array", "items": of})
}

/// A schema that has a name.
pub(super) fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

/// This, or nothing.
pub(super) fn or_null(schema: Value) -> Value {
    json!({"anyOf": [schema, {"type": "null"}]})
}

/// One of these words.
pub(super) fn one_of(words: &[&str]) -> Value {
    json!({"type": "string", "enum": words})
}

/// A role.
pub(super) fn role() -> Value {
    one_of(&["read", "write", "admin"])
}

/// What became of a resource.
pub(super) fn action() -> Value {
    one_of(&["created", "updated", "deleted", "moved", "unchanged"])
}

/// A moment.
pub(super) fn time() -> Value {
    json!({"type": "string", "format": "date-time"})
}

/// A text.
pub(super) fn text(meaning: &str) -> Value {
    described("string", meaning)
}

/// A whole number, 0 or more.
pub(super) fn integer(meaning: &str) -> Value {
    described("integer", meaning)
}

/// A number.
pub(super) fn number(meaning: &str) -> Value {
    described("number", meaning)
}

/// True or false.
pub(super) fn boolean(meaning: &str) -> Value {
    described("boolean", meaning)
}

fn described(kind: &str, meaning: &str) -> Value {
    match meaning {
        "" => json!({"type": kind}),
        meaning => json!({"type": kind, "description": meaning}),
    }
}
