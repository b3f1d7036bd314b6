//! What a sidecar carries for its application: one listener that routes by host, and a local port for each service that
//! the application calls by name.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use ripstop_model::http_manager::RouteSource;
use ripstop_model::listener::TrafficDirection;
use ripstop_model::network_filter::TcpProxy;
use ripstop_model::upgrade::Upgrade;
use ripstop_model::{
    FilterChain, HttpConnectionManager, Listener, Name, NetworkFilter, RouteConfiguration, VirtualHost,
};

use super::routes::default_port;
use super::{Traffic, access_log, names, virtual_hosts};
use crate::resource::{Service, SidecarRole, Upstream, Workload};
use crate::world::{LOOPBACK, World, host};

/// The listeners of a sidecar for its application, and their routes.
pub(super) fn traffic(world: &World, workload: &Workload, sidecar: &SidecarRole) -> Traffic {
    let mut listeners = Vec::new();
    let mut routes: BTreeMap<Name, RouteConfiguration> = BTreeMap::new();
    if let Some(port) = sidecar.outbound {
        let address = SocketAddr::new(LOOPBACK, port);
        listeners.push(http_listener(address, "outbound", names::OUTBOUND_ROUTES.into()));
        let virtual_hosts = virtual_hosts::outbound(world, workload);
        let name = Name::from(names::OUTBOUND_ROUTES);
        routes.insert(name.clone(), RouteConfiguration::new(name, virtual_hosts));
    }
    for upstream in &sidecar.upstreams {
        // The world has been checked: a name here is that of a service.
        let Some(service) = world.service_named(&upstream.host, workload.meta.namespace()) else { continue };
        let (listener, config) = local_port(world, workload, service, upstream);
        listeners.push(listener);
        routes.extend(config.map(|config| (config.name.clone(), config)));
    }
    Traffic { listeners, routes: routes.into_values().collect(), clusters: Vec::new() }
}

/// A listener that leads to one service, whatever the host of the request.
fn local_port(
    world: &World,
    workload: &Workload,
    service: &Service,
    upstream: &Upstream,
) -> (Listener, Option<RouteConfiguration>) {
    let port = upstream.port.unwrap_or_else(|| default_port(service, None));
    let full_name = host::full_name(&service.meta.key);
    let address = SocketAddr::new(LOOPBACK, upstream.local_port);
    if service.port(port).is_some_and(|port| !port.protocol.is_http()) {
        let filter = NetworkFilter::Tcp(TcpProxy {
            access_logs: access_log::to_stdout(),
            ..TcpProxy::new(
                names::stat_prefix("upstream", address),
                names::outbound_cluster(port, None, &full_name),
            )
        });
        return (listener(address, filter), None);
    }
    let name = names::upstream_routes(&full_name, port);
    let virtual_host = VirtualHost::new(
        names::virtual_host(&full_name, port),
        vec!["*".into()],
        virtual_hosts::service_routes(world, workload, service, port),
    );
    let config = RouteConfiguration::new(name.clone(), vec![virtual_host]);
    (http_listener(address, "upstream", name), Some(config))
}

fn http_listener(address: SocketAddr, direction: &str, routes: Name) -> Listener {
    let manager = HttpConnectionManager {
        access_logs: access_log::to_stdout(),
        upgrades: vec![Upgrade::to(Upgrade::WEBSOCKET)],
        ..HttpConnectionManager::new(names::stat_prefix(direction, address), RouteSource::Rds(routes))
    };
    listener(address, NetworkFilter::Http(Box::new(manager)))
}

/// A plaintext listener with one chain, for traffic that leaves the workload or enters the mesh.
pub(super) fn listener(address: SocketAddr, filter: NetworkFilter) -> Listener {
    Listener {
        direction: TrafficDirection::Outbound,
        ..Listener::new(
            names::listener(address),
            address,
            vec![FilterChain { name: "plaintext".into(), ..FilterChain::new(filter) }],
        )
    }
}
