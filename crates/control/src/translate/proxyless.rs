//! What a gRPC library is told that follows the mesh without a proxy (`xds:///SERVICE:PORT`): for every way to name a port of
//! a service an API listener, its routes, and clusters and endpoints that are called in plaintext. A library asks for
//! names, so it is sent what it dials and nothing else.
//!
//! What gRPC demands beyond Envoy is in gRFC A27 and A28: the listener has exactly the name that is dialled, its filters
//! end in the router, and localities have a name and a weight.

use std::collections::BTreeSet;

use ripstop_model::http_filter::{FilterOverride, HttpFilter};
use ripstop_model::http_manager::RouteSource;
use ripstop_model::{
    ApiListener, Cluster, ClusterLoadAssignment, Discovery, HttpConnectionManager, LbPolicy, Name,
    RouteConfiguration, VirtualHost,
};
use ripstop_yaml::Problem;

use super::{Traffic, endpoints, names, virtual_hosts};
use crate::resource::{Labels, Metadata, ObjectKey, Resolution, Subset, Workload};
use crate::world::{Callee, LOOPBACK, Scope, World};

/// The listeners of a library and their routes.
pub(super) fn traffic(scope: &Scope<'_>) -> Traffic {
    let mut traffic = Traffic::default();
    for callee in scope.callees().filter(|callee| can_be_dialled(callee)) {
        for port in callee.ports.iter().filter(|port| port.protocol.is_http()) {
            add_port(&mut traffic, scope, callee, port.port);
        }
    }
    traffic
}

/// The clusters that a library may name beside those that its routes lead to: the subsets of what it can dial. It goes on naming
/// one for as long as calls are on their way there, whatever its routes say by then, and takes one that is missing from an
/// answer for one that does not exist.
pub(super) fn subsets(scope: &Scope<'_>) -> BTreeSet<Name> {
    let mut subsets = BTreeSet::new();
    for callee in scope.callees().filter(|callee| can_be_dialled(callee)) {
        let Some(rule) = scope.destination_rule(callee) else { continue };
        for port in callee.ports.iter().filter(|port| port.protocol.is_http()) {
            let name = |subset: &Subset| names::outbound_cluster(port.port, Some(&subset.name), &callee.host);
            subsets.extend(rule.subsets.iter().map(name));
        }
    }
    subsets
}

/// A cluster as a library can use it, with its endpoints, and a warning if that is not at all.
pub(super) fn without_proxy(
    world: &World,
    mut cluster: Cluster,
    mut endpoints: Option<ClusterLoadAssignment>,
) -> (Cluster, Option<ClusterLoadAssignment>, Option<Problem>) {
    let mut warning = None;
    if cluster.transport.tls.is_some() || matches!(cluster.discovery, Discovery::Dns(_)) {
        warning = plaintext_warning(world, &cluster.name);
        cluster.transport = Default::default();
        cluster.discovery = Discovery::Eds { service_name: None };
        endpoints = Some(endpoints::none(&cluster.name));
    }
    // gRPC refuses a cluster whose policy it does not know.
    if !matches!(cluster.lb.policy, LbPolicy::RoundRobin | LbPolicy::RingHash { .. }) {
        cluster.lb.policy = LbPolicy::RoundRobin;
    }
    (cluster, endpoints, warning)
}

/// A library as routes see their caller.
pub(super) fn caller(id: &ObjectKey, labels: &Labels) -> Workload {
    Workload {
        meta: Metadata { key: id.clone(), labels: labels.clone(), origin: Default::default() },
        service: None,
        service_account: "default".into(),
        address: LOOPBACK,
        ports: Default::default(),
        locality: Default::default(),
        weight: 1,
        health: None,
        sidecar: None,
        gateway: None,
        run: None,
    }
}

/// A pattern is no name to dial, and what DNS knows a library asks DNS for.
fn can_be_dialled(callee: &Callee) -> bool {
    let listed = callee.entry().is_none_or(|entry| entry.resolution == Resolution::Static);
    listed && !callee.host.starts_with('*')
}

fn add_port(traffic: &mut Traffic, scope: &Scope<'_>, callee: &Callee, port: u16) {
    let routes = names::upstream_routes(&callee.host, port);
    for name in dialled(callee, port, scope.namespace()) {
        let manager = HttpConnectionManager {
            filters: vec![HttpFilter::fault()],
            ..HttpConnectionManager::new("grpc", RouteSource::Rds(routes.clone()))
        };
        traffic.api_listeners.push(ApiListener { name, manager });
    }
    let mut host_routes = virtual_hosts::host_routes(scope, callee, port);
    for route in &mut host_routes {
        // gRPC refuses what is said to a filter that it does not know, and no page calls by it.
        route.filters.retain(|_, said| !matches!(said, FilterOverride::Cors(_)));
    }
    let virtual_host =
        VirtualHost::new(names::virtual_host(&callee.host, port), vec!["*".into()], host_routes);
    traffic.routes.push(RouteConfiguration::new(routes, vec![virtual_host]));
}

/// Every `name:port` that means this port; the short name of a service only within its namespace.
fn dialled(callee: &Callee, port: u16, namespace: &str) -> Vec<Name> {
    let mut hosts = vec![callee.host.to_string()];
    if callee.service().is_some() {
        let key = callee.key();
        hosts.push(format!("{}.{}", key.name, key.namespace));
        hosts.push(format!("{}.{}.svc", key.name, key.namespace));
        if &*key.namespace == namespace {
            hosts.push(key.name.to_string());
        }
    }
    hosts.into_iter().map(|host| format!("{host}:{port}").into()).collect()
}

