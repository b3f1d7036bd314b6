//! Gateways against each other and against the virtual services that are bound to them.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ripstop_yaml::Problem;

use crate::resource::{Gateway, GatewayRef, GatewayServer, ServerProtocol, VirtualService, Workload};
use crate::world::{World, host};

pub(super) fn check(world: &World, problems: &mut Vec<Problem>) {
    for instance in world.instances().filter(|instance| instance.workload.gateway.is_some()) {
        servers(world, &instance.workload, problems);
    }
    for vs in world.virtual_services() {
        for gateway in vs.gateways.iter().filter_map(|one| of(world, one)) {
            served(world, vs, gateway, problems);
        }
    }
}

fn of<'a>(world: &'a World, gateway: &GatewayRef) -> Option<&'a Gateway> {
    match gateway {
        GatewayRef::Mesh => None,
        GatewayRef::Gateway(key) => world.gateways().find(|one| one.meta.key == *key).map(|one| &**one),
    }
}

/// A server, and the gateway that it is part of.
type Served<'a> = (&'a Gateway, &'a GatewayServer);

/// Servers of one workload on one port.
fn servers(world: &World, workload: &Workload, problems: &mut Vec<Problem>) {
    let mut ports: BTreeMap<(Option<IpAddr>, u16), Vec<Served<'_>>> = BTreeMap::new();
    for gateway in world.gateways_served_by(&workload.meta.labels) {
        for server in &gateway.servers {
            let earlier = ports.entry((server.bind, server.port)).or_default();
            for (other_gateway, other) in earlier.iter() {
                compare(gateway, server, other_gateway, other, problems);
            }
            earlier.push((gateway, server));
        }
    }
}

fn compare(
    gateway: &Gateway,
    server: &GatewayServer,
    other_gateway: &Gateway,
    other: &GatewayServer,
    problems: &mut Vec<Problem>,
) {
    let whose = if gateway.meta.key == other_gateway.meta.key {
        "the same Gateway".to_owned()
    } else {
        format!("Gateway {}", other_gateway.meta.key)
    };
    let is_tls = |protocol| matches!(protocol, ServerProtocol::Https | ServerProtocol::Tls);
    let clash = is_tls(server.protocol) != is_tls(other.protocol)
        || (server.protocol == ServerProtocol::Tcp) != (other.protocol == ServerProtocol::Tcp);
    if clash {
        let message = format!(
            "port {} is {} here and {} in {whose} ({})",
            server.port,
            word(server.protocol),
            word(other.protocol),
            other.origin.place()
        );
        problems.push(server.origin.error(message).with_code("gateway-port-clash"));
        return;
    }
    if !is_tls(server.protocol) {
        // Servers in plaintext share their hosts.
        return;
    }
    for one in &server.hosts {
        if other.hosts.iter().any(|taken| taken.host == one.host) {
            let message = format!(
                "TLS for `{}` on port {} is ended by {whose} already ({})",
                one.host,
                server.port,
                other.origin.place()
            );
            problems.push(server.origin.warning(message).with_code("gateway-host-clash"));
        }
    }
}

fn word(protocol: ServerProtocol) -> &'static str {
    match protocol {
        ServerProtocol::Http => "plaintext HTTP",
        ServerProtocol::Https => "HTTPS",
        ServerProtocol::Tls => "TLS",
        ServerProtocol::Tcp => "TCP",
    }
}

/// A virtual service that a gateway has, and whether anything of it can happen there.
fn served(world: &World, vs: &VirtualService, gateway: &Gateway, problems: &mut Vec<Problem>) {
    let namespace = vs.meta.namespace();
    let meets = |server: &&GatewayServer| {
        let allowed = |one: &&crate::resource::GatewayHost| {
            one.namespace.as_ref().is_none_or(|allowed| allowed == namespace)
        };
        vs.hosts.iter().any(|(name, _)| {
            let name = world.full_name(name, namespace);
            server.hosts.iter().filter(allowed).any(|one| host::intersection(&one.host, &name).is_some())
        })
    };
    let meeting: Vec<&GatewayServer> = gateway.servers.iter().filter(meets).collect();
    let origin = vs.hosts.first().map_or(&vs.meta.origin, |(_, origin)| origin);
    if meeting.is_empty() {
        if !gateway.servers.is_empty() {
            let message = format!("Gateway {} serves none of these hosts", gateway.meta.key);
            problems.push(origin.warning(message).with_code("unserved-host"));
        }
        return;
    }
    let speaks = |wanted: &[ServerProtocol]| meeting.iter().any(|server| wanted.contains(&server.protocol));
    let http = speaks(&[ServerProtocol::Http, ServerProtocol::Https]);
    let passes = meeting.iter().any(|server| server.tls.as_ref().is_some_and(|tls| !tls.mode.terminates()));
    let bytes = meeting.iter().any(|server| match server.protocol {
        ServerProtocol::Tcp => true,
        ServerProtocol::Tls => server.tls.as_ref().is_some_and(|tls| tls.mode.terminates()),
        _ => false,
    });
    // Of a service with rules of several kinds, each is for a port of its own.
    let kinds = [
        (!vs.http.is_empty(), http, "http"),
        (!vs.tls.is_empty(), passes, "tls"),
        (!vs.tcp.is_empty(), bytes, "tcp"),
    ];
    if kinds.iter().any(|(has, takes, _)| *has && *takes) || vs.applies_to_mesh() {
        return;
    }
    if let Some((.., kind)) = kinds.iter().find(|(has, ..)| *has) {
        let message = format!(
            "Gateway {} serves these hosts on ports where `{kind}` rules mean nothing",
            gateway.meta.key
        );
        let help = match (http, passes) {
            (true, _) => "write `http` rules",
            (_, true) => "write `tls` rules, or end TLS at the gateway",
            _ => "write `tcp` rules",
        };
        problems.push(origin.warning(message).with_help(help).with_code("protocol-mismatch"));
    }
}
