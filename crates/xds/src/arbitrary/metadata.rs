//! Metadata, at random.

use std::collections::BTreeMap;
use std::sync::Arc;

use fastrand::Rng;
use ripstop_model::Name;
use ripstop_model::format::json::JsonNumber;
use ripstop_model::metadata::{Metadata, MetadataValue};

use super::{list, name};

/// Some, or none.
pub(super) fn metadata(rng: &mut Rng) -> Option<Arc<Metadata>> {
    let all: Metadata =
        list(rng, 2, |rng| (format!("n.{}", name(rng)).into(), object(rng, 2))).into_iter().collect();
    (!all.is_empty()).then(|| Arc::new(all))
}

fn object(rng: &mut Rng, depth: u8) -> BTreeMap<Name, MetadataValue> {
    list(rng, 3, |rng| (name(rng), value(rng, depth))).into_iter().collect()
}

fn value(rng: &mut Rng, depth: u8) -> MetadataValue {
    match rng.u8(0..if depth > 0 { 6 } else { 4 }) {
        0 => MetadataValue::Null,
        1 => MetadataValue::Bool(rng.bool()),
        2 => JsonNumber::new(rng.f64()).map_or(MetadataValue::Null, MetadataValue::Number),
        3 => MetadataValue::Text(name(rng)),
        4 => MetadataValue::List(list(rng, 3, |rng| value(rng, depth - 1))),
        _ => MetadataValue::Object(object(rng, depth - 1)),
    }
}
