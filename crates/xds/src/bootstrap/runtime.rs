//! `layered_runtime` of a bootstrap, and values that are written as text elsewhere.

use std::collections::BTreeSet;

use ripstop_model::Percent;
use ripstop_model::runtime::{RuntimeDirectory, RuntimeLayer, RuntimeSource, RuntimeValue, RuntimeValues};
use ripstop_yaml::{Problems, Source, parse};

use crate::binder::bind;
use crate::pb;
use crate::pb::runtime_layer::LayerSpecifier;
use crate::pb::value::Kind;
use crate::place::Place;
use prost::Message as _;

/// The layers in the order in which they are written.
pub(super) fn layers(place: &Place<'_>, wire: &pb::LayeredRuntime) -> Vec<RuntimeLayer> {
    let mut names = BTreeSet::new();
    let mut has_admin = false;
    let mut layers = Vec::new();
    for (index, layer) in wire.layers.iter().enumerate() {
        let path = format!("layered_runtime.layers[{index}]");
        if !names.insert(layer.name.as_str()) {
            place.error(&format!("{path}.name"), format!("there is another layer named '{}'", layer.name));
        }
        let source = match &layer.layer_specifier {
            Some(LayerSpecifier::StaticLayer(values)) => {
                let mut flat = RuntimeValues::new();
                flatten(place, &format!("{path}.static_layer"), "", values, &mut flat);
                RuntimeSource::Static(flat)
            }
            Some(LayerSpecifier::DiskLayer(disk)) => RuntimeSource::Disk(RuntimeDirectory {
                root: disk.symlink_root.clone().into(),
                subdirectory: disk.subdirectory.clone().into(),
                append_service_cluster: disk.append_service_cluster,
            }),
            Some(LayerSpecifier::AdminLayer(_)) => {
                if std::mem::replace(&mut has_admin, true) {
                    place.error(&path, "there can be one admin layer only".to_owned());
                }
                RuntimeSource::Admin
            }
            Some(LayerSpecifier::RtdsLayer(_)) => {
                let message = "is not supported and has no effect: the other layers and the defaults hold";
                place.warn(&format!("{path}.rtds_layer"), message.to_owned());
                RuntimeSource::Static(RuntimeValues::new())
            }
            // The binder has refused it.
            None => continue,
        };
        layers.push(RuntimeLayer { name: layer.name.clone(), source });
    }
    layers
}

/// The value that a text in a file or on an admin page stands for: read as YAML, like the values of a layer.
pub fn runtime_value(text: &str) -> RuntimeValue {
    let source = Source::new("value", text);
    let as_text = || RuntimeValue::text(text);
    let Ok(documents) = parse(&source) else { return as_text() };
    let [document] = documents.as_slice() else { return as_text() };
    let problems = Problems::new(&source);
    let value = bind(&document.root, "google.protobuf.Value", &problems)
        .and_then(|bytes| pb::Value::decode(bytes.as_slice()).ok())
        .and_then(|wire| wire.kind);
    let read = match value {
        Some(Kind::NumberValue(number)) => RuntimeValue::number(number),
        Some(Kind::BoolValue(switch)) => RuntimeValue::switch(switch),
        Some(Kind::StructValue(fields)) => share(&fields),
        _ => return as_text(),
    };
    RuntimeValue { text: text.to_owned(), ..read }
}

/// Mappings are parts of names, apart from those that are shares.
fn flatten(place: &Place<'_>, path: &str, prefix: &str, wire: &pb::Struct, flat: &mut RuntimeValues) {
    for (key, value) in &wire.fields {
        let path = format!("{path}[\"{key}\"]");
        let name = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        let value = match &value.kind {
            Some(Kind::NumberValue(number)) => RuntimeValue::number(*number),
            Some(Kind::BoolValue(switch)) => RuntimeValue::switch(*switch),
            Some(Kind::StringValue(text)) => RuntimeValue::text(text.as_str()),
            Some(Kind::StructValue(fields)) if is_share(fields) => share(fields),
            Some(Kind::StructValue(fields)) => {
                flatten(place, &path, &name, fields, flat);
                continue;
            }
            Some(Kind::NullValue(_) | Kind::ListValue(_)) | None => {
                place.error(&path, "must be a number, a truth value, a text or a share".to_owned());
                continue;
            }
        };
        flat.insert(name, value);
    }
}

fn is_share(fields: &pb::Struct) -> bool {
    fields.fields.is_empty()
        || ["numerator", "denominator"].iter().any(|key| fields.fields.contains_key(*key))
}

/// A share of a hundred, unless it says of what. One with anything else in it is nothing but a text, as in Envoy.
fn share(fields: &pb::Struct) -> RuntimeValue {
    let mut numerator = 0.0;
    let mut parts = Some(10_000);
    let mut written = Vec::new();
    for (key, value) in &fields.fields {
        match (key.as_str(), &value.kind) {
            ("numerator", Some(Kind::NumberValue(number))) => {
                numerator = *number;
                written.push(format!("numerator: {number}"));
            }
            ("denominator", Some(Kind::StringValue(name))) => {
                parts = match name.as_str() {
                    "HUNDRED" => parts,
                    "TEN_THOUSAND" => parts.and(Some(100)),
                    "MILLION" => parts.and(Some(1)),
                    _ => None,
                };
                written.push(format!("denominator: {name}"));
            }
            (other, _) => {
                parts = None;
                written.push(format!("{other}: …"));
            }
        }
    }
    written.sort_by(|a, b| b.cmp(a));
    let text = format!("{{{}}}", written.join(", "));
    let Some(parts) = parts else { return RuntimeValue { text, ..RuntimeValue::default() } };
    // A negative numerator is a very large one in Envoy, hence everything.
    let share = match numerator {
        n if n < 0.0 => Percent::ALL,
        n => Percent::per_million((n as u32).saturating_mul(parts)),
    };
    RuntimeValue::share(text, share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_as_yaml() {
        assert_eq!(runtime_value("7").number, Some(7.0));
        assert_eq!(runtime_value("true").switch, Some(true));
        let share = runtime_value("{numerator: 3, denominator: MILLION}");
        assert_eq!(share.share, Some(Percent::per_million(3)));
        assert_eq!(share.text, "{numerator: 3, denominator: MILLION}");
        assert_eq!(runtime_value("hello: [").text, "hello: [");
        assert_eq!(runtime_value("").number, None);
    }
}
