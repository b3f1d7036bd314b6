//! YAML or JSON of Envoy's API into encoded protobuf, by protobuf's JSON rules as Envoy 1.40 applies them.
//!
//! Agrees with Envoy on what is accepted, where Envoy is laxer than protobuf's JSON (`yes` for a bool, an enum in lower
//! case, one element where a list is expected) as well as where it is stricter (an unquoted number is no name). Unlike
//! Envoy it reports all mistakes, each with path, line and column, and what was probably meant. Values that come out are
//! checked with the rules of [`crate::validate`].
//!
//! Nothing here knows what a field means; that is `decode`'s business.

mod any;
pub(crate) mod base64;
mod json;
mod path;
mod report;
mod scalar;
mod well_known;

use std::cell::Cell;
use std::collections::HashMap;

use prost::Message as _;
use prost_reflect::{
    DynamicMessage, EnumDescriptor, FieldDescriptor, Kind, MapKey, MessageDescriptor, Value,
};
use ripstop_yaml::{Entry, Node, Problem, Problems, code, nearest};

use self::report::quoted;
use self::scalar::{Json, bool_in_text, float_in_text, int_in_text};
use crate::descriptor;
use crate::validate;

pub use json::to_json;
pub(crate) use path::Path;

/// Reads `node` as the message `message_name` (`envoy.config.bootstrap.v3.Bootstrap`) and gives its encoded bytes.
///
/// The source of `problems` must be the text that `node` was parsed from. Every mistake is reported there: fields that
/// do not exist, values of the wrong type, and values that Envoy's validation rules forbid. `None` if there was any
/// error; warnings alone leave the result.
pub fn bind(node: &Node, message_name: &str, problems: &Problems) -> Option<Vec<u8>> {
    let binder = Binder { problems, failed: Cell::new(false) };
    let Some(descriptor) = descriptor::message(message_name) else {
        binder.error(node, &Path::ROOT, format!("there is no message {message_name} in Envoy's API"), None);
        return None;
    };
    let message = binder.message(node, &descriptor, &Path::ROOT)?;
    if binder.failed.get() {
        return None;
    }
    let bytes = message.encode_to_vec();
    validate::walk(message_name, &bytes, &mut |path, message| {
        binder.error(path.locate(node), path, message, None);
    });
    (!binder.failed.get()).then_some(bytes)
}

struct Binder<'p> {
    problems: &'p Problems,
    failed: Cell<bool>,
}

/// `None` stands for a value that was refused and reported; reading goes on with its neighbours.
type Bound = Option<Value>;

