//! Finds the fields of a resource that we do not support. It walks the message by its schema, so that a
//! field which nobody thought of is found as well; the tables in [`table`] say which fields are read.

mod table;

use std::collections::HashMap;
use std::sync::LazyLock;

use super::common::Context;
use crate::message::{self, Fields, Value};
use crate::schema::{self, FieldSchema, MessageSchema};

/// Which fields of a message are read. A message that is in no table is read whole.
struct Support {
    /// Full name of the message.
    message: &'static str,
    /// Fields, with spaces between, whose every value is either understood or reported by the reader.
    read: &'static str,
    /// Fields that are left out with a warning. All others make the resource unusable.
    harmless: &'static str,
}

/// What becomes of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Read,
    Harmless,
}

/// The tables, ready to be looked up: by message, then by field.
static TABLES: LazyLock<HashMap<&str, HashMap<&str, Fate>>> = LazyLock::new(|| {
    let fields = |list: &'static str, fate| list.split_ascii_whitespace().map(move |field| (field, fate));
    table::all()
        .map(|support| {
            let read = fields(support.read, Fate::Read);
            (support.message, read.chain(fields(support.harmless, Fate::Harmless)).collect())
        })
        .collect()
});

/// Reports every field of the message that is set and not read. The message is known to be well-formed.
pub(super) fn check(cx: &mut Context, schema: MessageSchema, bytes: &[u8]) {
    let Some(fates) = TABLES.get(schema.name()) else { return };
    let Ok(fields) = Fields::read(schema, bytes) else { return };
    for (field, value) in fields.iter() {
        let name = field.name();
        match fates.get(name) {
            Some(Fate::Read) => descend(cx, field, value),
            Some(Fate::Harmless) => cx.at(name, |cx| cx.warn("is not supported and has no effect")),
            None => cx.at(name, |cx| cx.reject("is not supported")),
        }
    }
    for number in fields.unknown() {
        cx.warn(format!("field number {number} of {} is not known", schema.name()));
    }
}

fn descend(cx: &mut Context, field: &FieldSchema, value: &Value<'_>) {
    let name = field.name();
    match value {
        Value::Message(schema, bytes) => cx.at(name, |cx| nested(cx, *schema, bytes)),
        Value::List(list) => {
            for (index, value) in list.iter().enumerate() {
                if let Value::Message(schema, bytes) = value {
                    cx.item(name, index, |cx| nested(cx, *schema, bytes));
                }
            }
        }
        Value::Map(entries) => {
            for (key, value) in entries {
                if let Value::Message(schema, bytes) = value {
                    cx.at(&format!("{name}[\"{}\"]", key.key_text()), |cx| nested(cx, *schema, bytes));
                }
            }
        }
        _ => {}
    }
}

/// Steps through an `Any` when what it holds is in a table. Nothing in the tables holds itself, so this ends.
fn nested(cx: &mut Context, schema: MessageSchema, bytes: &[u8]) {
    if !schema.is_any() {
        return check(cx, schema, bytes);
    }
    let Ok(any) = Fields::read(schema, bytes) else { return };
    let url = any.named("type_url").and_then(Value::as_text).unwrap_or_default();
    let name = url.rsplit_once('/').map_or(url, |(_, name)| name);
    if !TABLES.contains_key(name) {
        return;
    }
    let Some(schema) = schema::message(name) else { return };
    let bytes = any.named("value").and_then(Value::as_bytes).unwrap_or_default();
    // Bytes that cannot be decoded are reported by the reader.
    if message::verify(schema, bytes).is_ok() {
        check(cx, schema, bytes);
    }
}

#[cfg(test)]
mod document;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::descriptor;

    #[test]
    fn the_tables_name_fields_that_exist() {
        assert_eq!(TABLES.len(), table::all().count(), "no message is there twice");
        for support in table::all() {
            let descriptor = descriptor::message(support.message);
            let descriptor = descriptor.unwrap_or_else(|| panic!("no message {}", support.message));
            for field in TABLES[support.message].keys() {
                assert!(descriptor.get_field_by_name(field).is_some(), "{}.{field}", support.message);
            }
            let listed = support.read.split_whitespace().chain(support.harmless.split_whitespace()).count();
            assert_eq!(
                listed,
                TABLES[support.message].len(),
                "a field of {} is listed twice",
                support.message
            );
        }
    }

    /// A message in no table is read whole, so nothing below it is looked at.
    #[test]
    fn nothing_in_a_table_hides_behind_a_message_that_is_in_none() {
        let is_checked = |name: &str| name == "google.protobuf.Any" || TABLES.contains_key(name);
        for support in table::all() {
            let descriptor = descriptor::message(support.message).unwrap();
            for field in support.read.split(' ').filter_map(|name| descriptor.get_field_by_name(name)) {
                if field.is_map() {
                    // Its values are looked at one by one.
                    continue;
                }
                let kind = field.kind();
                let Some(inner) = kind.as_message().filter(|inner| !is_checked(inner.full_name())) else {
                    continue;
                };
                for below in inner.fields().filter(|_| !READ_BY_HAND.contains(&inner.full_name())) {
                    let kind = below.kind();
                    let name = kind.as_message().map(|message| message.full_name().to_owned());
                    let hidden = name.as_deref().is_some_and(is_checked);
                    assert!(!hidden, "{name:?} hides in {}.{}", inner.full_name(), below.name());
                }
            }
        }
    }

    /// Messages whose readers refuse whatever they do not know, or which are refused as a whole.
    const READ_BY_HAND: &[&str] = &[
        "envoy.config.rbac.v3.Permission",
        "envoy.config.rbac.v3.Principal",
        "envoy.config.route.v3.RetryPolicy.RetryHostPredicate",
        "envoy.config.route.v3.RetryPolicy.RetryPriority",
        "envoy.config.route.v3.FilterAction",
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions.UseDownstreamHttpConfig",
        "envoy.config.route.v3.ClusterSpecifierPlugin",
        "envoy.config.core.v3.TypedExtensionConfig",
        "envoy.config.core.v3.ExtensionConfigSource",
        "envoy.config.core.v3.ApiConfigSource",
        "envoy.config.core.v3.HealthCheck.CustomHealthCheck",
        "envoy.extensions.filters.network.http_connection_manager.v3.ScopedRoutes",
    ];
}
