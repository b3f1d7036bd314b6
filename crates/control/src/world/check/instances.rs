//! Workloads against the services that they are instances of and those that they call.

use ripstop_yaml::Problem;

use crate::resource::{ObjectKey, SidecarRole, Workload};
use crate::world::check::{with_candidates, with_services};
use crate::world::{Instance, World};

pub(super) fn check(world: &World, problems: &mut Vec<Problem>) {
    for instance in world.instances() {
        let workload = &instance.workload;
        check_one(world, instance, problems);
        if workload.gateway.is_some() && world.gateways_served_by(&workload.meta.labels).next().is_none() {
            let message =
                format!("no Gateway selects the gateway workload {}, so nothing listens", instance.key());
            problems.push(workload.meta.origin.warning(message).with_code("unused"));
        }
    }
    for service in world.services() {
        if world.instances_of(&service.meta.key).is_empty() {
            let message = format!("no workload is an instance of service {}", service.meta.key);
            problems.push(service.meta.origin.warning(message).with_code("no-endpoints"));
        }
    }
}

/// A workload against the services that it names.
pub(in crate::world) fn check_one(world: &World, instance: &Instance, problems: &mut Vec<Problem>) {
    let workload = &instance.workload;
    check_service(world, workload, problems);
    if let Some(sidecar) = &workload.sidecar {
        check_upstreams(world, workload, sidecar, problems);
    }
}

fn check_service(world: &World, workload: &Workload, problems: &mut Vec<Problem>) {
    let Some(name) = &workload.service else { return };
    let namespace = workload.meta.namespace();
    let Some(service) = world.service(&ObjectKey::new(namespace.clone(), name.clone())) else {
        let message = format!(
            "workload {} is an instance of service {namespace}/{name}, which is not there",
            workload.meta.key
        );
        let problem = workload.meta.origin.error(message).with_code("unknown-service");
        problems.push(with_services(world, problem, name, namespace));
        return;
    };
    for (port_name, port) in &workload.ports {
        if service.port_named(port_name).is_none() {
            let message = format!("service {namespace}/{name} has no port `{port_name}`");
            let names = service.ports.iter().map(|port| &*port.name);
            let problem = port.origin.error(message).with_code("unknown-port");
            problems.push(with_candidates(problem, port_name, names));
        }
    }
    for port in service.ports.iter().filter(|port| !workload.ports.contains_key(&port.name)) {
        let message = format!(
            "workload {} has no port `{}`, so it gets no traffic for port {} of service {namespace}/{name}",
            workload.meta.key, port.name, port.port
        );
        problems.push(workload.meta.origin.warning(message).with_code("no-endpoints"));
    }
}

fn check_upstreams(world: &World, workload: &Workload, sidecar: &SidecarRole, problems: &mut Vec<Problem>) {
    let namespace = workload.meta.namespace();
    for upstream in &sidecar.upstreams {
        let Some(callee) = world.callee(&upstream.host, namespace) else {
            let message = format!("upstream `{}` names no service", upstream.host);
            let problem = upstream.origin.error(message).with_code("unknown-service");
            problems.push(with_services(world, problem, &upstream.host, namespace));
            continue;
        };
        let numbers: Vec<String> = callee.ports.iter().map(|port| port.port.to_string()).collect();
        let entry = |number: &String| format!("`{}:{number}: {}`", upstream.host, upstream.local_port);
        let help = format!("write {}", numbers.iter().map(entry).collect::<Vec<_>>().join(" or "));
        match upstream.port {
            None if numbers.len() > 1 => {
                let message = format!("{callee} has the ports {}", numbers.join(", "));
                problems.push(upstream.origin.error(message).with_help(help).with_code("unknown-port"));
            }
            Some(port) if callee.port(port).is_none() => {
                let message = format!("{callee} has no port {port}");
                problems.push(upstream.origin.error(message).with_help(help).with_code("unknown-port"));
            }
            _ => {}
        }
    }
}
