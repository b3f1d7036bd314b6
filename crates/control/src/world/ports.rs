//! Who listens where: every port that the mesh opens, by machine, so that two cannot want the same.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use ripstop_yaml::Problem;

use crate::resource::{Origin, Workload};
use crate::world::{Instance, World};

/// Proxies open their own ports (admin, outbound, upstreams) here.
pub const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Who wants a port, and where that was written.
struct Claim {
    ip: IpAddr,
    port: u16,
    owner: String,
    origin: Origin,
}

/// The machine that an address is of. All loopback addresses are on one machine, `None`; any other address is taken to be a
/// machine of its own.
pub(super) fn machine(address: IpAddr) -> Option<IpAddr> {
    Some(address).filter(|ip| !ip.is_loopback())
}

/// Reports every port that two want on one machine.
pub(super) fn check(world: &World, problems: &mut Vec<Problem>) {
    for machine in machines(world) {
        check_machine(world, machine, problems);
    }
}

/// The same for one machine.
pub(super) fn check_machine(world: &World, machine: Option<IpAddr>, problems: &mut Vec<Problem>) {
    let mut claims = of_control_plane(world, machine);
    let here = world.by_machine.get(&machine).map(|keys| keys.as_slice()).unwrap_or_default();
    for instance in here.iter().filter_map(|key| world.instance(key)) {
        claims.extend(claims_of(world, instance));
    }
    clashes(&claims, problems);
}

/// Every machine on which somebody wants a port.
fn machines(world: &World) -> BTreeSet<Option<IpAddr>> {
    let control = &world.mesh().control;
    let workloads = world.instances().map(|instance| instance.workload.address);
    workloads.chain([control.xds.ip(), control.api.ip()]).map(machine).collect()
}

fn of_control_plane(world: &World, on: Option<IpAddr>) -> Vec<Claim> {
    let mesh = world.mesh();
    let doors = [(mesh.control.xds, "xDS"), (mesh.control.api, "API")];
    let here = doors.into_iter().filter(|(address, _)| machine(address.ip()) == on);
    let claim = |(address, what): (SocketAddr, &str)| Claim {
        ip: address.ip(),
        port: address.port(),
        owner: format!("the {what} of the control plane"),
        origin: mesh.meta.origin.clone(),
    };
    here.map(claim).collect()
}

fn clashes(claims: &[Claim], problems: &mut Vec<Problem>) {
    let mut taken: BTreeMap<u16, Vec<&Claim>> = BTreeMap::new();
    for claim in claims {
        let others = taken.entry(claim.port).or_default();
        let overlap =
            |other: &&&Claim| other.ip == claim.ip || other.ip.is_unspecified() || claim.ip.is_unspecified();
        if let Some(other) = others.iter().find(overlap) {
            let message = format!(
                "port {} of {} is wanted by {} and by {}",
                claim.port, claim.ip, claim.owner, other.owner
            );
            let help = format!("the other: {}; give one of them another port", other.origin.place());
            problems.push(claim.origin.error(message).with_help(help).with_code("port-clash"));
        }
        others.push(claim);
    }
}

fn claims_of(world: &World, instance: &Arc<Instance>) -> Vec<Claim> {
    let workload = &instance.workload;
    let address = workload.address;
    let mut claims = Vec::new();
    let mut add = |ip: IpAddr, port: u16, what: &str, origin: &Origin| {
        let owner = format!("{what} of workload {}", instance.key());
        claims.push(Claim { ip, port, owner, origin: origin.clone() });
    };
    for (name, port) in &workload.ports {
        add(address, port.app, &format!("the application port {name}"), &port.origin);
        if let Some(sidecar) = port.sidecar {
            add(address, sidecar, &format!("the sidecar port {name}"), &port.origin);
        }
    }
    if let Some(sidecar) = &workload.sidecar {
        add(LOOPBACK, sidecar.admin, "the sidecar's admin port", &sidecar.origin);
        if let Some(outbound) = sidecar.outbound {
            add(LOOPBACK, outbound, "the outbound port", &sidecar.origin);
        }
        for upstream in &sidecar.upstreams {
            add(LOOPBACK, upstream.local_port, &format!("the upstream {}", upstream.host), &upstream.origin);
        }
    }
    if let Some(gateway) = &workload.gateway {
        add(LOOPBACK, gateway.admin, "the admin port", &gateway.origin);
        for (port, origin) in gateway_ports(world, workload) {
            add(address, port, "the gateway port", &origin);
        }
    }
    claims
}

/// The ports that a gateway workload opens, each once however many servers share it.
fn gateway_ports(world: &World, workload: &Workload) -> BTreeMap<u16, Origin> {
    let mut ports = BTreeMap::new();
    for gateway in world.gateways_served_by(&workload.meta.labels) {
        for server in &gateway.servers {
            ports.entry(server.port).or_insert_with(|| server.origin.clone());
        }
    }
    ports
}