impl Binder<'_> {
    fn message(
        &self,
        node: &Node,
        descriptor: &MessageDescriptor,
        path: &Path<'_>,
    ) -> Option<DynamicMessage> {
        if let Some(special) = self.well_known(node, descriptor, path) {
            return special;
        }
        match scalar::json(node) {
            Json::Null => Some(DynamicMessage::new(descriptor.clone())),
            Json::Object(entries) => Some(self.fields(node, entries, descriptor, path, &[])),
            _ => self.refuse(node, path, &format!("a mapping ({})", descriptor.full_name())),
        }
    }

    /// The fields of a message; `skip` names keys that are not fields.
    fn fields(
        &self,
        node: &Node,
        entries: &[Entry],
        descriptor: &MessageDescriptor,
        path: &Path<'_>,
        skip: &[&str],
    ) -> DynamicMessage {
        let mut message = DynamicMessage::new(descriptor.clone());
        let mut chosen: Vec<(String, FieldDescriptor)> = Vec::new();
        for entry in self.effective(entries, path) {
            if skip.contains(&entry.key.as_str()) {
                continue;
            }
            let field = descriptor
                .get_field_by_name(&entry.key)
                .or_else(|| descriptor.get_field_by_json_name(&entry.key));
            let Some(field) = field else {
                self.unknown_field(entry, descriptor, path);
                continue;
            };
            let path = path.key(&entry.key);
            let Some(value) = self.field(&entry.value, &field, &path) else { continue };
            if let Some(oneof) = field.containing_oneof()
                && !oneof.is_synthetic()
            {
                let rival = chosen.iter().find(|(name, other)| name == oneof.name() && *other != field);
                if let Some((_, other)) = rival {
                    let message = format!("only one of `{}` and `{}` can be set", other.name(), field.name());
                    self.error_at(entry.key_span, &path, message, None);
                }
                chosen.push((oneof.name().to_owned(), field.clone()));
            }
            if message.has_field(&field) && field.supports_presence() {
                let message =
                    format!("`{}` is written in both its spellings; the last one counts", field.name());
                self.problems.warn(&path.text(), Some(entry.key_span), message);
            }
            if message.try_set_field(&field, value).is_err() {
                self.error(node, &path, "the value does not fit the field".to_owned(), None);
            }
        }
        message
    }

    /// The entries that count: of a key that is written more than once the last, as in Envoy.
    fn effective<'e>(&self, entries: &'e [Entry], path: &Path<'_>) -> Vec<&'e Entry> {
        let last: HashMap<&str, usize> =
            entries.iter().enumerate().map(|(i, e)| (e.key.as_str(), i)).collect();
        let mut effective = Vec::with_capacity(last.len());
        for (index, entry) in entries.iter().enumerate() {
            if last.get(entry.key.as_str()) == Some(&index) {
                effective.push(entry);
                continue;
            }
            let path = path.key(&entry.key).text();
            let source = self.problems.source();
            let problem =
                Problem::warning(source, path, Some(entry.key_span), "written again below, which counts");
            self.problems.push(problem.with_code(code::DUPLICATE_FIELD));
        }
        effective
    }

    fn field(&self, node: &Node, field: &FieldDescriptor, path: &Path<'_>) -> Bound {
        let kind = field.kind();
        if field.is_map() {
            self.map(node, &kind, path)
        } else if field.is_list() {
            self.list(node, &kind, path)
        } else if node.is_null() && !takes_null(&kind) {
            None
        } else {
            self.single(node, &kind, path)
        }
    }

    fn map(&self, node: &Node, kind: &Kind, path: &Path<'_>) -> Bound {
        let entries = match scalar::json(node) {
            Json::Null => return None,
            Json::Object(entries) => entries,
            _ => return self.refuse(node, path, "a mapping"),
        };
        let pair = kind.as_message()?;
        let (key_kind, value_kind) = (pair.map_entry_key_field().kind(), pair.map_entry_value_field().kind());
        let mut map = HashMap::with_capacity(entries.len());
        for entry in self.effective(entries, path) {
            let path = path.key(&entry.key);
            let Some(key) = map_key(&entry.key, &key_kind) else {
                let message = format!("`{}` is no key of the type {}", entry.key, key_type(&key_kind));
                self.error_at(entry.key_span, &path, message, None);
                continue;
            };
            if let Some(value) = self.element(&entry.value, &value_kind, &path) {
                map.insert(key, value);
            }
        }
        Some(Value::Map(map))
    }

    /// A list; one element may stand for a list of one, and lists in lists are read as one list.
    fn list(&self, node: &Node, kind: &Kind, path: &Path<'_>) -> Bound {
        let mut values = Vec::new();
        match scalar::json(node) {
            Json::Null => return None,
            Json::List(nodes) => self.elements(nodes, kind, path, &mut values),
            _ => values.extend(self.single(node, kind, path)),
        }
        Some(Value::List(values))
    }

    fn elements(&self, nodes: &[Node], kind: &Kind, path: &Path<'_>, values: &mut Vec<Value>) {
        for (index, node) in nodes.iter().enumerate() {
            let path = path.index(index);
            match scalar::json(node) {
                Json::List(nodes) if !takes_list(kind) => self.elements(nodes, kind, &path, values),
                _ => values.extend(self.element(node, kind, &path)),
            }
        }
    }

    /// An element of a list or map, where nothing means the default value.
    fn element(&self, node: &Node, kind: &Kind, path: &Path<'_>) -> Bound {
        if node.is_null() && !takes_null(kind) {
            return Some(Value::default_value(kind));
        }
        self.single(node, kind, path)
    }

    fn single(&self, node: &Node, kind: &Kind, path: &Path<'_>) -> Bound {
        match kind {
            Kind::Message(descriptor) => self.message(node, descriptor, path).map(Value::Message),
            Kind::Enum(descriptor) => self.enumeration(node, descriptor, path),
            Kind::Bool => {
                let truth = match scalar::json(node) {
                    Json::Bool(truth) => Some(truth),
                    Json::Text(text) => bool_in_text(text),
                    _ => None,
                };
                truth.map(Value::Bool).or_else(|| self.refuse(node, path, "true or false"))
            }
            Kind::String => match scalar::json(node) {
                Json::Text(text) => Some(Value::String(text.to_owned())),
                _ => self.refuse_as_text(node, path),
            },
            Kind::Bytes => match scalar::json(node) {
                Json::Text(text) => match base64::decode(text) {
                    Some(bytes) => Some(Value::Bytes(bytes.into())),
                    None => self.refuse(node, path, "bytes in base64"),
                },
                _ => self.refuse(node, path, "bytes in base64"),
            },
            Kind::Float => self.float(node, path).map(|number| Value::F32(number as f32)),
            Kind::Double => self.float(node, path).map(Value::F64),
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => self.int(node, path).map(Value::I32),
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => self.int(node, path).map(Value::I64),
            Kind::Uint32 | Kind::Fixed32 => self.int(node, path).map(Value::U32),
            Kind::Uint64 | Kind::Fixed64 => self.int(node, path).map(Value::U64),
        }
    }

    fn int<T: TryFrom<i128> + Bounded>(&self, node: &Node, path: &Path<'_>) -> Option<T> {
        let number = match scalar::json(node) {
            Json::Int(number) => Some(i128::from(number)),
            Json::Text(text) => int_in_text(text),
            _ => None,
        };
        let Some(number) = number else {
            return self.refuse(node, path, "a whole number");
        };
        T::try_from(number)
            .ok()
            .or_else(|| self.refuse(node, path, &format!("a whole number of {}", T::RANGE)))
    }

    fn float(&self, node: &Node, path: &Path<'_>) -> Option<f64> {
        match scalar::json(node) {
            Json::Int(number) => Some(number as f64),
            Json::Text(text) => float_in_text(text).or_else(|| self.refuse(node, path, "a number")),
            _ => self.refuse(node, path, "a number"),
        }
    }

    /// By name in any case, or by number; whether the number is defined is for the validation rules.
    fn enumeration(&self, node: &Node, descriptor: &EnumDescriptor, path: &Path<'_>) -> Bound {
        let text = match scalar::json(node) {
            Json::Int(number) => {
                let number = i32::try_from(number).ok();
                return number
                    .map(Value::EnumNumber)
                    .or_else(|| self.refuse(node, path, "a number of 32 bits"));
            }
            Json::Text(text) => text,
            _ => return self.refuse(node, path, &format!("a value of {}", descriptor.full_name())),
        };
        let named = descriptor.get_value_by_name(text);
        let named =
            named.or_else(|| descriptor.values().find(|value| value.name().eq_ignore_ascii_case(text)));
        if let Some(value) = named {
            return Some(Value::EnumNumber(value.number()));
        }
        if let Ok(number) = text.trim().parse() {
            return Some(Value::EnumNumber(number));
        }
        let help = self.advice(|| {
            let names: Vec<String> = descriptor.values().map(|value| value.name().to_owned()).collect();
            match nearest(text, names.iter().map(String::as_str)) {
                Some(name) => Some(format!("did you mean `{name}`?")),
                None => (names.len() <= 12).then(|| format!("one of {}", names.join(", "))),
            }
        });
        let message = format!("{} is no value of {}", quoted(text), descriptor.full_name());
        self.error(node, path, message, help);
        None
    }
}

