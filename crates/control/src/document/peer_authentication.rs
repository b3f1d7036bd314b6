//! Reads `PeerAuthentication`.

use std::collections::BTreeMap;

use ripstop_yaml::{Field, Reader};

use crate::document::selector;
use crate::resource::{Metadata, MtlsMode, PeerAuthentication};

const MODES: [(&str, Option<MtlsMode>); 4] = [
    ("UNSET", None),
    ("STRICT", Some(MtlsMode::Strict)),
    ("PERMISSIVE", Some(MtlsMode::Permissive)),
    ("DISABLE", Some(MtlsMode::Disable)),
];

pub(super) fn decode(spec: &Reader<'_>, meta: Metadata) -> PeerAuthentication {
    let selector = selector::of_policy(spec);
    let mode = spec.field("mtls").and_then(|field| mode(&field));
    let mut ports = BTreeMap::new();
    for (key, field) in spec.field("portLevelMtls").map(|field| field.entries()).unwrap_or_default() {
        match key.parse::<u16>() {
            Ok(port) if port != 0 => {
                ports.insert(port, self::mode(&field));
            }
            _ => field
                .error_with_help(format!("`{key}` is not a port"), "write the number of an application port"),
        }
    }
    if !ports.is_empty() && selector.is_none() {
        spec.error_with_help(
            "portLevelMtls",
            "ports can only be told apart for chosen workloads",
            "add `selector.matchLabels`",
        );
    }
    PeerAuthentication { meta, selector, mode, ports }
}

fn mode(field: &Field<'_>) -> Option<MtlsMode> {
    let reader = field.map()?;
    let mode = reader.one_of("mode", &MODES).flatten();
    reader.finish();
    mode
}
