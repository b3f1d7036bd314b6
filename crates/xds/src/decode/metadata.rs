//! What is written beside resources ← wire. What a reader of ours acts on is read where it acts; this is for those who only
//! show it.

use std::collections::BTreeMap;
use std::sync::Arc;

use ripstop_model::Name;
use ripstop_model::format::json::JsonNumber;
use ripstop_model::metadata::{Metadata, MetadataValue};

use super::common::Context;
use crate::metadata::RIPSTOP;
use crate::pb;

/// Deepest value that is read.
const MAX_DEPTH: usize = 32;

/// Reads all namespaces but our own, which is read elsewhere. `None`: there is none.
pub(super) fn metadata(cx: &mut Context, wire: Option<&pb::Metadata>) -> Option<Arc<Metadata>> {
    let wire = wire?;
    let mut all = Metadata::new();
    for (namespace, fields) in wire.filter_metadata.iter().filter(|(namespace, _)| *namespace != RIPSTOP) {
        let read = cx.at(&format!("metadata.filter_metadata[\"{namespace}\"]"), |cx| object(cx, fields, 0));
        all.extend(read.map(|fields| (Name::from(namespace.as_str()), fields)));
    }
    (!all.is_empty()).then(|| Arc::new(all))
}

fn object(cx: &mut Context, wire: &pb::Struct, depth: usize) -> Option<BTreeMap<Name, MetadataValue>> {
    if depth > MAX_DEPTH {
        return cx.refuse(format!("is nested more than {MAX_DEPTH} deep"));
    }
    let read =
        |(name, wire): (&String, &pb::Value)| Some((Name::from(name.as_str()), value(cx, wire, depth)?));
    wire.fields.iter().map(read).collect()
}

fn value(cx: &mut Context, wire: &pb::Value, depth: usize) -> Option<MetadataValue> {
    use pb::value::Kind;
    Some(match &wire.kind {
        None | Some(Kind::NullValue(_)) => MetadataValue::Null,
        Some(Kind::BoolValue(value)) => MetadataValue::Bool(*value),
        Some(Kind::NumberValue(value)) => match JsonNumber::new(*value) {
            Some(number) => MetadataValue::Number(number),
            None => return cx.refuse("is no number that JSON can write"),
        },
        Some(Kind::StringValue(text)) => MetadataValue::Text(text.as_str().into()),
        Some(Kind::ListValue(_)) if depth >= MAX_DEPTH => {
            return cx.refuse(format!("is nested more than {MAX_DEPTH} deep"));
        }
        Some(Kind::ListValue(list)) => {
            let values = list.values.iter().map(|wire| value(cx, wire, depth + 1));
            MetadataValue::List(values.collect::<Option<_>>()?)
        }
        Some(Kind::StructValue(fields)) => MetadataValue::Object(object(cx, fields, depth + 1)?),
    })
}
