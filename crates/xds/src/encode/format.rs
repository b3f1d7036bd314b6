//! JSON with command operators → wire. Texts are written as they were, and objects in their own order: the maps of the
//! generated types have none, and equal values have to have equal bytes.

use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint};
use ripstop_model::Name;
use ripstop_model::format::json::JsonFormat;

use crate::pb;

/// `Struct.fields`, and key and value of its entries.
const FIELDS: u32 = 1;
const KEY: u32 = 1;
const VALUE: u32 = 2;

/// The bytes of a `Struct`; what is no object has no fields.
pub(super) fn json(format: &JsonFormat) -> Vec<u8> {
    match format {
        JsonFormat::Object(fields) => object(fields.iter().map(|(name, format)| (name, value(format)))),
        _ => Vec::new(),
    }
}

/// The bytes of a `Struct` with these fields, whose values are those of `Value`s.
pub(super) fn object<'a>(fields: impl Iterator<Item = (&'a Name, Vec<u8>)>) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in fields {
        let mut entry = Vec::new();
        put(KEY, name.as_bytes(), &mut entry);
        put(VALUE, &value, &mut entry);
        put(FIELDS, &entry, &mut out);
    }
    out
}

/// Appends a field that has a length.
pub(super) fn put(field: u32, bytes: &[u8], out: &mut Vec<u8>) {
    encode_key(field, WireType::LengthDelimited, out);
    encode_varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

fn value(format: &JsonFormat) -> Vec<u8> {
    use pb::value::Kind;
    let kind = match format {
        JsonFormat::Null => Kind::NullValue(0),
        JsonFormat::Bool(value) => Kind::BoolValue(*value),
        JsonFormat::Number(number) => Kind::NumberValue(number.get()),
        JsonFormat::Text(text) => Kind::StringValue(text.source().to_string()),
        JsonFormat::List(list) => return one::list(list.iter().map(value)),
        JsonFormat::Object(_) => return one::object(&json(format)),
    };
    pb::Value { kind: Some(kind) }.encode_to_vec()
}

/// A `Value` that holds others.
pub(super) mod one {
    use super::put;

    /// `Value.struct_value`, `Value.list_value`, `ListValue.values`.
    const STRUCT_VALUE: u32 = 5;
    const LIST_VALUE: u32 = 6;
    const VALUES: u32 = 1;

    /// A list of `Value`s.
    pub(in super::super) fn list(values: impl Iterator<Item = Vec<u8>>) -> Vec<u8> {
        let (mut list, mut out) = (Vec::new(), Vec::new());
        values.for_each(|value| put(VALUES, &value, &mut list));
        put(LIST_VALUE, &list, &mut out);
        out
    }

    /// A `Struct`.
    pub(in super::super) fn object(fields: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        put(STRUCT_VALUE, fields, &mut out);
        out
    }
}
