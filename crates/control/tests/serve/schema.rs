//! Holds answers against the schemas of the OpenAPI document.

use serde_json::Value;

/// What is wrong with `value`, which should be as the schema of this name says.
pub fn faults(document: &Value, name: &str, value: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    let schemas = &document["components"]["schemas"];
    assert!(schemas[name].is_object(), "there is no schema {name}");
    check(schemas, &schemas[name], value, name, &mut faults);
    faults
}

fn check(schemas: &Value, schema: &Value, value: &Value, at: &str, faults: &mut Vec<String>) {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.rsplit('/').next().unwrap();
        return check(schemas, &schemas[name], value, at, faults);
    }
    if let Some(choices) = schema["anyOf"].as_array() {
        let fits = |choice: &Value| {
            let mut faults = Vec::new();
            check(schemas, choice, value, at, &mut faults);
            faults.is_empty()
        };
        if !choices.iter().any(fits) {
            faults.push(format!("{at}: {value} fits nothing of {choices:?}"));
        }
        return;
    }
    let is_right = match schema["type"].as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("no schema of ours has the type {other}"),
    };
    if !is_right {
        faults.push(format!("{at}: {value} is no {}", schema["type"]));
        return;
    }
    if let Some(words) = schema["enum"].as_array().filter(|words| !words.contains(value)) {
        faults.push(format!("{at}: {value} is none of {words:?}"));
    }
    for (index, one) in value.as_array().into_iter().flatten().enumerate() {
        check(schemas, &schema["items"], one, &format!("{at}[{index}]"), faults);
    }
    let Some(fields) = value.as_object() else { return };
    for required in schema["required"].as_array().into_iter().flatten() {
        if !fields.contains_key(required.as_str().unwrap()) {
            faults.push(format!("{at}: {required} is missing"));
        }
    }
    for (name, field) in fields {
        let at = format!("{at}.{name}");
        match (schema["properties"].get(name), schema.get("additionalProperties")) {
            (Some(schema), _) => check(schemas, schema, field, &at, faults),
            (None, Some(Value::Bool(false))) => faults.push(format!("{at} is in no schema")),
            (None, Some(schema)) => check(schemas, schema, field, &at, faults),
            (None, None) => {}
        }
    }
}
