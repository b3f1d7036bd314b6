//! `layered_runtime` of a bootstrap, and values that are written as text elsewhere.

use std::collections::BTreeSet;

use ripstop_model::runtime::{RuntimeDirectory, RuntimeLayer, RuntimeSource, RuntimeValue, RuntimeValues};
use ripstop_yaml::{Problems, Source, parse};

use crate::binder::bind;
use crate::decode::config_source::{ConfigOrigin, origin};
use crate::decode::runtime_layer::{flatten, share};
use crate::pb;
use crate::pb::runtime_layer::LayerSpecifier;
use crate::pb::value::Kind;
use crate::place::{Place, below};
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
                let mut tell = |path: &str, message: String| place.error(path, message);
                flatten(&mut tell, &format!("{path}.static_layer"), "", values, &mut flat);
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
            Some(LayerSpecifier::RtdsLayer(wire)) => {
                let name = if wire.name.is_empty() { layer.name.as_str() } else { wire.name.as_str() };
                let file = match origin(wire.rtds_config.as_ref()) {
                    Ok(ConfigOrigin::Ads) => None,
                    Ok(ConfigOrigin::File(file)) => Some(file),
                    Err((field, reason)) => {
                        place.error(
                            &below(&format!("{path}.rtds_layer.rtds_config"), field),
                            reason.to_owned(),
                        );
                        continue;
                    }
                };
                RuntimeSource::Discovery { name: name.into(), file }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_as_yaml() {
        use ripstop_model::Percent;
        assert_eq!(runtime_value("7").number, Some(7.0));
        assert_eq!(runtime_value("true").switch, Some(true));
        let share = runtime_value("{numerator: 3, denominator: MILLION}");
        assert_eq!(share.share, Some(Percent::per_million(3)));
        assert_eq!(share.text, "{numerator: 3, denominator: MILLION}");
        assert_eq!(runtime_value("hello: [").text, "hello: [");
        assert_eq!(runtime_value("").number, None);
    }
}
