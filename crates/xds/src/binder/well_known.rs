//! The messages of `google.protobuf` that have a form of their own in JSON: durations, wrappers, structs and others.

use std::collections::HashMap;

use prost_reflect::{DynamicMessage, MapKey, MessageDescriptor, Value};
use ripstop_yaml::{Node, parse_duration};

use super::scalar::{Json, json};
use super::{Binder, Path};

/// Longest duration of protobuf in seconds: 10,000 years.
const MAX_DURATION_SECONDS: i64 = 315_576_000_000;

/// Whether a message is written otherwise than as a mapping of its fields; inside an `Any` such a message stands under
/// the key `value`.
pub(super) fn has_own_json(name: &str) -> bool {
    wraps_a_value(name)
        || matches!(
            name,
            "google.protobuf.Any"
                | "google.protobuf.Duration"
                | "google.protobuf.Timestamp"
                | "google.protobuf.Struct"
                | "google.protobuf.Value"
                | "google.protobuf.ListValue"
        )
}

pub(super) fn wraps_a_value(name: &str) -> bool {
    matches!(
        name,
        "google.protobuf.DoubleValue"
            | "google.protobuf.FloatValue"
            | "google.protobuf.Int64Value"
            | "google.protobuf.UInt64Value"
            | "google.protobuf.Int32Value"
            | "google.protobuf.UInt32Value"
            | "google.protobuf.BoolValue"
            | "google.protobuf.StringValue"
            | "google.protobuf.BytesValue"
    )
}

impl Binder<'_> {
    /// Reads a message that has a form of its own; the outer `None` says that this is not one, or that it is written
    /// as an ordinary mapping, which Envoy accepts for durations and wrappers.
    pub(super) fn well_known(
        &self,
        node: &Node,
        descriptor: &MessageDescriptor,
        path: &Path<'_>,
    ) -> Option<Option<DynamicMessage>> {
        let name = descriptor.full_name();
        if !name.starts_with("google.protobuf.") {
            return None;
        }
        let mapping = matches!(json(node), Json::Object(_) | Json::Null);
        match name {
            "google.protobuf.Any" => Some(self.any(node, descriptor, path)),
            "google.protobuf.Struct" => Some(self.structure(node, descriptor, path)),
            "google.protobuf.Value" => Some(self.value(node, descriptor, path)),
            "google.protobuf.ListValue" => Some(self.value_list(node, descriptor, path)),
            "google.protobuf.Duration" if !mapping => Some(self.duration(node, descriptor, path)),
            "google.protobuf.Timestamp" if !mapping => Some(self.timestamp(node, descriptor, path)),
            _ if wraps_a_value(name) && !mapping => {
                let field = descriptor.get_field_by_name("value")?;
                let value = self.single(node, &field.kind(), path);
                Some(value.map(|value| with_fields(descriptor, [("value", value)])))
            }
            _ => None,
        }
    }

    fn duration(
        &self,
        node: &Node,
        descriptor: &MessageDescriptor,
        path: &Path<'_>,
    ) -> Option<DynamicMessage> {
        let read = match json(node) {
            Json::Text(text) => seconds_and_nanos(text),
            _ => None,
        };
        let Some((seconds, nanos)) = read else {
            let help = node.as_str().map(duration_help);
            self.error(
                node,
                path,
                format!("expected a duration, found {}", super::report::found(node)),
                help,
            );
            return None;
        };
        Some(with_fields(descriptor, [("seconds", Value::I64(seconds)), ("nanos", Value::I32(nanos))]))
    }

    fn timestamp(
        &self,
        node: &Node,
        descriptor: &MessageDescriptor,
        path: &Path<'_>,
    ) -> Option<DynamicMessage> {
        let parsed = match json(node) {
            Json::Text(text) => text.parse::<prost_reflect::prost_types::Timestamp>().ok(),
            _ => None,
        };
        let Some(time) = parsed else {
            return self.refuse(node, path, "a time such as 2030-01-31T12:00:00Z");
        };
        Some(with_fields(
            descriptor,
            [("seconds", Value::I64(time.seconds)), ("nanos", Value::I32(time.nanos))],
        ))
    }

    fn structure(
        &self,
        node: &Node,
        descriptor: &MessageDescriptor,
        path: &Path<'_>,
    ) -> Option<DynamicMessage> {
        let entries = match json(node) {
            Json::Null => return Some(DynamicMessage::new(descriptor.clone())),
            Json::Object(entries) => entries,
            _ => return self.refuse(node, path, "a mapping"),
        };
        let value_descriptor = descriptor.parent_pool().get_message_by_name("google.protobuf.Value")?;
        let mut fields = HashMap::with_capacity(entries.len());
        for entry in self.effective(entries, path) {
            let path = path.key(&entry.key);
            let value = self.value(&entry.value, &value_descriptor, &path)?;
            fields.insert(MapKey::String(entry.key.clone()), Value::Message(value));
        }
        Some(with_fields(descriptor, [("fields", Value::Map(fields))]))
    }

    /// Any JSON. As in Envoy, `1.5` becomes a text: only whole numbers survive the way from YAML to JSON.
    fn value(&self, node: &Node, descriptor: &MessageDescriptor, path: &Path<'_>) -> Option<DynamicMessage> {
        let pool = descriptor.parent_pool();
        let (field, value) = match json(node) {
            Json::Null => ("null_value", Value::EnumNumber(0)),
            Json::Bool(truth) => ("bool_value", Value::Bool(truth)),
            Json::Int(number) => ("number_value", Value::F64(number as f64)),
            Json::Text(text) => ("string_value", Value::String(text.to_owned())),
            Json::List(_) => {
                let list = pool.get_message_by_name("google.protobuf.ListValue")?;
                ("list_value", Value::Message(self.value_list(node, &list, path)?))
            }
            Json::Object(_) => {
                let structure = pool.get_message_by_name("google.protobuf.Struct")?;
                ("struct_value", Value::Message(self.structure(node, &structure, path)?))
            }
        };
        Some(with_fields(descriptor, [(field, value)]))
    }

    fn value_list(
        &self,
        node: &Node,
        descriptor: &MessageDescriptor,
        path: &Path<'_>,
    ) -> Option<DynamicMessage> {
        let nodes = match json(node) {
            Json::Null => &[],
            Json::List(nodes) => nodes,
            _ => return self.refuse(node, path, "a list"),
        };
        let value_descriptor = descriptor.parent_pool().get_message_by_name("google.protobuf.Value")?;
        let values = nodes
            .iter()
            .enumerate()
            .map(|(index, node)| self.value(node, &value_descriptor, &path.index(index)).map(Value::Message));
        let values: Option<Vec<Value>> = values.collect();
        Some(with_fields(descriptor, [("values", Value::List(values?))]))
    }
}

