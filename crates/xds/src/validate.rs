//! Envoy's validation rules (`validate.rules` in its `.proto` files), applied to any message.
//!
//! Envoy rejects what breaks them, so we hold to them in both directions: what we read and what we send. Rules across
//! fields, which Envoy has in C++ alone, are not here.

mod rules;
mod text;

use std::borrow::Cow;
use std::collections::HashSet;

use self::rules::{FieldRules, Rule};
use crate::binder::Path;
use crate::message::{self, Fields, Value};
use crate::schema::{self, FieldSchema, Kind, MessageSchema};

/// Most violations reported for a message.
pub const MAX_VIOLATIONS: usize = 1_000;

/// Nested `Any` messages that are opened; Envoy's own configurations nest to about five.
const MAX_NESTED_ANY: usize = 16;

/// Messages that may be nested in one another, counted through every `Any`, since each level takes stack.
const MAX_NESTED: usize = 200;

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
    match schema::message(message_name) {
        None => report(&Path::ROOT, format!("there is no message {message_name} in Envoy's API")),
        Some(schema) => match message::verify(schema, bytes) {
            Ok(()) => Walk::new(&mut report).message(schema, bytes, &Path::ROOT),
            Err(error) => report(&Path::ROOT, format!("cannot be decoded as {message_name}: {error}")),
        },
    }
    violations
}

/// Checks a well-formed message of a known type and reports every field that breaks a rule.
pub(crate) fn walk(message_name: &str, bytes: &[u8], report: &mut dyn FnMut(&Path<'_>, String)) {
    if let Some(schema) = schema::message(message_name) {
        Walk::new(report).message(schema, bytes, &Path::ROOT);
    }
}

struct Walk<'r> {
    report: &'r mut dyn FnMut(&Path<'_>, String),
    depth: usize,
    any_depth: usize,
}

impl<'r> Walk<'r> {
    fn new(report: &'r mut dyn FnMut(&Path<'_>, String)) -> Self {
        Self { report, depth: 0, any_depth: 0 }
    }

    fn message(&mut self, schema: MessageSchema, bytes: &[u8], path: &Path<'_>) {
        if schema.is_unchecked() {
            return;
        }
        if self.depth == MAX_NESTED {
            (self.report)(path, format!("more than {MAX_NESTED} messages are nested in one another"));
            return;
        }
        self.depth += 1;
        match Fields::read(schema, bytes) {
            Ok(fields) if schema.is_any() => self.any(&fields, path),
            Ok(fields) => self.fields(&fields, schema, path),
            Err(error) => (self.report)(path, format!("cannot be decoded as {}: {error}", schema.name())),
        }
        self.depth -= 1;
    }

    fn fields(&mut self, fields: &Fields<'_>, schema: MessageSchema, path: &Path<'_>) {
        for oneof in schema.required_oneofs() {
            let members = schema.members(oneof);
            if !members.iter().any(|field| fields.get(field.number).is_some()) {
                let names: Vec<String> = members.iter().map(|field| format!("`{}`", field.name())).collect();
                (self.report)(path, format!("one of {} is required", names.join(", ")));
            }
        }
        for field in schema.fields() {
            let value = fields.get(field.number);
            let may_nest = value.is_some() && matches!(field.kind, Kind::Message(_));
            if may_nest || field.rules().is_some() {
                self.one(&field, value, &path.field(field));
            }
        }
    }

    fn one(&mut self, field: &FieldSchema, value: Option<&Value<'_>>, path: &Path<'_>) {
        if value.is_none() && field.oneof().is_some() {
            return;
        }
        if value.is_none() && field.has_presence() {
            if field.is_required() {
                (self.report)(path, "is required".to_owned());
            }
            return;
        }
        let rules = FieldRules::of(field);
        if rules.skip && rules.rule.is_none() {
            return;
        }
        match value {
            Some(value) => self.field(value, &rules, path),
            None => self.field(&field.default(), &rules, path),
        }
    }

    fn any(&mut self, any: &Fields<'_>, path: &Path<'_>) {
        let url = any.named("type_url").and_then(Value::as_text).unwrap_or_default();
        let Some(schema) = url.rsplit('/').next().and_then(schema::message) else { return };
        if self.any_depth == MAX_NESTED_ANY {
            (self.report)(path, format!("more than {MAX_NESTED_ANY} extensions are nested in one another"));
            return;
        }
        let bytes = any.named("value").and_then(Value::as_bytes).unwrap_or_default();
        match message::verify(schema, bytes) {
            Ok(()) => {
                self.any_depth += 1;
                self.message(schema, bytes, path);
                self.any_depth -= 1;
            }
            Err(error) => (self.report)(path, format!("cannot be decoded as {}: {error}", schema.name())),
        }
    }

    /// A field that is there, or one without presence.
    fn field(&mut self, value: &Value<'_>, rules: &FieldRules, path: &Path<'_>) {
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
                    let key_text = key.key_text();
                    let path = path.key(&key_text);
                    self.field(key, keys, &path);
                    self.field(value, elements, &path);
                }
            }
            (Value::Message(schema, bytes), rule) => {
                if let Some((rule, fields)) = rule.zip(value.fields()) {
                    self.report_if(rule.violation_of_message(&fields), path);
                }
                if !rules.skip {
                    self.message(*schema, bytes, path);
                }
            }
            (value, Some(rule)) => self.report_if(rule.violation(value), path),
            (_, None) => {}
        }
    }

    fn list(&mut self, values: &[Value<'_>], rules: &FieldRules, rule: Option<&Rule>, path: &Path<'_>) {
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

/// Equal for equal values of one type; messages have to be encoded alike.
fn identity<'v>(value: &'v Value<'_>) -> Cow<'v, [u8]> {
    match value {
        Value::Message(_, bytes) => Cow::Borrowed(bytes),
        Value::Text(text) => Cow::Borrowed(text.as_bytes()),
        Value::Bytes(bytes) => Cow::Borrowed(bytes),
        Value::Bool(truth) => Cow::Owned(vec![u8::from(*truth)]),
        Value::Float(number) => Cow::Owned(number.to_le_bytes().to_vec()),
        other => Cow::Owned(other.as_int().unwrap_or_default().to_le_bytes().to_vec()),
    }
}

#[cfg(test)]
mod tests;
