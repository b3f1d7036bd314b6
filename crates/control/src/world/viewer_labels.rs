//! Which labels of a caller anybody looks at: most have none that matter, so that what one is told can be told to others.

use std::collections::BTreeSet;

use ripstop_model::Name;

use crate::resource::{LoadBalancer, Profile, TrafficPolicy};
use crate::world::World;

/// The labels in a world.
pub(super) fn of(world: &World) -> BTreeSet<Name> {
    let mut labels = BTreeSet::new();
    for vs in world.virtual_services() {
        let http = vs.http.iter().flat_map(|rule| &rule.matches).map(|matched| &matched.source_labels);
        let tls =
            vs.tls.iter().flat_map(|rule| &rule.matches).map(|matched| &matched.connection.source_labels);
        let tcp = vs.tcp.iter().flat_map(|rule| &rule.matches).map(|matched| &matched.source_labels);
        labels.extend(http.chain(tls).chain(tcp).flat_map(|selector| selector.keys()).cloned());
    }
    for rule in world.destination_rules() {
        labels.extend(rule.selector.iter().flat_map(|selector| selector.keys()).cloned());
        of_policy(&rule.policy, &mut labels);
        rule.subsets.iter().for_each(|subset| of_policy(&subset.policy, &mut labels));
    }
    let of_services = world.services().filter_map(|service| service.defaults.as_ref());
    let profile = world.mesh().profile.map(Profile::defaults);
    for defaults in of_services.chain(&world.mesh().defaults).chain(&profile) {
        of_balancer(defaults.load_balancer.as_ref(), &mut labels);
    }
    labels
}

fn of_policy(policy: &TrafficPolicy, labels: &mut BTreeSet<Name>) {
    for policy in policy.ports.values().chain([policy]) {
        of_balancer(policy.load_balancer.as_ref(), labels);
    }
}

/// Priorities go by what a caller and an instance have in common.
fn of_balancer(balancer: Option<&LoadBalancer>, labels: &mut BTreeSet<Name>) {
    let setting = balancer.and_then(|balancer| balancer.locality.as_ref());
    let priorities = setting.into_iter().flat_map(|setting| &setting.failover_priority);
    labels.extend(priorities.map(|label| Name::from(label.split('=').next().unwrap_or(label))));
}
