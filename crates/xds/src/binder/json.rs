//! Encoded protobuf as JSON, with the field names of the `.proto` files, for people and for `/config_dump`.

use std::fmt::Write as _;

use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MapKey, ReflectMessage as _, Value};

use super::any::TYPE_URL_PREFIX;
use super::base64;
use super::well_known::{has_own_json, wraps_a_value};
use crate::descriptor;

/// Fields whose texts and bytes are not shown, whatever message they hold: those that Envoy's API marks as sensitive.
const SENSITIVE: &[(&str, &str)] = &[
    ("envoy.extensions.transport_sockets.tls.v3.TlsCertificate", "private_key"),
    ("envoy.extensions.transport_sockets.tls.v3.TlsCertificate", "password"),
    ("envoy.extensions.transport_sockets.tls.v3.TlsCertificate", "pkcs12"),
    ("envoy.extensions.transport_sockets.tls.v3.PrivateKeyProvider", "typed_config"),
    ("envoy.extensions.transport_sockets.tls.v3.TlsSessionTicketKeys", "keys"),
    ("envoy.extensions.transport_sockets.tls.v3.GenericSecret", "secret"),
    ("envoy.extensions.transport_sockets.tls.v3.GenericSecret", "secrets"),
];

/// What stands in place of a text that is not shown.
const REDACTED: &str = "[redacted]";

/// Nested `Any` messages that are opened; deeper ones are shown in base64, since each begins a new recursion.
const MAX_NESTED_ANY: usize = 16;

/// The message `message_name` in `bytes` as JSON on one line.
///
/// Keys and the like (`SENSITIVE`) are shown as Envoy shows them, as `[redacted]`.
///
/// What cannot be read is not left out: an `Any` of a type outside Envoy's API, or one that does not decode, becomes
/// `{"@type": …, "value": "<base64>"}`, and so does the message itself.
pub fn to_json(message_name: &str, bytes: &[u8]) -> String {
    let mut writer = Writer { out: String::new(), any_depth: 0, hidden: false };
    match decode(message_name, bytes) {
        Some(message) => writer.message(&message),
        None => writer.opaque(&format!("{TYPE_URL_PREFIX}{message_name}"), bytes),
    }
    writer.out
}

fn decode(message_name: &str, bytes: &[u8]) -> Option<DynamicMessage> {
    let descriptor = descriptor::message(message_name)?;
    DynamicMessage::decode(descriptor, bytes).ok()
}

struct Writer {
    out: String,
    any_depth: usize,
    /// Whether what is written belongs to a field that is not shown.
    hidden: bool,
}

impl Writer {
    fn message(&mut self, message: &DynamicMessage) {
        let descriptor = message.descriptor();
        let get = |name: &str| message.get_field_by_name(name).map(std::borrow::Cow::into_owned);
        match descriptor.full_name() {
            "google.protobuf.Any" => {
                let (url, bytes) = (get("type_url"), get("value"));
                let url = url.as_ref().and_then(Value::as_str).unwrap_or_default();
                let bytes = bytes.as_ref().and_then(Value::as_bytes).cloned().unwrap_or_default();
                self.any(url, &bytes);
            }
            "google.protobuf.Duration" | "google.protobuf.Timestamp" => {
                let seconds = get("seconds").as_ref().and_then(Value::as_i64).unwrap_or_default();
                let nanos = get("nanos").as_ref().and_then(Value::as_i32).unwrap_or_default();
                let text = if descriptor.name() == "Duration" {
                    duration_text(seconds, nanos)
                } else {
                    prost_reflect::prost_types::Timestamp { seconds, nanos }.to_string()
                };
                self.text(&text);
            }
            "google.protobuf.Struct" => self.only_field(message, "fields", "{}"),
            "google.protobuf.ListValue" => self.only_field(message, "values", "[]"),
            "google.protobuf.Value" => match message.fields().next() {
                Some((field, value)) if field.name() != "null_value" => self.field_value(&field, value),
                _ => self.out.push_str("null"),
            },
            name if wraps_a_value(name) => match descriptor.get_field_by_name("value") {
                Some(field) => self.field_value(&field, &message.get_field(&field)),
                None => self.out.push_str("null"),
            },
            _ => {
                self.out.push('{');
                self.fields(message, true);
                self.out.push('}');
            }
        }
    }

    fn only_field(&mut self, message: &DynamicMessage, name: &str, empty: &str) {
        match message.fields().find(|(field, _)| field.name() == name) {
            Some((field, value)) => self.field_value(&field, value),
            None => self.out.push_str(empty),
        }
    }

    fn fields(&mut self, message: &DynamicMessage, mut first: bool) {
        for (field, value) in message.fields() {
            self.separate(&mut first);
            self.key(field.name());
            let outside = self.hidden;
            let name = message.descriptor();
            self.hidden |= SENSITIVE.contains(&(name.full_name(), field.name()));
            self.field_value(&field, value);
            self.hidden = outside;
        }
    }

