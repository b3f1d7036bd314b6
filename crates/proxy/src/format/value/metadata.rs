//! What is written beside resources, as text.

use std::borrow::Cow;
use std::io::Write;

use ripstop_model::Name;
use ripstop_model::format::operator::MetadataOf;
use ripstop_model::metadata::{Metadata, MetadataValue};

use crate::format::Shown;
use crate::format::context::Context;
use crate::format::json::quote;

/// Shows what lies at the end of a path: a text as it is, anything else as JSON.
pub(super) fn write(of: MetadataOf, path: &[Name], context: &Context<'_>, out: &mut Vec<u8>) -> Shown {
    let shown = &context.stream.metadata;
    let all = match of {
        MetadataOf::Route => shown.route.as_deref(),
        MetadataOf::VirtualHost => shown.virtual_host.as_deref(),
        MetadataOf::Cluster => shown.cluster.as_deref(),
    };
    match all.and_then(|all| find(all, path)).as_deref() {
        None | Some(MetadataValue::Null) => Shown::Absent,
        Some(MetadataValue::Text(text)) => {
            out.extend_from_slice(text.as_bytes());
            Shown::Text
        }
        Some(MetadataValue::Number(number)) => {
            write_number(number.get(), out);
            Shown::Number
        }
        Some(value) => {
            json(value, out);
            Shown::Json
        }
    }
}

fn find<'a>(all: &'a Metadata, path: &[Name]) -> Option<Cow<'a, MetadataValue>> {
    let (namespace, keys) = path.split_first()?;
    let mut fields = all.get(namespace)?;
    let Some((last, before)) = keys.split_last() else {
        return Some(Cow::Owned(MetadataValue::Object(fields.clone())));
    };
    for key in before {
        match fields.get(key)? {
            MetadataValue::Object(inner) => fields = inner,
            _ => return None,
        }
    }
    fields.get(last).map(Cow::Borrowed)
}

fn json(value: &MetadataValue, out: &mut Vec<u8>) {
    match value {
        MetadataValue::Null => out.extend_from_slice(b"null"),
        MetadataValue::Bool(true) => out.extend_from_slice(b"true"),
        MetadataValue::Bool(false) => out.extend_from_slice(b"false"),
        MetadataValue::Number(number) => write_number(number.get(), out),
        MetadataValue::Text(text) => quote(text.as_bytes(), out),
        MetadataValue::List(values) => {
            out.push(b'[');
            for (index, value) in values.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                json(value, out);
            }
            out.push(b']');
        }
        MetadataValue::Object(fields) => {
            out.push(b'{');
            for (index, (name, value)) in fields.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                quote(name.as_bytes(), out);
                out.push(b':');
                json(value, out);
            }
            out.push(b'}');
        }
    }
}

fn write_number(number: f64, out: &mut Vec<u8>) {
    // Writing to a vector cannot fail.
    let _ = out.write_all(crate::format::json::number(number).as_bytes());
}
