//! Texts and JSON with command operators ← wire.

use ripstop_model::Format;
use ripstop_model::format::json::{JsonFormat, JsonNumber};

use super::common::Context;
use crate::pb;

/// Deepest JSON that is read.
const MAX_DEPTH: usize = 32;

/// Reads a text.
pub(super) fn text(cx: &mut Context, text: &str) -> Option<Format> {
    match Format::parse(text) {
        Ok(format) => Some(format),
        Err(error) => cx.refuse(error.to_string()),
    }
}

/// Reads an object.
pub(super) fn json(cx: &mut Context, wire: &pb::Struct) -> Option<JsonFormat> {
    object(cx, wire, 0)
}

fn object(cx: &mut Context, wire: &pb::Struct, depth: usize) -> Option<JsonFormat> {
    let mut names: Vec<&String> = wire.fields.keys().collect();
    names.sort();
    let mut fields = Vec::with_capacity(names.len());
    for name in names {
        let value = cx.at(&format!("[\"{name}\"]"), |cx| value(cx, &wire.fields[name], depth + 1))?;
        fields.push((name.as_str().into(), value));
    }
    Some(JsonFormat::Object(fields))
}

fn value(cx: &mut Context, wire: &pb::Value, depth: usize) -> Option<JsonFormat> {
    use pb::value::Kind;
    if depth > MAX_DEPTH {
        return cx.refuse(format!("is nested more than {MAX_DEPTH} deep"));
    }
    match &wire.kind {
        None | Some(Kind::NullValue(_)) => Some(JsonFormat::Null),
        Some(Kind::BoolValue(value)) => Some(JsonFormat::Bool(*value)),
        Some(Kind::NumberValue(value)) => match JsonNumber::new(*value) {
            Some(number) => Some(JsonFormat::Number(number)),
            None => cx.refuse("is no number that JSON can write"),
        },
        Some(Kind::StringValue(value)) => text(cx, value).map(JsonFormat::Text),
        Some(Kind::ListValue(list)) => {
            let mut values = Vec::with_capacity(list.values.len());
            for (index, wire) in list.values.iter().enumerate() {
                values.push(cx.at(&format!("[{index}]"), |cx| value(cx, wire, depth + 1))?);
            }
            Some(JsonFormat::List(values))
        }
        Some(Kind::StructValue(wire)) => object(cx, wire, depth),
    }
}
