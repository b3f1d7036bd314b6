//! JSON with command operators → wire. Texts are written as they were, and objects in their own order: the maps of the
//! generated types have none, and equal values have to have equal bytes.

use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint};
use ripstop_model::format::json::JsonFormat;

use crate::pb;

/// `Struct.fields`, and key and value of its entries.
const FIELDS: u32 = 1;
const KEY: u32 = 1;
const VALUE: u32 = 2;
/// `Value.struct_value`, `Value.list_value`, `ListValue.values`.
const STRUCT_VALUE: u32 = 5;
const LIST_VALUE: u32 = 6;
const VALUES: u32 = 1;

/// The bytes of a `Struct`; what is no object has no fields.
pub(super) fn json(format: &JsonFormat) -> Vec<u8> {
    let mut out = Vec::new();
    if let JsonFormat::Object(fields) = format {
        for (name, format) in fields {
            let mut entry = Vec::new();
            put(KEY, name.as_bytes(), &mut entry);
            put(VALUE, &value(format), &mut entry);
            put(FIELDS, &entry, &mut out);
        }
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
        JsonFormat::List(list) => {
            let mut values = Vec::new();
            list.iter().for_each(|format| put(VALUES, &value(format), &mut values));
            return one(LIST_VALUE, &values);
        }
        JsonFormat::Object(_) => return one(STRUCT_VALUE, &json(format)),
    };
    pb::Value { kind: Some(kind) }.encode_to_vec()
}

fn one(field: u32, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put(field, bytes, &mut out);
    out
}
