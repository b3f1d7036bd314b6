//! Virtual services and gateways against services, subsets and each other.

use std::collections::BTreeMap;

use ripstop_model::Name;
use ripstop_yaml::Problem;

use crate::resource::{Destination, GatewayRef, HttpAction, HttpRoute, Origin, VirtualService};
use crate::world::check::{shadow, with_candidates, with_services};
use crate::world::{Callee, World, host};

pub(super) fn check(world: &World, problems: &mut Vec<Problem>) {
    let mut mesh_hosts: BTreeMap<Name, &VirtualService> = BTreeMap::new();
    for vs in world.virtual_services() {
        check_hosts(world, vs, &mut mesh_hosts, problems);
        check_gateways(world, vs, problems);
        for route in &vs.http {
            check_route(world, vs, route, problems);
        }
        let connections = vs.tls.iter().map(|rule| (&rule.origin, &rule.route));
        for (origin, route) in connections.chain(vs.tcp.iter().map(|rule| (&rule.origin, &rule.route))) {
            check_weights(origin, route.iter().map(|one| one.weight), problems);
            for one in route {
                check_destination(world, vs.meta.namespace(), &one.destination, problems);
            }
        }
        shadow::check(vs, problems);
    }
    for sidecar in world.sidecars() {
        if let Some(to) = &sidecar.egress_proxy {
            check_destination(world, sidecar.meta.namespace(), to, problems);
        }
    }
    for gateway in world.gateways() {
        let served = world.instances().any(|instance| {
            instance.workload.gateway.is_some() && instance.workload.meta.has_labels(&gateway.selector)
        });
        if !served {
            let message =
                format!("Gateway {} selects no gateway workload, so nothing listens", gateway.meta.key);
            problems.push(gateway.meta.origin.warning(message).with_code("unused"));
        }
    }
}

fn check_hosts<'a>(
    world: &World,
    vs: &'a VirtualService,
    mesh_hosts: &mut BTreeMap<Name, &'a VirtualService>,
    problems: &mut Vec<Problem>,
) {
    if !vs.applies_to_mesh() {
        return;
    }
    let namespace = vs.meta.namespace();
    for (pattern, origin) in &vs.hosts {
        let full_name = world.full_name(pattern, namespace);
        if let Some(other) = mesh_hosts.get(&full_name) {
            let message = format!("VirtualService {} already routes `{full_name}`", other.meta.key);
            let help = format!("it is at {} and holds; merge the two", other.meta.origin.place());
            problems.push(origin.warning(message).with_help(help).with_code("conflict"));
            continue;
        }
        mesh_hosts.insert(full_name.clone(), vs);
        // Any other host may well be one that only this rule knows.
        let looks_like_service = !pattern.starts_with('*') && host::service_key(pattern, namespace).is_some();
        if looks_like_service && world.callee(pattern, namespace).is_none() {
            let problem = origin.warning(format!("`{pattern}` names no service")).with_code("unknown-host");
            problems.push(with_services(world, problem, pattern, namespace));
        }
    }
}

fn check_gateways(world: &World, vs: &VirtualService, problems: &mut Vec<Problem>) {
    for gateway in &vs.gateways {
        let GatewayRef::Gateway(key) = gateway else { continue };
        if world.gateways.contains_key(key) {
            continue;
        }
        let origin = Origin { path: "spec.gateways".into(), ..vs.meta.origin.clone() };
        let problem = origin.warning(format!("there is no Gateway {key}")).with_code("unknown-gateway");
        let names = world.gateways.keys().filter(|other| other.namespace == key.namespace);
        problems.push(with_candidates(problem, &key.name, names.map(|key| &*key.name)));
    }
}

fn check_route(world: &World, vs: &VirtualService, route: &HttpRoute, problems: &mut Vec<Problem>) {
    let namespace = vs.meta.namespace();
    if let HttpAction::Route(destinations) = &route.action {
        check_weights(&route.origin, destinations.iter().map(|one| one.weight), problems);
        for one in destinations {
            check_destination(world, namespace, &one.destination, problems);
        }
    }
    for mirror in &route.mirrors {
        check_destination(world, namespace, &mirror.destination, problems);
    }
    if let HttpAction::Delegate(key) = &route.action
        && world.delegate(key, namespace).is_none()
    {
        let message =
            format!("there is no VirtualService {key} without hosts to delegate to; the rule does nothing");
        problems.push(route.origin.warning(message).with_code("unknown-delegate"));
    }
    let Some(timeout) = route.timeout.filter(|timeout| !timeout.is_zero()) else { return };
    let Some(retries) = &route.retries else { return };
    let Some(per_try) = retries.per_try_timeout else { return };
    let tries = retries.attempts.saturating_add(1);
    let all_tries = per_try.saturating_mul(tries);
    if all_tries > timeout {
        let message =
            format!("{tries} tries of {per_try:?} take {all_tries:?}, but the timeout is {timeout:?}");
        let help = "raise timeout, or lower attempts or perTryTimeout";
        problems.push(route.origin.warning(message).with_help(help).with_code("retries-exceed-timeout"));
    }
}

fn check_weights(origin: &Origin, weights: impl ExactSizeIterator<Item = u32>, problems: &mut Vec<Problem>) {
    let several = weights.len() > 1;
    let sum: u64 = weights.map(u64::from).sum();
    if several && sum != 100 {
        let message = format!("the weights add up to {sum}, not to 100; each is taken as a share of {sum}");
        problems.push(origin.warning(message).with_code("weights"));
    }
}

fn check_destination(world: &World, namespace: &str, to: &Destination, problems: &mut Vec<Problem>) {
    let Some(callee) = world.callee(&to.host, namespace) else {
        let message = format!("`{}` names no service; its share of the requests gets 503", to.host);
        let problem = to.origin.warning(message).with_code("unknown-host");
        problems.push(with_services(world, problem, &to.host, namespace));
        return;
    };
    match to.port {
        Some(port) if callee.port(port).is_none() => {
            let message = format!("{callee} has no port {port}; its share of the requests gets 503");
            problems.push(to.origin.warning(message).with_code("unknown-port"));
        }
        None if callee.ports.len() > 1 => {
            let message = format!("{callee} has several ports; write `port: {{number: …}}`");
            problems.push(to.origin.warning(message).with_code("ambiguous-port"));
        }
        _ => {}
    }
    if let Some(subset) = &to.subset {
        check_subset(world, namespace, callee, subset, &to.origin, problems);
    }
}

fn check_subset(
    world: &World,
    namespace: &str,
    callee: &Callee,
    subset: &str,
    origin: &Origin,
    problems: &mut Vec<Problem>,
) {
    let subsets = world.subsets_of(callee, namespace);
    let Some(defined) = subsets.iter().find(|one| &*one.name == subset) else {
        let key = callee.key();
        let message = format!(
            "no DestinationRule defines the subset `{subset}` of {key}; its share of the requests gets 503"
        );
        let problem = origin.warning(message).with_code("unknown-subset");
        problems.push(with_candidates(problem, subset, subsets.iter().map(|one| &*one.name)));
        return;
    };
    let key = callee.key();
    let members = callee.ports.iter().flat_map(|port| world.members(callee, port));
    if callee.entry().is_none() && !members.into_iter().any(|member| member.has_labels(&defined.labels)) {
        let message = format!(
            "no workload has the labels of the subset `{subset}` of {key}; its share of the requests gets 503"
        );
        problems.push(origin.warning(message).with_code("no-endpoints"));
    }
}
