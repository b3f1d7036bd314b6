//! What a sidecar carries for its application: one listener that routes by host, a local port for each host that the
//! application calls by name, and the ports that a `Sidecar` document asks for.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use ripstop_model::chain_match::FilterChainMatch;
use ripstop_model::http_filter::HttpFilter;
use ripstop_model::http_manager::RouteSource;
use ripstop_model::listener::TrafficDirection;
use ripstop_model::listener_filter::{ListenerFilter, TlsInspector};
use ripstop_model::network_filter::TcpProxy;
use ripstop_model::upgrade::Upgrade;
use ripstop_model::{
    FilterChain, HttpConnectionManager, Listener, Name, NetworkFilter, RouteConfiguration, VirtualHost,
};

use super::place::Place;
use super::{Traffic, access_log, cluster_policy, l4, names, virtual_hosts};
use crate::resource::{AppProtocol, L4Match, SidecarRole, Upstream};
use crate::world::{Callee, LOOPBACK, Scope};

/// The routes of the listener that routes by host. Of a sidecar they depend on nothing but its namespace, the `Sidecar`
/// document for it, and those of its labels that anybody looks at.
pub(super) fn routes_by_host(scope: &Scope<'_>) -> RouteConfiguration {
    let hosts = virtual_hosts::outbound(scope, |namespace, host| scope.imports(namespace, host));
    RouteConfiguration::new(names::OUTBOUND_ROUTES, hosts)
}

/// The listeners of a sidecar for its application, and their routes but for [`routes_by_host`].
pub(super) fn traffic(scope: &Scope<'_>, sidecar: &SidecarRole) -> Traffic {
    let mut listeners = Vec::new();
    let mut routes: BTreeMap<Name, RouteConfiguration> = BTreeMap::new();
    if let Some(port) = sidecar.outbound {
        let address = SocketAddr::new(LOOPBACK, port);
        listeners.push(http_listener(scope, address, "outbound", names::OUTBOUND_ROUTES.into()));
    }
    for upstream in &sidecar.upstreams {
        // The world has been checked: a name here is one that can be called.
        let Some(callee) = scope.world.callee(&upstream.host, scope.namespace()) else { continue };
        let (listener, config) = local_port(scope, callee, upstream);
        listeners.push(listener);
        routes.extend(config.map(|config| (config.name.clone(), config)));
    }
    for (listener, config) in egress_ports(scope) {
        listeners.push(listener);
        routes.extend(config.map(|config| (config.name.clone(), config)));
    }
    Traffic { listeners, routes: routes.into_values().collect(), ..Traffic::default() }
}

/// A listener that leads to one host, whatever the host of the request.
fn local_port(
    scope: &Scope<'_>,
    callee: &Callee,
    upstream: &Upstream,
) -> (Listener, Option<RouteConfiguration>) {
    let port = upstream.port.unwrap_or_else(|| callee.default_port(None));
    let address = SocketAddr::new(LOOPBACK, upstream.local_port);
    let protocol = callee.port(port).map_or(AppProtocol::Http, |port| port.protocol);
    if !protocol.is_http() {
        return (bytes_listener(scope, callee, port, protocol, address, "upstream"), None);
    }
    let name = names::upstream_routes(&callee.host, port);
    let virtual_host = VirtualHost::new(
        names::virtual_host(&callee.host, port),
        vec!["*".into()],
        virtual_hosts::host_routes(scope, callee, port),
    );
    let config = RouteConfiguration::new(name.clone(), vec![virtual_host]);
    (http_listener(scope, address, "upstream", name), Some(config))
}