/// A message with these fields, which are known to exist.
fn with_fields<const N: usize>(descriptor: &MessageDescriptor, fields: [(&str, Value); N]) -> DynamicMessage {
    let mut message = DynamicMessage::new(descriptor.clone());
    for (name, value) in fields {
        message.set_field_by_name(name, value);
    }
    message
}

/// How the duration is written here that was written as elsewhere, such as `250ms`.
fn duration_help(text: &str) -> String {
    if text.parse::<f64>().is_ok() {
        return format!("write seconds with an s: {text}s");
    }
    match parse_duration(text) {
        Ok(duration) => format!("write it in seconds: {}s", duration.as_secs_f64()),
        Err(_) => "write seconds with an s, such as 1.5s".to_owned(),
    }
}

/// `-1.5s`: whole seconds, at most nine digits behind the point, and an `s`.
fn seconds_and_nanos(text: &str) -> Option<(i64, i32)> {
    let number = text.strip_suffix('s')?;
    let (sign, number) = match number.strip_prefix('-') {
        Some(number) => (-1, number),
        None => (1, number),
    };
    let (whole, fraction) = match number.split_once('.') {
        Some((_, fraction)) if fraction.is_empty() || fraction.len() > 9 => return None,
        Some(parts) => parts,
        None => (number, ""),
    };
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) {
        return None;
    }
    let seconds: i64 = whole.parse().ok().filter(|seconds| *seconds <= MAX_DURATION_SECONDS)?;
    let nanos: i32 = format!("{fraction:0<9}").parse().ok()?;
    Some((sign * seconds, sign as i32 * nanos))
}
