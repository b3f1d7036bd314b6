//! Destination rules and peer authentications against services and each other.

use std::collections::BTreeMap;
use std::sync::Arc;

use ripstop_model::Name;
use ripstop_yaml::Problem;

use crate::resource::{DestinationRule, PeerAuthentication};
use crate::world::check::with_services;
use crate::world::{Instance, World, host};

pub(super) fn check(world: &World, problems: &mut Vec<Problem>) {
    let mut by_host: BTreeMap<(&Name, Name), &DestinationRule> = BTreeMap::new();
    for rule in world.destination_rules() {
        let namespace = rule.meta.namespace();
        let full_name = world.full_name(&rule.host, namespace);
        let covers_one =
            world.services().any(|service| host::covers(&full_name, &host::full_name(&service.meta.key)));
        if !covers_one {
            let message = format!("`{}` names no service, so the rule has no effect", rule.host);
            let problem = rule.meta.origin.warning(message).with_code("unknown-host");
            problems.push(with_services(world, problem, &rule.host, namespace));
        }
        if let Some(other) = by_host.get(&(namespace, full_name.clone())) {
            let message = format!("DestinationRule {} is already there for `{full_name}`", other.meta.key);
            let help = format!("it is at {} and holds; merge the two", other.meta.origin.place());
            problems.push(rule.meta.origin.warning(message).with_help(help).with_code("conflict"));
        } else {
            by_host.insert((namespace, full_name), rule);
        }
    }
    check_peer_authentications(world, problems);
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