/// The ports that the Sidecar for this workload has for some hosts alone.
fn egress_ports(scope: &Scope<'_>) -> Vec<(Listener, Option<RouteConfiguration>)> {
    let mut ports = Vec::new();
    for egress in scope.sidecar.map(|sidecar| sidecar.egress.as_slice()).unwrap_or_default() {
        let Some((port, protocol)) = egress.port else { continue };
        let ip: IpAddr = egress.bind.unwrap_or(LOOPBACK);
        let address = SocketAddr::new(ip, port);
        let imports = |namespace: &str, host: &str| egress.imports(namespace, host);
        if protocol.is_http() {
            let name = names::egress_routes(port);
            let hosts = virtual_hosts::outbound(scope, imports);
            let config = RouteConfiguration::new(name.clone(), hosts);
            ports.push((http_listener(scope, address, "egress", name), Some(config)));
            continue;
        }
        // Bytes do not say where they want to go: the first host with the port, or with any, takes all of them.
        let mut callees = scope.world.callees().filter(|callee| {
            callee.is_visible_to(scope.namespace()) && imports(callee.namespace(), &callee.host)
        });
        let Some(first) = callees.next() else { continue };
        let callee = Some(first).filter(|one| one.port(port).is_some());
        let callee = callee.or_else(|| callees.find(|one| one.port(port).is_some())).unwrap_or(first);
        let number = if callee.port(port).is_some() { port } else { callee.default_port(None) };
        ports.push((bytes_listener(scope, callee, number, protocol, address, "egress"), None));
    }
    ports
}

/// A listener of bytes to one port of a host, as the rules of its virtual service lead them.
fn bytes_listener(
    scope: &Scope<'_>,
    callee: &Callee,
    port: u16,
    protocol: AppProtocol,
    address: SocketAddr,
    direction: &str,
) -> Listener {
    let place = Place::sidecar(*scope, port);
    let stat_prefix = names::stat_prefix(direction, address);
    let vs = scope.mesh_virtual_service(&callee.host);
    let mut chains = Vec::new();
    if let Some(vs) = vs.filter(|_| protocol == AppProtocol::Tls) {
        chains = place.tls_chains(vs, &stat_prefix);
    }
    let rest = vs.and_then(|vs| {
        let namespace = vs.meta.namespace();
        let takes =
            |matched: &L4Match| place.applies_to_connections(matched) && is_addressed_as(callee, matched);
        let rule = vs.tcp.iter().find(|rule| rule.matches.is_empty() || rule.matches.iter().any(takes))?;
        Some(place.tcp_proxy(stat_prefix.clone(), &rule.route, namespace))
    });
    let plain = || {
        let proxy = TcpProxy {
            access_logs: access_log::of(scope, false),
            ..TcpProxy::new(stat_prefix.clone(), names::outbound_cluster(port, None, &callee.host))
        };
        let policy = cluster_policy::of_destination(scope, callee, port, None);
        l4::with_policy(proxy, policy.as_ref())
    };
    let rest = rest.unwrap_or_else(plain);
    chains.push(l4::chain("plaintext".into(), FilterChainMatch::default(), rest));
    let chains = l4::without_twins(chains);
    let by_name = chains.iter().any(|chain| !chain.matches.server_names.is_empty());
    let inspector = ListenerFilter::TlsInspector(TlsInspector::default());
    Listener {
        direction: TrafficDirection::Outbound,
        listener_filters: if by_name { vec![inspector] } else { Vec::new() },
        ..Listener::new(names::listener(address), address, chains)
    }
}

/// Whether callers may have addressed a host by one of these ranges. At a local port nobody sees the address that was
/// meant, so what counts is what the entry says of itself.
fn is_addressed_as(callee: &Callee, matched: &L4Match) -> bool {
    let own = callee.entry().map(|entry| entry.addresses.as_slice()).unwrap_or_default();
    matched.destination_subnets.is_empty()
        || own.iter().any(|own| matched.destination_subnets.iter().any(|range| range.contains(own.address())))
}

fn http_listener(scope: &Scope<'_>, address: SocketAddr, direction: &str, routes: Name) -> Listener {
    let manager = HttpConnectionManager {
        access_logs: access_log::of(scope, false),
        upgrades: vec![Upgrade::to(Upgrade::WEBSOCKET)],
        filters: vec![HttpFilter::cors(), HttpFilter::fault()],
        ..HttpConnectionManager::new(names::stat_prefix(direction, address), RouteSource::Rds(routes))
    };
    let filter = NetworkFilter::Http(Box::new(manager));
    Listener {
        direction: TrafficDirection::Outbound,
        ..Listener::new(
            names::listener(address),
            address,
            vec![FilterChain { name: "plaintext".into(), ..FilterChain::new(filter) }],
        )
    }
}
