//! Destination rules and peer authentications against services and each other.

use std::collections::BTreeMap;
use std::sync::Arc;

use ripstop_model::Name;
use ripstop_yaml::Problem;

use crate::resource::{DestinationRule, PeerAuthentication, TrafficPolicy};
use crate::world::check::with_services;
use crate::world::{Instance, World, host};

pub(super) fn check(world: &World, problems: &mut Vec<Problem>) {
    let mut by_host: BTreeMap<(&Name, Name), Vec<&DestinationRule>> = BTreeMap::new();
    for rule in world.destination_rules() {
        let namespace = rule.meta.namespace();
        let full_name = world.full_name(&rule.host, namespace);
        let covers_one = world.callees().any(|callee| host::covers(&full_name, &callee.host));
        if !covers_one {
            let message = format!("`{}` names no service, so the rule has no effect", rule.host);
            let problem = rule.meta.origin.warning(message).with_code("unknown-host");
            problems.push(with_services(world, problem, &rule.host, namespace));
        }
        // Rules that reach alike are joined; what both say is what the earlier one says.
        let same = by_host.entry((namespace, full_name)).or_default();
        let reaches_alike =
            |other: &&&DestinationRule| other.selector == rule.selector && other.export_to == rule.export_to;
        for other in same.iter().filter(reaches_alike) {
            contradiction(rule, other, problems);
        }
        same.push(rule);
    }
    check_peer_authentications(world, problems);
}

/// What a rule says in vain, because an earlier one for the same host says it already.
fn contradiction(rule: &DestinationRule, other: &DestinationRule, problems: &mut Vec<Problem>) {
    let help = format!("the other is at {}; remove one of them", other.meta.origin.place());
    let mut warn = |what: String| {
        let message = format!("DestinationRule {} has {what} already, which holds", other.meta.key);
        problems.push(rule.meta.origin.warning(message).with_help(help.clone()).with_code("conflict"));
    };
    let none = TrafficPolicy::default();
    if rule.policy != none && other.policy != none {
        warn("a trafficPolicy for this host".to_owned());
    }
    for subset in &rule.subsets {
        if other.subsets.iter().any(|known| known.name == subset.name) {
            warn(format!("the subset `{}` of this host", subset.name));
        }
    }
}

fn check_peer_authentications(world: &World, problems: &mut Vec<Problem>) {
    let mut whole: BTreeMap<&Name, &PeerAuthentication> = BTreeMap::new();
    for policy in world.peer_authentications() {
        let namespace = policy.meta.namespace();
        let Some(selector) = &policy.selector else {
            if let Some(other) = whole.get(namespace) {
                let message =
                    format!("PeerAuthentication {} is already there for all of {namespace}", other.meta.key);
                let help = format!("it is at {} and holds; remove one", other.meta.origin.place());
                problems.push(policy.meta.origin.warning(message).with_help(help).with_code("conflict"));
            } else {
                whole.insert(namespace, policy);
            }
            continue;
        };
        let selects = |instance: &&Arc<Instance>| {
            instance.workload.meta.namespace() == namespace && instance.workload.meta.has_labels(selector)
        };
        if !world.instances().any(|instance| selects(&instance)) {
            let message = format!("PeerAuthentication {} selects no workload", policy.meta.key);
            problems.push(policy.meta.origin.warning(message).with_code("unused"));
        }
    }
}
