//! Subsets of the endpoints of a cluster ← wire.

use ripstop_model::Name;
use ripstop_model::load_balancing::{Labels, SubsetFallback, SubsetSelector, Subsets};

use super::common::Context;
use crate::pb;
use crate::pb::cluster::LbSubsetConfig;
use crate::pb::cluster::lb_subset_config::LbSubsetSelector;

pub(super) fn subsets(cx: &mut Context, wire: &LbSubsetConfig) -> Option<Subsets> {
    use pb::cluster::lb_subset_config::LbSubsetFallbackPolicy as Fallback;
    let fallback = match Fallback::try_from(wire.fallback_policy) {
        Ok(Fallback::NoFallback) => SubsetFallback::Nothing,
        Ok(Fallback::AnyEndpoint) => SubsetFallback::Any,
        Ok(Fallback::DefaultSubset) => SubsetFallback::Default,
        Err(_) => return cx.at("fallback_policy", |cx| cx.refuse("is not known")),
    };
    let unsupported = [
        ("scale_locality_weight", wire.scale_locality_weight),
        ("panic_mode_any", wire.panic_mode_any),
        ("list_as_any", wire.list_as_any),
        ("metadata_fallback_policy", wire.metadata_fallback_policy != 0),
    ];
    for (field, _) in unsupported.iter().filter(|(_, set)| *set) {
        cx.at(field, |cx| cx.reject("is not supported: requests would go to other endpoints than meant"));
    }
    let default_subset = cx.at("default_subset", |cx| labels(cx, wire.default_subset.as_ref()));
    let selectors = cx.items("subset_selectors", &wire.subset_selectors, selector);
    // Envoy has no subsets without selectors.
    (!selectors.is_empty()).then_some(Subsets { selectors, fallback, default_subset })
}

fn selector(cx: &mut Context, wire: &LbSubsetSelector) -> Option<SubsetSelector> {
    use pb::cluster::lb_subset_config::lb_subset_selector::LbSubsetSelectorFallbackPolicy as Fallback;
    let fallback = match Fallback::try_from(wire.fallback_policy) {
        Ok(Fallback::NotDefined) => None,
        Ok(Fallback::NoFallback) => Some(SubsetFallback::Nothing),
        Ok(Fallback::AnyEndpoint) => Some(SubsetFallback::Any),
        Ok(Fallback::DefaultSubset) => Some(SubsetFallback::Default),
        Ok(Fallback::KeysSubset) => Some(SubsetFallback::Keys),
        Err(_) => return cx.at("fallback_policy", |cx| cx.refuse("is not known")),
    };
    if wire.single_host_per_subset {
        cx.at("single_host_per_subset", |cx| cx.warn("has no effect: a subset may have many endpoints"));
    }
    let (keys, fallback_keys) = (sorted(&wire.keys), sorted(&wire.fallback_keys_subset));
    if keys.is_empty() {
        return cx.at("keys", |cx| cx.refuse("a selector needs at least one key"));
    }
    let fewer = fallback_keys.len() < keys.len() && fallback_keys.iter().all(|key| keys.contains(key));
    if fallback == Some(SubsetFallback::Keys) && (fallback_keys.is_empty() || !fewer) {
        return cx.at("fallback_keys_subset", |cx| cx.refuse("must be some, not all, of the keys"));
    }
    if fallback != Some(SubsetFallback::Keys) && !fallback_keys.is_empty() {
        return cx.at("fallback_keys_subset", |cx| cx.refuse("is for the fallback KEYS_SUBSET only"));
    }
    Some(SubsetSelector { keys, fallback, fallback_keys })
}

fn sorted(keys: &[String]) -> Vec<Name> {
    let mut keys: Vec<Name> = keys.iter().map(|key| key.as_str().into()).collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

/// Labels that are text; labels of endpoints are nothing else.
pub(super) fn labels(cx: &mut Context, wire: Option<&pb::Struct>) -> Labels {
    let mut labels = Labels::new();
    for (name, value) in wire.into_iter().flat_map(|wire| &wire.fields) {
        match &value.kind {
            Some(pb::value::Kind::StringValue(text)) => {
                labels.insert(name.as_str().into(), text.as_str().into());
            }
            _ => {
                cx.at(name, |cx| cx.reject("is not text; only text is compared with the labels of endpoints"))
            }
        }
    }
    labels
}
