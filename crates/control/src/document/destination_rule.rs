//! Reads `DestinationRule`. Its policies are read by `traffic_policy`.

use ripstop_yaml::{Field, Reader};

use crate::document::common::{Decoder, host, label, labels};
use crate::document::export_to::export_to;
use crate::document::{selector, traffic_policy};
use crate::resource::{DestinationRule, Metadata, Subset};

pub(super) fn decode(decoder: &Decoder<'_>, spec: &Reader<'_>, meta: Metadata) -> Option<DestinationRule> {
    let host = spec.required("host").and_then(|field| host(&field, true));
    let policy =
        spec.map("trafficPolicy").map(|reader| traffic_policy::decode(decoder, reader)).unwrap_or_default();
    let mut subsets: Vec<Subset> = Vec::new();
    for field in spec.list("subsets") {
        let Some(subset) = subset(decoder, &field) else { continue };
        if subsets.iter().any(|other| other.name == subset.name) {
            field.error(format!("another subset is called `{}`", subset.name));
        }
        subsets.push(subset);
    }
    let selector = selector::match_labels(spec, "workloadSelector");
    let export_to = export_to(spec, meta.namespace());
    Some(DestinationRule { meta, host: host?, policy, subsets, selector, export_to })
}

fn subset(decoder: &Decoder<'_>, field: &Field<'_>) -> Option<Subset> {
    let reader = field.map()?;
    let name = reader.required("name").and_then(|field| label(&field));
    let labels = labels(&reader, "labels");
    let policy =
        reader.map("trafficPolicy").map(|reader| traffic_policy::decode(decoder, reader)).unwrap_or_default();
    let origin = decoder.origin(&reader);
    reader.finish();
    Some(Subset { name: name?, labels, policy, origin })
}
