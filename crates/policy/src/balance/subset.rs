//! Which hosts a request may go to when it asks for labels. Envoy's subset load balancer.

use std::collections::HashSet;
use std::sync::Arc;

use ripstop_model::Name;
use ripstop_model::load_balancing::{Labels, SubsetFallback, SubsetSelector, Subsets};

use crate::host::HostEntry;

/// The hosts that a request may go to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Chosen {
    /// All.
    Any,
    /// Those with these labels.
    With(Labels),
    /// None.
    Nothing,
}

/// What a request that asks for `wanted` may get. `exists` says whether any host has the labels.
pub(super) fn choose(subsets: &Subsets, wanted: &Labels, exists: impl Fn(&Labels) -> bool) -> Chosen {
    let mut wanted = wanted.clone();
    // Each step asks for fewer labels, so there are not more than there are labels.
    for _ in 0..=wanted.len() {
        let selector = subsets.selectors.iter().find(|selector| selector.keys.iter().eq(wanted.keys()));
        let Some(selector) = selector else { break };
        if exists(&wanted) {
            return Chosen::With(wanted);
        }
        match selector.fallback.unwrap_or(subsets.fallback) {
            SubsetFallback::Keys => wanted = fewer(&wanted, selector),
            other => return fall_back(subsets, other),
        }
    }
    fall_back(subsets, subsets.fallback)
}

fn fewer(wanted: &Labels, selector: &SubsetSelector) -> Labels {
    let kept = |(name, _): &(&Name, &Name)| selector.fallback_keys.contains(name);
    wanted.iter().filter(kept).map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn fall_back(subsets: &Subsets, fallback: SubsetFallback) -> Chosen {
    match fallback {
        SubsetFallback::Any => Chosen::Any,
        SubsetFallback::Default => Chosen::With(subsets.default_subset.clone()),
        SubsetFallback::Nothing | SubsetFallback::Keys => Chosen::Nothing,
    }
}

/// Every combination of labels that a selector can find hosts by.
pub(super) fn present(subsets: &Subsets, entries: &[Arc<HostEntry>]) -> HashSet<Labels> {
    let of = |selector: &SubsetSelector, entry: &Arc<HostEntry>| -> Option<Labels> {
        let labels = &entry.endpoint.extra().labels;
        selector.keys.iter().map(|key| Some((key.clone(), labels.get(key)?.clone()))).collect()
    };
    let of_selector = |selector| entries.iter().filter_map(move |entry| of(selector, entry));
    subsets.selectors.iter().flat_map(of_selector).collect()
}

/// Whether a host has all of the labels.
pub(super) fn has(entry: &Arc<HostEntry>, labels: &Labels) -> bool {
    labels.iter().all(|(name, value)| entry.endpoint.extra().labels.get(name) == Some(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(text: &str) -> Labels {
        text.split_terminator(' ')
            .filter_map(|pair| pair.split_once('='))
            .map(|(k, v)| (k.into(), v.into()))
            .collect()
    }

    fn selector(keys: &str, fallback: Option<SubsetFallback>, fallback_keys: &str) -> SubsetSelector {
        let names = |text: &str| text.split_terminator(' ').map(Name::from).collect();
        SubsetSelector { keys: names(keys), fallback, fallback_keys: names(fallback_keys) }
    }

    /// Hosts have `stage=prod version=1` and `stage=dev version=2`.
    fn check(wanted: &str, fallback: SubsetFallback, expected: Chosen) {
        let subsets = Subsets {
            selectors: vec![
                selector("stage", None, ""),
                selector("stage version", Some(SubsetFallback::Keys), "stage"),
                selector("version", Some(SubsetFallback::Nothing), ""),
            ],
            fallback,
            default_subset: labels("stage=prod"),
        };
        let hosts = [labels("stage=prod version=1"), labels("stage=dev version=2")];
        let exists = |wanted: &Labels| {
            hosts.iter().any(|host| wanted.iter().all(|(name, value)| host.get(name) == Some(value)))
        };
        assert_eq!(choose(&subsets, &labels(wanted), exists), expected, "{wanted}");
    }

    #[test]
    fn labels_select_or_fall_back() {
        use SubsetFallback::{Any, Default, Nothing};
        check("stage=dev", Nothing, Chosen::With(labels("stage=dev")));
        check("stage=prod version=1", Nothing, Chosen::With(labels("stage=prod version=1")));
        check("stage=prod version=2", Nothing, Chosen::With(labels("stage=prod")));
        check("stage=none version=2", Any, Chosen::Any);
        check("version=9", Any, Chosen::Nothing);
        check("stage=none", Default, Chosen::With(labels("stage=prod")));
        check("zone=a", Nothing, Chosen::Nothing);
        check("", Any, Chosen::Any);
    }
}