/// Says that a service cannot be called without a certificate.
fn plaintext_warning(world: &World, cluster: &str) -> Option<Problem> {
    let (number, _, host) = names::parse_outbound_cluster(cluster)?;
    let callee = world.callees_at(host).iter().find(|callee| callee.port(number).is_some())?;
    let message =
        format!("gRPC clients without a proxy cannot call {}: it insists on mutual TLS", callee.key());
    let warning = callee.origin.warning(message);
    Some(
        warning
            .with_help("set PeerAuthentication PERMISSIVE for it, or call it through a sidecar")
            .with_code("proxyless-mtls"),
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::document::decode;
    use crate::translate::ProxyRef;
    use ripstop_model::Snapshot;
    use ripstop_yaml::Source;

    fn world(mtls: &str) -> World {
        let text = format!(
            "apiVersion: ripstop.io/v1\nkind: Service\nmetadata: {{name: echo}}\n\
             spec: {{ports: [{{name: grpc, port: 50051, protocol: GRPC}}]}}\n---\n\
             apiVersion: ripstop.io/v1\nkind: Workload\nmetadata: {{name: bare}}\n\
             spec: {{service: echo, address: 127.0.0.1, ports: {{grpc: {{app: 50061}}}}}}\n---\n\
             apiVersion: ripstop.io/v1\nkind: Service\nmetadata: {{name: shielded}}\n\
             spec: {{ports: [{{name: grpc, port: 50052, protocol: GRPC}}]}}\n---\n\
             apiVersion: ripstop.io/v1\nkind: Workload\nmetadata: {{name: shielded-1}}\n\
             spec: {{service: shielded, address: 127.0.0.1, ports: {{grpc: {{app: 50062, sidecar: 50063}}}}, \
             sidecar: {{admin: 9901}}}}\n---\n\
             apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {{name: default}}\n\
             spec: {{mtls: {{mode: {mtls}}}}}\n"
        );
        let (resources, problems) = decode(&Source::new("mesh.yaml", text));
        assert!(problems.is_empty(), "{problems:?}");
        World::build(resources).unwrap().0
    }

    fn addresses(snapshot: &Snapshot, cluster: &str) -> usize {
        snapshot.endpoints[cluster].localities.iter().map(|locality| locality.endpoints.len()).sum()
    }

    #[test]
    fn a_port_has_every_name_that_may_be_dialled() {
        let proxy = ProxyRef::library("default", "client", Labels::new());
        let (snapshot, _) = crate::translate::translate(&world("STRICT"), &proxy).unwrap();
        let of_echo: Vec<&str> = snapshot
            .api_listeners
            .keys()
            .map(|name| &**name)
            .filter(|name| name.starts_with("echo"))
            .collect();
        let expected = [
            "echo.default.svc.cluster.local:50051",
            "echo.default.svc:50051",
            "echo.default:50051",
            "echo:50051",
        ];
        assert_eq!(of_echo, expected);
        assert!(snapshot.listeners.is_empty());
        assert_eq!(snapshot.dangling(), Vec::<String>::new());

        let elsewhere = ProxyRef::library("other", "client", Labels::new());
        let (snapshot, _) = crate::translate::translate(&world("STRICT"), &elsewhere).unwrap();
        assert!(!snapshot.api_listeners.contains_key("echo:50051"));
    }

    #[test]
    fn a_subset_can_be_named_before_and_after_routes_lead_to_it() {
        let text = "apiVersion: ripstop.io/v1\nkind: Service\nmetadata: {name: echo}\n\
             spec: {ports: [{name: grpc, port: 50051, protocol: GRPC}, {name: raw, port: 50052, protocol: TCP}]}\n---\n\
             apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: echo}\n\
             spec: {host: echo, subsets: [{name: v1, labels: {version: v1}}]}\n";
        let (resources, problems) = decode(&Source::new("mesh.yaml", text));
        assert!(problems.is_empty(), "{problems:?}");
        let world = World::build(resources).unwrap().0;
        let (snapshot, _) =
            crate::translate::translate(&world, &ProxyRef::library("default", "client", Labels::new()))
                .unwrap();
        let clusters: Vec<&str> = snapshot.clusters.keys().map(|name| &**name).collect();
        let expected = [
            "outbound|50051|v1|echo.default.svc.cluster.local",
            "outbound|50051||echo.default.svc.cluster.local",
        ];
        assert_eq!(clusters, expected);
    }

    #[test]
    fn what_insists_on_tls_has_no_endpoints_and_is_told() {
        let proxy = ProxyRef::library("default", "client", Labels::new());
        let shielded = "outbound|50052||shielded.default.svc.cluster.local";
        let (snapshot, warnings) = crate::translate::translate(&world("STRICT"), &proxy).unwrap();
        assert_eq!(addresses(&snapshot, "outbound|50051||echo.default.svc.cluster.local"), 1);
        assert_eq!(addresses(&snapshot, shielded), 0);
        assert!(warnings.iter().any(|warning| warning.message.contains("default/shielded")), "{warnings:?}");

        let (snapshot, warnings) = crate::translate::translate(&world("DISABLE"), &proxy).unwrap();
        assert_eq!(addresses(&snapshot, shielded), 1);
        assert!(warnings.is_empty(), "{warnings:?}");
    }
}
