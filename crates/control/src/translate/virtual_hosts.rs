//! Which routes belong to which host.

use std::collections::BTreeSet;

use ripstop_model::route::{DirectResponse, RouteAction, RouteMatch};
use ripstop_model::{Name, Route, VirtualHost};

use super::names;
use super::routes::{Place, default_port, plain};
use crate::resource::{GatewayRef, Service, Workload};
use crate::world::{World, host};

/// Port of a host that is addressed without one.
const HTTP_PORT: u16 = 80;

/// The routes of sidecars to a port of a service: those of the virtual service for its host, or the plain one.
pub(super) fn service_routes(world: &World, viewer: &Workload, service: &Service, port: u16) -> Vec<Route> {
    let full_name = host::full_name(&service.meta.key);
    let vs = world.mesh_virtual_service(&full_name).filter(|vs| !vs.http.is_empty());
    match vs {
        Some(vs) => Place { world, viewer, gateway: GatewayRef::Mesh, port }.routes(vs),
        None => plain(service, port),
    }
}

/// The virtual hosts of an outbound listener that routes by host: every HTTP port of every service, every other host
/// that a virtual service routes, and an answer for the rest.
pub(super) fn outbound(world: &World, viewer: &Workload) -> Vec<VirtualHost> {
    let mut hosts = Vec::new();
    let mut taken = BTreeSet::new();
    for service in world.services() {
        let without_port = default_port(service, None);
        for port in service.ports.iter().filter(|port| port.protocol.is_http()) {
            let full_name = host::full_name(&service.meta.key);
            let domains =
                service_domains(service, port.port, port.port == without_port, viewer.meta.namespace());
            hosts.push(VirtualHost::new(
                names::virtual_host(&full_name, port.port),
                domains.into_iter().filter(|domain| taken.insert(domain.clone())).collect(),
                service_routes(world, viewer, service, port.port),
            ));
        }
    }
    for vs in world.virtual_services().iter().filter(|vs| vs.applies_to_mesh() && !vs.http.is_empty()) {
        for (pattern, _) in &vs.hosts {
            let full_name = world.full_name(pattern, vs.meta.namespace());
            if world.service_named(&full_name, viewer.meta.namespace()).is_some() {
                continue;
            }
            let place = Place { world, viewer, gateway: GatewayRef::Mesh, port: HTTP_PORT };
            hosts.extend(other_host(&place, &full_name, place.routes(vs), &mut taken));
        }
    }
    if taken.insert("*".into()) {
        hosts.push(unknown_host());
    }
    hosts
}

/// A host that is no service's. `None` if an earlier one has all of its domains.
pub(super) fn other_host(
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

/// Every name of a service, with its port and, if it is the one meant without, without. The short name only within
/// its namespace.
fn service_domains(service: &Service, port: u16, without_port: bool, viewer_namespace: &str) -> Vec<Name> {
    let key = &service.meta.key;
    let mut names = vec![
        format!("{}.{}", key.name, key.namespace),
        format!("{}.{}.svc", key.name, key.namespace),
        host::full_name(key).to_string(),
    ];
    if &*key.namespace == viewer_namespace {
        names.insert(0, key.name.to_string());
    }
    let mut domains = Vec::with_capacity(2 * names.len());
    for name in names {
        let with_port = format!("{name}:{port}").into();
        if without_port {
            domains.push(name.into());
        }
        domains.push(with_port);
    }
    domains
}

/// As Istio's sidecars answer when only hosts of the mesh may be called.
fn unknown_host() -> VirtualHost {
    let body = "no service and no VirtualService of the mesh has the host of this request\n";
    let route = Route {
        name: "unknown host".into(),
        ..Route::new(RouteMatch::prefix("/"), RouteAction::DirectResponse(DirectResponse::new(502, body)))
    };
    VirtualHost::new("unknown-host", vec!["*".into()], vec![route])
}