    fn any(&mut self, url: &str, bytes: &[u8]) {
        if url.is_empty() && bytes.is_empty() {
            self.out.push_str("{}");
            return;
        }
        let name = url.rsplit('/').next().unwrap_or(url);
        let message = if self.any_depth < MAX_NESTED_ANY { decode(name, bytes) } else { None };
        let Some(message) = message else {
            self.opaque(url, bytes);
            return;
        };
        self.any_depth += 1;
        self.out.push('{');
        self.key("@type");
        self.text(url);
        if has_own_json(name) {
            self.out.push(',');
            self.key("value");
            self.message(&message);
        } else {
            self.fields(&message, false);
        }
        self.out.push('}');
        self.any_depth -= 1;
    }

    fn opaque(&mut self, url: &str, bytes: &[u8]) {
        self.out.push('{');
        self.key("@type");
        self.text(url);
        self.out.push(',');
        self.key("value");
        self.text(&base64::encode(if self.hidden { REDACTED.as_bytes() } else { bytes }));
        self.out.push('}');
    }

    fn field_value(&mut self, field: &FieldDescriptor, value: &Value) {
        let kind = field.kind();
        match value {
            Value::List(values) => {
                self.out.push('[');
                let mut first = true;
                for value in values {
                    self.separate(&mut first);
                    self.single(value, &kind);
                }
                self.out.push(']');
            }
            Value::Map(map) => {
                let value_kind = kind.as_message().map(|pair| pair.map_entry_value_field().kind());
                let mut pairs: Vec<(String, &Value)> =
                    map.iter().map(|(key, value)| (key_text(key), value)).collect();
                pairs.sort_by(|a, b| a.0.cmp(&b.0));
                self.out.push('{');
                let mut first = true;
                for (key, value) in pairs {
                    self.separate(&mut first);
                    self.key(&key);
                    self.single(value, value_kind.as_ref().unwrap_or(&kind));
                }
                self.out.push('}');
            }
            value => self.single(value, &kind),
        }
    }

    fn single(&mut self, value: &Value, kind: &Kind) {
        match value {
            Value::Bool(truth) => self.raw(truth),
            Value::I32(number) => self.raw(number),
            Value::U32(number) => self.raw(number),
            // 64-bit integers are texts in protobuf's JSON, as JavaScript would round them.
            Value::I64(number) => self.text(&number.to_string()),
            Value::U64(number) => self.text(&number.to_string()),
            Value::F32(number) => self.float(f64::from(*number), || number.to_string()),
            Value::F64(number) => self.float(*number, || number.to_string()),
            Value::String(_) if self.hidden => self.text(REDACTED),
            Value::Bytes(_) if self.hidden => self.text(&base64::encode(REDACTED.as_bytes())),
            Value::String(text) => self.text(text),
            Value::Bytes(bytes) => self.text(&base64::encode(bytes)),
            Value::EnumNumber(number) => {
                let named = kind.as_enum().and_then(|descriptor| descriptor.get_value(*number));
                match named {
                    Some(named) => self.text(named.name()),
                    None => self.raw(number),
                }
            }
            Value::Message(message) => self.message(message),
            // Lists and maps do not nest in protobuf.
            Value::List(_) | Value::Map(_) => self.out.push_str("null"),
        }
    }

    fn float(&mut self, number: f64, finite: impl FnOnce() -> String) {
        if number.is_nan() {
            self.text("NaN");
        } else if number.is_infinite() {
            self.text(if number > 0.0 { "Infinity" } else { "-Infinity" });
        } else {
            self.out.push_str(&finite());
        }
    }

    fn separate(&mut self, first: &mut bool) {
        if !std::mem::take(first) {
            self.out.push(',');
        }
    }

    fn key(&mut self, key: &str) {
        self.text(key);
        self.out.push(':');
    }

    fn raw(&mut self, value: impl std::fmt::Display) {
        // Writing to a String cannot fail.
        let _ = write!(self.out, "{value}");
    }

    fn text(&mut self, text: &str) {
        self.out.push('"');
        for c in text.chars() {
            match c {
                '"' => self.out.push_str("\\\""),
                '\\' => self.out.push_str("\\\\"),
                '\n' => self.out.push_str("\\n"),
                '\r' => self.out.push_str("\\r"),
                '\t' => self.out.push_str("\\t"),
                c if c.is_control() => self.raw(format_args!("\\u{:04x}", u32::from(c))),
                c => self.out.push(c),
            }
        }
        self.out.push('"');
    }
}

fn key_text(key: &MapKey) -> String {
    match key {
        MapKey::Bool(key) => key.to_string(),
        MapKey::I32(key) => key.to_string(),
        MapKey::I64(key) => key.to_string(),
        MapKey::U32(key) => key.to_string(),
        MapKey::U64(key) => key.to_string(),
        MapKey::String(key) => key.clone(),
    }
}

/// `1.5s`, with as many digits as are needed.
fn duration_text(seconds: i64, nanos: i32) -> String {
    let sign = if seconds < 0 || nanos < 0 { "-" } else { "" };
    let fraction = format!("{:09}", nanos.unsigned_abs());
    let fraction = fraction.trim_end_matches('0');
    let point = if fraction.is_empty() { "" } else { "." };
    format!("{sign}{}{point}{fraction}s", seconds.unsigned_abs())
}

#[cfg(test)]
mod tests;
