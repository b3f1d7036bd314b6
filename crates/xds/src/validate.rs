//! Envoy's validation rules (`validate.rules` in its `.proto` files), applied to any message.
//!
//! Envoy rejects what breaks them, so we hold to them in both directions: what we read and what we send. Rules across
//! fields, which Envoy has in C++ alone, are not here.

mod rules;
mod text;

use std::collections::HashSet;

use prost::Message as _;
use prost_reflect::{DynamicMessage, MapKey, MessageDescriptor, ReflectMessage as _, Value};

use self::rules::{FieldRules, MessageRules, Rule, rules_of};
use crate::binder::Path;
use crate::descriptor;

/// Most violations reported for a message.
pub const MAX_VIOLATIONS: usize = 1_000;

/// Nested `Any` messages that are opened; Envoy's own configurations nest to about five.
const MAX_NESTED_ANY: usize = 16;

/// A field that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Path of the field, such as `clusters[0].connect_timeout`; empty for the message itself.
    pub path: String,
    /// What is wrong, such as `must be longer than 0s`.
    pub message: String,
}

/// Checks the message `message_name` in `bytes`, and every message of a known type in an `Any` in it. Gives at most
/// [`MAX_VIOLATIONS`]; bytes that are no such message are a violation too.
pub fn check(message_name: &str, bytes: &[u8]) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut report = |path: &Path<'_>, message: String| {
        if violations.len() < MAX_VIOLATIONS {
            violations.push(Violation { path: path.text(), message });
        }
    };
    match descriptor::message(message_name) {
        None => report(&Path::ROOT, format!("there is no message {message_name} in Envoy's API")),
        Some(descriptor) => match DynamicMessage::decode(descriptor, bytes) {
            Ok(message) => walk(&message, &mut report),
            Err(error) => report(&Path::ROOT, format!("cannot be decoded as {message_name}: {error}")),
        },
    }
    violations
}

/// Forgets what was read of the rules; the next check reads them again.
pub(crate) fn release() {
    rules::forget();
}

/// Checks a message and reports every field that breaks a rule.
pub(crate) fn walk(message: &DynamicMessage, report: &mut dyn FnMut(&Path<'_>, String)) {
    Walk { report, any_depth: 0 }.message(message, &Path::ROOT);
}

struct Walk<'r> {
    report: &'r mut dyn FnMut(&Path<'_>, String),
    any_depth: usize,
}