/// The range of an integer type, for messages.
trait Bounded {
    const RANGE: &'static str;
}

impl Bounded for i32 {
    const RANGE: &'static str = "-2147483648 to 2147483647";
}

impl Bounded for u32 {
    const RANGE: &'static str = "0 to 4294967295";
}

impl Bounded for i64 {
    const RANGE: &'static str = "-2^63 to 2^63 - 1";
}

impl Bounded for u64 {
    const RANGE: &'static str = "0 to 2^64 - 1";
}

/// `google.protobuf.Value` and `NullValue` are the only types for which nothing is a value.
fn takes_null(kind: &Kind) -> bool {
    match kind {
        Kind::Message(message) => message.full_name() == "google.protobuf.Value",
        Kind::Enum(enumeration) => enumeration.full_name() == "google.protobuf.NullValue",
        _ => false,
    }
}

fn takes_list(kind: &Kind) -> bool {
    let name = kind.as_message().map(|message| message.full_name().to_owned());
    matches!(name.as_deref(), Some("google.protobuf.Value" | "google.protobuf.ListValue"))
}

fn map_key(text: &str, kind: &Kind) -> Option<MapKey> {
    let number = || int_in_text(text);
    match kind {
        Kind::String => Some(MapKey::String(text.to_owned())),
        Kind::Bool => bool_in_text(text).map(MapKey::Bool),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => i32::try_from(number()?).ok().map(MapKey::I32),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => i64::try_from(number()?).ok().map(MapKey::I64),
        Kind::Uint32 | Kind::Fixed32 => u32::try_from(number()?).ok().map(MapKey::U32),
        Kind::Uint64 | Kind::Fixed64 => u64::try_from(number()?).ok().map(MapKey::U64),
        _ => None,
    }
}

fn key_type(kind: &Kind) -> &'static str {
    match kind {
        Kind::Bool => "bool",
        Kind::String => "string",
        _ => "whole number",
    }
}

#[cfg(test)]
mod tests;
