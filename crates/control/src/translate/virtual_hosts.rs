//! Which routes belong to which host.

use std::collections::BTreeSet;
use std::time::Duration;

use ripstop_model::route::{DirectResponse, Forward, RouteAction, RouteMatch};
use ripstop_model::{Name, Route, VirtualHost};

use super::names;
use super::place::Place;
use super::routes::plain;
use crate::world::{Callee, CalleeSource, Scope};

/// Port of a host that is addressed without one.
const HTTP_PORT: u16 = 80;

/// The routes of sidecars to a port of a host: those of the virtual service for it, or the plain one.
pub(super) fn host_routes(scope: &Scope<'_>, callee: &Callee, port: u16) -> Vec<Route> {
    let vs = scope.mesh_virtual_service(&callee.host).filter(|vs| !vs.http.is_empty());
    match vs {
        Some(vs) => Place::sidecar(*scope, port).routes(vs),
        None => plain(scope, callee, port),
    }
}

/// The virtual hosts of an outbound listener that routes by host: every HTTP port of what `imports` (namespace and host)
/// lets in, every other host that a virtual service routes, and an answer for the rest.
pub(super) fn outbound(scope: &Scope<'_>, imports: impl Fn(&str, &str) -> bool) -> Vec<VirtualHost> {
    let mut hosts = Vec::new();
    let mut taken = BTreeSet::new();
    for callee in scope.callees().filter(|callee| imports(callee.namespace(), &callee.host)) {
        let without_port = callee.default_port(None);
        for port in callee.ports.iter().filter(|port| port.protocol.is_http()) {
            let domains = domains(callee, port.port, port.port == without_port, scope.namespace());
            hosts.push(VirtualHost::new(
                names::virtual_host(&callee.host, port.port),
                domains.into_iter().filter(|domain| taken.insert(domain.clone())).collect(),
                host_routes(scope, callee, port.port),
            ));
        }
    }
    // Of two entries with a port alike, the later one has no name left.
    hosts.retain(|host| !host.domains.is_empty());
    for vs in scope.mesh_virtual_services().filter(|vs| !vs.http.is_empty()) {
        let namespace = vs.meta.namespace();
        for (pattern, _) in &vs.hosts {
            let full_name = scope.world.full_name(pattern, namespace);
            let known = scope.world.callee(&full_name, scope.namespace());
            if known.is_some_and(|callee| callee.host == full_name) || !imports(namespace, &full_name) {
                continue;
            }
            let place = Place::sidecar(*scope, HTTP_PORT);
            hosts.extend(other_host(&place, &full_name, place.routes(vs), &mut taken));
        }
    }
    if taken.insert("*".into()) {
        hosts.push(unknown_host(scope));
    }
    hosts
}

/// A host that nothing describes. `None` if an earlier one has all of its domains.
fn other_host(
    place: &Place<'_>,
    pattern: &Name,
    routes: Vec<Route>,
    taken: &mut BTreeSet<Name>,
) -> Option<VirtualHost> {
    let domains = pattern_domains(pattern, place.port);
    let domains: Vec<Name> = domains.into_iter().filter(|domain| taken.insert(domain.clone())).collect();
    let name = names::virtual_host(pattern, place.port);
    (!domains.is_empty()).then_some(VirtualHost::new(name, domains, routes))
}

/// A pattern with and without the port; `*` covers both.
pub(super) fn pattern_domains(pattern: &Name, port: u16) -> Vec<Name> {
    match &**pattern {
        "*" => vec![pattern.clone()],
        _ => vec![pattern.clone(), format!("{pattern}:{port}").into()],
    }
}

/// Every name of a host, with its port and, if it is the one meant without, without. The short name of a service only
/// within its namespace.
fn domains(callee: &Callee, port: u16, without_port: bool, viewer_namespace: &str) -> Vec<Name> {
    let mut names: Vec<Name> = Vec::new();
    match &callee.source {
        CalleeSource::Service(service) => {
            let key = &service.meta.key;
            if &*key.namespace == viewer_namespace {
                names.push(key.name.clone());
            }
            names.push(format!("{}.{}", key.name, key.namespace).into());
            names.push(format!("{}.{}.svc", key.name, key.namespace).into());
            names.push(callee.host.clone());
        }
        CalleeSource::Entry(entry) => {
            names.push(callee.host.clone());
            let single = entry.addresses.iter().filter(|range| is_whole(range));
            names.extend(single.map(|range| Name::from(range.address().to_string())));
        }
    }
    let mut domains = Vec::with_capacity(2 * names.len());
    for name in names {
        // An IPv6 address is written in brackets where a port may follow.
        let name = if name.contains(':') { format!("[{name}]").into() } else { name };
        let with_port = format!("{name}:{port}").into();
        if without_port {
            domains.push(name);
        }
        domains.push(with_port);
    }
    domains
}

fn is_whole(range: &ripstop_model::cidr::CidrRange) -> bool {
    u32::from(range.length()) == if range.address().is_ipv4() { 32 } else { 128 }
}

/// As Istio's sidecars answer when only hosts of the mesh may be called, unless a proxy is named for the others.
fn unknown_host(scope: &Scope<'_>) -> VirtualHost {
    let egress = scope.sidecar.and_then(|sidecar| Some((sidecar.egress_proxy.as_ref()?, &sidecar.meta)));
    let action = match egress {
        Some((to, meta)) => {
            let cluster = Place::sidecar(*scope, HTTP_PORT).cluster(to, meta.namespace());
            let forward = Forward { timeout: Some(Duration::ZERO), ..Forward::to(cluster) };
            RouteAction::Forward(Box::new(forward))
        }
        None => {
            let body = "no service and no VirtualService of the mesh has the host of this request\n";
            RouteAction::DirectResponse(DirectResponse::new(502, body))
        }
    };
    let route = Route { name: "unknown host".into(), ..Route::new(RouteMatch::prefix("/"), action) };
    VirtualHost::new("unknown-host", vec!["*".into()], vec![route])
}
