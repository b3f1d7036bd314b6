//! What a gateway takes at the edge: a listener for each port of the Gateways that select it, and the virtual services that
//! are bound to them.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use ripstop_model::http_manager::RouteSource;
use ripstop_model::upgrade::Upgrade;
use ripstop_model::{
    HttpConnectionManager, Listener, Name, NetworkFilter, Route, RouteConfiguration, VirtualHost,
};

use super::routes::Place;
use super::virtual_hosts::pattern_domains;
use super::{Traffic, access_log, names, outbound};
use crate::resource::{Gateway, GatewayRef, GatewayServer, VirtualService, Workload};
use crate::world::{World, host};

/// The listeners of a gateway workload and their routes.
pub(super) fn traffic(world: &World, workload: &Workload) -> Traffic {
    let mut ports: BTreeMap<u16, Vec<(&Gateway, &GatewayServer)>> = BTreeMap::new();
    for gateway in world.gateways_served_by(&workload.meta.labels) {
        for server in &gateway.servers {
            ports.entry(server.port).or_default().push((gateway, server));
        }
    }
    let listener = |port: &u16| listener(SocketAddr::new(workload.address, *port));
    Traffic {
        listeners: ports.keys().map(listener).collect(),
        routes: ports.iter().map(|(port, servers)| routes(world, workload, *port, servers)).collect(),
        clusters: Vec::new(),
    }
}

fn listener(address: SocketAddr) -> Listener {
    let routes = RouteSource::Rds(names::gateway_routes(address.port()));
    let manager = HttpConnectionManager {
        access_logs: access_log::to_stdout(),
        // Nobody in front of it can be trusted to say who the client is.
        use_remote_address: true,
        upgrades: vec![Upgrade::to(Upgrade::WEBSOCKET)],
        ..HttpConnectionManager::new(names::stat_prefix("ingress", address), routes)
    };
    outbound::listener(address, NetworkFilter::Http(Box::new(manager)))
}

/// Each host once; where several virtual services route a host, their rules follow one another in the order of the
/// documents.
fn routes(
    world: &World,
    workload: &Workload,
    port: u16,
    servers: &[(&Gateway, &GatewayServer)],
) -> RouteConfiguration {
    let mut hosts: BTreeMap<Name, Vec<Route>> = BTreeMap::new();
    for vs in world.virtual_services() {
        for (gateway, server) in servers {
            let key = &gateway.meta.key;
            if !vs.applies_to_gateway(key) {
                continue;
            }
            let place = Place { world, viewer: workload, gateway: GatewayRef::Gateway(key.clone()), port };
            for served in served_hosts(world, vs, server) {
                hosts.entry(served).or_default().extend(place.routes(vs));
            }
        }
    }
    let virtual_host = |(pattern, routes): (Name, Vec<Route>)| {
        VirtualHost::new(names::virtual_host(&pattern, port), pattern_domains(&pattern, port), routes)
    };
    RouteConfiguration::new(names::gateway_routes(port), hosts.into_iter().map(virtual_host).collect())
}

/// The hosts of a virtual service that a server serves: the narrower of the two patterns.
fn served_hosts(world: &World, vs: &VirtualService, server: &GatewayServer) -> Vec<Name> {
    let namespace = vs.meta.namespace();
    let mut served: Vec<Name> = Vec::new();
    for (pattern, _) in &vs.hosts {
        // A service is known by its full name, as everywhere.
        let pattern = world.full_name(pattern, namespace);
        let allowed =
            server.hosts.iter().filter(|host| host.namespace.as_ref().is_none_or(|ns| ns == namespace));
        for allowed in allowed {
            if let Some(both) = host::intersection(&pattern, &allowed.host)
                && !served.iter().any(|one| &**one == both)
            {
                served.push(both.into());
            }
        }
    }
    served
}
