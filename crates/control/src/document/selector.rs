//! Reads the selectors of policies.

use ripstop_yaml::Reader;

use crate::document::common::labels;
use crate::resource::Labels;

/// `selector.matchLabels`. A selector that asks for nothing is none, as in Istio.
pub(super) fn match_labels(spec: &Reader<'_>, key: &str) -> Option<Labels> {
    let reader = spec.map(key)?;
    let labels = labels(&reader, "matchLabels");
    reader.finish();
    Some(labels).filter(|labels| !labels.is_empty())
}

/// The selector of a policy that may also name gateways of the Gateway API, which are not known here.
pub(super) fn of_policy(spec: &Reader<'_>) -> Option<Labels> {
    for key in ["targetRef", "targetRefs"] {
        spec.known_but_unsupported(key, "it applies by `selector` only");
    }
    match_labels(spec, "selector")
}

/// `workloadSelector.labels`.
pub(super) fn workload_labels(spec: &Reader<'_>) -> Option<Labels> {
    let reader = spec.map("workloadSelector")?;
    let labels = labels(&reader, "labels");
    reader.finish();
    Some(labels).filter(|labels| !labels.is_empty())
}