impl Walk<'_> {
    fn message(&mut self, message: &DynamicMessage, path: &Path<'_>) {
        let descriptor = message.descriptor();
        if descriptor.full_name() == "google.protobuf.Any" {
            self.any(message, path);
            return;
        }
        // The other messages of google.protobuf have no rules, and a Struct may be large.
        if descriptor.package_name() == "google.protobuf" {
            return;
        }
        let rules = rules_of(&descriptor);
        if rules.disabled {
            return;
        }
        self.oneofs(message, &descriptor, &rules, path);
        for (field, rules) in &rules.fields {
            let path = path.field(field);
            let present = message.has_field(field);
            if !present && field.containing_oneof().is_some() {
                continue;
            }
            if !present && field.supports_presence() {
                if rules.required {
                    (self.report)(&path, "is required".to_owned());
                }
                continue;
            }
            self.field(&message.get_field(field), rules, &path);
        }
    }

    fn oneofs(
        &mut self,
        message: &DynamicMessage,
        descriptor: &MessageDescriptor,
        rules: &MessageRules,
        path: &Path<'_>,
    ) {
        for oneof in
            descriptor.oneofs().filter(|oneof| rules.required_oneofs.iter().any(|name| name == oneof.name()))
        {
            if !oneof.fields().any(|field| message.has_field(&field)) {
                let names: Vec<String> = oneof.fields().map(|field| format!("`{}`", field.name())).collect();
                (self.report)(path, format!("one of {} is required", names.join(", ")));
            }
        }
    }

    fn any(&mut self, any: &DynamicMessage, path: &Path<'_>) {
        let url = any.get_field_by_name("type_url");
        let name = url.as_ref().and_then(|url| url.as_str()).and_then(|url| url.rsplit('/').next());
        let Some(descriptor) = name.and_then(descriptor::message) else { return };
        if self.any_depth == MAX_NESTED_ANY {
            (self.report)(path, format!("more than {MAX_NESTED_ANY} extensions are nested in one another"));
            return;
        }
        let value = any.get_field_by_name("value");
        let bytes = value.as_ref().and_then(|value| value.as_bytes()).cloned().unwrap_or_default();
        match DynamicMessage::decode(descriptor.clone(), bytes) {
            Ok(inner) => {
                self.any_depth += 1;
                self.message(&inner, path);
                self.any_depth -= 1;
            }
            Err(error) => {
                (self.report)(path, format!("cannot be decoded as {}: {error}", descriptor.full_name()));
            }
        }
    }

    /// A field that is there, or one without presence.
    fn field(&mut self, value: &Value, rules: &FieldRules, path: &Path<'_>) {
        match (value, rules.rule.as_ref()) {
            (Value::List(values), rule) => self.list(values, rules, rule, path),
            (Value::Map(map), rule) => {
                let no_rules = FieldRules::default();
                let (mut keys, mut elements) = (&no_rules, &no_rules);
                if let Some(Rule::Map { pairs, keys: key_rules, values: value_rules }) = rule {
                    self.report_if(pairs.violation_of_length(map.len(), "entries"), path);
                    (keys, elements) = (key_rules, value_rules);
                }
                for (key, value) in map {
                    let key_text = map_key_text(key);
                    let path = path.key(&key_text);
                    self.field(&Value::from(key.clone()), keys, &path);
                    self.field(value, elements, &path);
                }
            }
            (Value::Message(message), rule) => {
                if let Some(rule) = rule {
                    self.report_if(rule.violation_of_message(message), path);
                }
                if !rules.skip {
                    self.message(message, path);
                }
            }
            (value, Some(rule)) => self.report_if(rule.violation(value), path),
            (_, None) => {}
        }
    }

    fn list(&mut self, values: &[Value], rules: &FieldRules, rule: Option<&Rule>, path: &Path<'_>) {
        let no_rules = FieldRules { skip: rules.skip, ..FieldRules::default() };
        let mut element_rules = &no_rules;
        if let Some(Rule::Repeated { items, unique, elements, ignore_empty }) = rule {
            if values.is_empty() && *ignore_empty {
                return;
            }
            self.report_if(items.violation_of_length(values.len(), "elements"), path);
            if *unique {
                let mut seen = HashSet::new();
                for (index, value) in values.iter().enumerate() {
                    if !seen.insert(identity(value)) {
                        (self.report)(&path.index(index), "is in the list twice".to_owned());
                    }
                }
            }
            element_rules = elements;
        }
        for (index, value) in values.iter().enumerate() {
            self.field(value, element_rules, &path.index(index));
        }
    }

    fn report_if(&mut self, violation: Option<String>, path: &Path<'_>) {
        if let Some(message) = violation {
            (self.report)(path, message);
        }
    }
}

/// Equal for equal values of one type. Descriptors refer to one another, so `Debug` output is no way to compare.
fn identity(value: &Value) -> Vec<u8> {
    match value {
        Value::Message(message) => message.encode_to_vec(),
        Value::String(text) => text.as_bytes().to_vec(),
        Value::Bytes(bytes) => bytes.to_vec(),
        Value::Bool(truth) => vec![u8::from(*truth)],
        Value::F32(number) => number.to_le_bytes().to_vec(),
        Value::F64(number) => number.to_le_bytes().to_vec(),
        other => rules::as_int(other).unwrap_or_default().to_le_bytes().to_vec(),
    }
}

fn map_key_text(key: &MapKey) -> String {
    match key {
        MapKey::String(key) => key.clone(),
        MapKey::Bool(key) => key.to_string(),
        MapKey::I32(key) => key.to_string(),
        MapKey::I64(key) => key.to_string(),
        MapKey::U32(key) => key.to_string(),
        MapKey::U64(key) => key.to_string(),
    }
}

#[cfg(test)]
mod tests;
