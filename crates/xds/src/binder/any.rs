//! `google.protobuf.Any`: a message of the type that its `@type` names, at whatever depth it stands.

use prost::Message as _;
use prost::bytes::Bytes;
use prost_reflect::{DynamicMessage, MessageDescriptor, ReflectMessage as _, Value};
use ripstop_yaml::{Entry, Node, nearest};

use super::scalar::{Json, json};
use super::well_known::has_own_json;
use super::{Binder, Path};
use crate::descriptor;

pub(super) const TYPE_URL_PREFIX: &str = "type.googleapis.com/";
const TYPE_URL: u32 = 1;
const VALUE: u32 = 2;

impl Binder<'_> {
    pub(super) fn any(
        &self,
        node: &Node,
        descriptor: &MessageDescriptor,
        path: &Path<'_>,
    ) -> Option<DynamicMessage> {
        let empty = DynamicMessage::new(descriptor.clone());
        let entries = match json(node) {
            Json::Null => return Some(empty),
            Json::Object([]) => return Some(empty),
            Json::Object(entries) => entries,
            _ => return self.refuse(node, path, "a mapping with `@type`"),
        };
        let inner = self.typed(node, entries, path)?;
        let mut any = empty;
        let type_url = format!("{TYPE_URL_PREFIX}{}", inner.descriptor().full_name());
        any.set_field_by_number(TYPE_URL, Value::String(type_url));
        any.set_field_by_number(VALUE, Value::Bytes(Bytes::from(inner.encode_to_vec())));
        Some(any)
    }

    fn typed(&self, node: &Node, entries: &[Entry], path: &Path<'_>) -> Option<DynamicMessage> {
        let Some(type_entry) = entries.iter().rev().find(|entry| entry.key == "@type") else {
            let at = entries.first().map_or(node.span, |entry| entry.key_span);
            let help = "add \"@type\": type.googleapis.com/ and the name of the message".to_owned();
            self.error_at(at, path, "`@type` is missing, so the type is unknown".to_owned(), Some(help));
            return None;
        };
        let type_path = path.key("@type");
        let Json::Text(url) = json(&type_entry.value) else {
            return self.refuse(&type_entry.value, &type_path, "the URL of a type");
        };
        let inner = match url.rsplit_once('/') {
            Some((host, name)) if !host.is_empty() => descriptor::message(name),
            _ => {
                let message = format!("{} is no URL of a type", super::report::quoted(url));
                let help = format!("write {TYPE_URL_PREFIX}{}", url.trim_start_matches('/'));
                self.error(&type_entry.value, &type_path, message, Some(help));
                return None;
            }
        };
        let Some(inner) = inner else {
            let message = format!("there is no type {} in Envoy's API", super::report::quoted(url));
            self.error(&type_entry.value, &type_path, message, self.advice(|| meant_type(url)));
            return None;
        };
        if !has_own_json(inner.full_name()) {
            return Some(self.fields(node, entries, &inner, path, &["@type"]));
        }
        let mut value = None;
        for entry in self.effective(entries, path) {
            match entry.key.as_str() {
                "@type" => {}
                "value" => value = Some(&entry.value),
                _ => self.unknown_field(entry, &inner, path),
            }
        }
        match value {
            Some(value) => self.message(value, &inner, &path.key("value")),
            None => Some(DynamicMessage::new(inner)),
        }
    }
}

/// The type whose name is nearest, or one of the same short name in another package or version.
fn meant_type(url: &str) -> Option<String> {
    let name = url.rsplit('/').next().unwrap_or(url);
    let names: Vec<String> =
        descriptor::whole_pool().all_messages().map(|message| message.full_name().to_owned()).collect();
    let list = || names.iter().map(String::as_str).filter(|candidate| candidate.contains('.'));
    let short = name.rsplit('.').next().unwrap_or(name);
    let namesake = || list().find(|candidate| candidate.rsplit('.').next() == Some(short));
    let meant = nearest(name, list()).or_else(namesake)?;
    Some(format!("did you mean `{TYPE_URL_PREFIX}{meant}`?"))
}
