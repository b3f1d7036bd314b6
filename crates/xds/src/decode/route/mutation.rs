//! Changes to headers ← wire.

use ripstop_model::Name;
use ripstop_model::route::{AppendAction, HeaderAddition, HeaderMutations, Mutations};

use crate::decode::common::Context;
use crate::decode::format;
use crate::pb;

/// The four fields of a level.
pub(super) struct Wire<'a> {
    pub(super) request_add: &'a [pb::HeaderValueOption],
    pub(super) request_remove: &'a [String],
    pub(super) response_add: &'a [pb::HeaderValueOption],
    pub(super) response_remove: &'a [String],
}

/// Reads a level; `None` where nothing is changed.
pub(super) fn mutations(cx: &mut Context, wire: &Wire<'_>) -> Option<Box<HeaderMutations>> {
    let mutations = HeaderMutations {
        request: Mutations {
            remove: removed(cx, "request_headers_to_remove", wire.request_remove),
            add: cx.items("request_headers_to_add", wire.request_add, addition),
        },
        response: Mutations {
            remove: removed(cx, "response_headers_to_remove", wire.response_remove),
            add: cx.items("response_headers_to_add", wire.response_add, addition),
        },
    };
    (!mutations.is_empty()).then(|| Box::new(mutations))
}

/// Gathers the four fields of a message that has them.
macro_rules! level {
    ($wire:expr) => {
        $crate::decode::route::mutation::Wire {
            request_add: &$wire.request_headers_to_add,
            request_remove: &$wire.request_headers_to_remove,
            response_add: &$wire.response_headers_to_add,
            response_remove: &$wire.response_headers_to_remove,
        }
    };
}
pub(super) use level;

pub(in crate::decode) fn removed(cx: &mut Context, field: &str, names: &[String]) -> Vec<Name> {
    cx.items(field, names, |cx, name| header_name(cx, name, "removed"))
}

#[allow(deprecated, reason = "Envoy still accepts `append`")]
pub(in crate::decode) fn addition(cx: &mut Context, wire: &pb::HeaderValueOption) -> Option<HeaderAddition> {
    use pb::header_value_option::HeaderAppendAction as Action;
    let Some(header) = &wire.header else { return cx.at("header", |cx| cx.refuse("is needed")) };
    let (name, value) = cx.at("header", |cx| {
        let name = cx.at("key", |cx| header_name(cx, &header.key, "modified"));
        if !header.raw_value.is_empty() {
            return cx.at("raw_value", |cx| cx.refuse("is not supported; write the value as `value`"));
        }
        Some((name?, cx.at("value", |cx| format::text(cx, &header.value))?))
    })?;
    let action = match (Action::try_from(wire.append_action), wire.append.as_ref()) {
        (Ok(Action::AppendIfExistsOrAdd), None) => AppendAction::Append,
        (Ok(Action::AppendIfExistsOrAdd), Some(append)) if append.value => AppendAction::Append,
        (Ok(Action::AppendIfExistsOrAdd), Some(_)) => AppendAction::Overwrite,
        (Ok(_), Some(_)) => {
            return cx.at("append", |cx| cx.refuse("append and append_action cannot both be set"));
        }
        (Ok(Action::AddIfAbsent), None) => AppendAction::AddIfAbsent,
        (Ok(Action::OverwriteIfExistsOrAdd), None) => AppendAction::Overwrite,
        (Ok(Action::OverwriteIfExists), None) => AppendAction::OverwriteIfExists,
        (Err(_), _) => return cx.at("append_action", |cx| cx.refuse("is not known")),
    };
    Some(HeaderAddition { name, value, action, keep_empty: wire.keep_empty_value })
}

fn header_name(cx: &mut Context, name: &str, what: &str) -> Option<Name> {
    let lower = name.to_ascii_lowercase();
    if lower.starts_with(':') || lower == "host" {
        return cx.refuse(format!("headers that begin with ':', and host, cannot be {what}"));
    }
    if lower.is_empty() || !lower.bytes().all(is_token) {
        return cx.refuse("is no name of a header");
    }
    Some(lower.into())
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
