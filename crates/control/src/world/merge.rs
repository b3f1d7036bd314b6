//! Destination rules for one host that are written in several documents, as Istio merges them: subsets come from all of
//! them, everything else from the first that has it.

use std::collections::BTreeMap;
use std::sync::Arc;

use ripstop_model::Name;

use crate::resource::{DestinationRule, TrafficPolicy};
use crate::world::World;
use crate::world::host_index::HostIndex;

/// The rules that hold, by host.
pub(super) fn destination_rules(world: &World) -> HostIndex<DestinationRule> {
    let mut merged: Vec<(Name, Arc<DestinationRule>)> = Vec::new();
    let mut places: BTreeMap<(Name, Name), Vec<usize>> = BTreeMap::new();
    for rule in world.destination_rules.iter() {
        let namespace = rule.meta.namespace();
        let host = world.full_name(&rule.host, namespace);
        let same = places.entry((namespace.clone(), host.clone())).or_default();
        let reaches_alike = |place: &&usize| {
            let other = &merged[**place].1;
            other.selector == rule.selector && other.export_to == rule.export_to
        };
        match same.iter().find(reaches_alike) {
            Some(place) => join(Arc::make_mut(&mut merged[*place].1), rule),
            None => {
                same.push(merged.len());
                merged.push((host, Arc::clone(rule)));
            }
        }
    }
    let mut index = HostIndex::default();
    for (host, rule) in merged {
        index.insert(host, rule);
    }
    index
}

fn join(first: &mut DestinationRule, more: &DestinationRule) {
    if first.policy == TrafficPolicy::default() {
        first.policy = more.policy.clone();
    }
    for subset in &more.subsets {
        if !first.subsets.iter().any(|known| known.name == subset.name) {
            first.subsets.push(subset.clone());
        }
    }
}
