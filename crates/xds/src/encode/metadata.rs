//! What is written beside resources → wire, in the order of its names, so that equal values have equal bytes.

use std::collections::BTreeMap;

use prost::Message;
use ripstop_model::Name;
use ripstop_model::metadata::{Metadata, MetadataValue};

use super::format::{object, one, put};
use crate::pb;

/// `Metadata.filter_metadata`, and key and value of its entries.
const FILTER_METADATA: u32 = 1;
const KEY: u32 = 1;
const VALUE: u32 = 2;

/// The bytes of a `Metadata`; of none none. Messages that stand twice are merged, so they can follow others of the same.
pub(super) fn metadata(of: Option<&Metadata>) -> Vec<u8> {
    let mut out = Vec::new();
    for (namespace, fields) in of.into_iter().flatten() {
        let mut entry = Vec::new();
        put(KEY, namespace.as_bytes(), &mut entry);
        put(VALUE, &fields_of(fields), &mut entry);
        put(FILTER_METADATA, &entry, &mut out);
    }
    out
}

fn fields_of(fields: &BTreeMap<Name, MetadataValue>) -> Vec<u8> {
    object(fields.iter().map(|(name, of)| (name, value(of))))
}

fn value(of: &MetadataValue) -> Vec<u8> {
    use pb::value::Kind;
    let kind = match of {
        MetadataValue::Null => Kind::NullValue(0),
        MetadataValue::Bool(value) => Kind::BoolValue(*value),
        MetadataValue::Number(number) => Kind::NumberValue(number.get()),
        MetadataValue::Text(text) => Kind::StringValue(text.to_string()),
        MetadataValue::List(values) => return one::list(values.iter().map(value)),
        MetadataValue::Object(fields) => return one::object(&fields_of(fields)),
    };
    pb::Value { kind: Some(kind) }.encode_to_vec()
}
