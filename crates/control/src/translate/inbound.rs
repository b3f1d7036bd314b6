//! What a sidecar takes for its application: a listener for each port, and the application as its cluster.

use std::net::SocketAddr;
use std::time::Duration;

use ripstop_model::chain_match::{FilterChainMatch, TransportProtocol};
use ripstop_model::cluster::UpstreamProtocol;
use ripstop_model::http_manager::{ClientCertDetails, ForwardClientCert, RouteSource};
use ripstop_model::listener::TrafficDirection;
use ripstop_model::listener_filter::{ListenerFilter, TlsInspector};
use ripstop_model::network_filter::TcpProxy;
use ripstop_model::route::{Forward, RouteAction, RouteMatch};
use ripstop_model::upgrade::Upgrade;
use ripstop_model::{
    Cluster, ClusterLoadAssignment, Discovery, Endpoint, FilterChain, HttpConnectionManager, Listener, Name,
    NetworkFilter, Route, RouteConfiguration, TlsServer, VirtualHost,
};

use super::{Traffic, access_log, clusters, mtls, names};
use crate::resource::{AppProtocol, MtlsMode, ObjectKey, Workload, WorkloadPort};
use crate::world::World;

/// A listener and a cluster for each port that the sidecar takes.
pub(super) fn traffic(world: &World, workload: &Workload) -> Traffic {
    let mut traffic = Traffic::default();
    for (name, port) in &workload.ports {
        let Some(sidecar_port) = port.sidecar else { continue };
        let protocol = protocol(world, workload, name);
        let address = SocketAddr::new(workload.address, sidecar_port);
        traffic.listeners.push(listener(world, workload, port, protocol, address));
        traffic.clusters.push(cluster(workload, port, protocol));
    }
    traffic
}

/// What the application speaks on a port; HTTP where no service says.
fn protocol(world: &World, workload: &Workload, port_name: &str) -> AppProtocol {
    let service = workload
        .service
        .as_ref()
        .and_then(|name| world.service(&ObjectKey::new(workload.meta.namespace().clone(), name.clone())));
    service.and_then(|service| service.port_named(port_name)).map_or(AppProtocol::Http, |port| port.protocol)
}

fn listener(
    world: &World,
    workload: &Workload,
    port: &WorkloadPort,
    protocol: AppProtocol,
    address: SocketAddr,
) -> Listener {
    let filter = || match protocol.is_http() {
        true => NetworkFilter::Http(Box::new(manager(port, address))),
        false => NetworkFilter::Tcp(TcpProxy {
            access_logs: access_log::to_stdout(),
            ..TcpProxy::new(names::stat_prefix("inbound", address), names::inbound_cluster(port.app))
        }),
    };
    let chain = |name: &str, transport: Option<TransportProtocol>, tls: Option<TlsServer>| FilterChain {
        name: name.into(),
        matches: FilterChainMatch { transport_protocol: transport, ..FilterChainMatch::default() },
        tls,
        ..FilterChain::new(filter())
    };
    let mode = world.mtls_mode(workload, port.app);
    let filter_chains = match mode {
        MtlsMode::Strict => vec![chain("mtls", None, Some(mtls::server(protocol)))],
        MtlsMode::Permissive => vec![
            chain("mtls", Some(TransportProtocol::Tls), Some(mtls::server(protocol))),
            chain("plaintext", Some(TransportProtocol::Plaintext), None),
        ],
        MtlsMode::Disable => vec![chain("plaintext", None, None)],
    };
    let inspector = ListenerFilter::TlsInspector(TlsInspector::default());
    Listener {
        direction: TrafficDirection::Inbound,
        listener_filters: if mode == MtlsMode::Permissive { vec![inspector] } else { Vec::new() },
        ..Listener::new(names::listener(address), address, filter_chains)
    }
}

fn manager(port: &WorkloadPort, address: SocketAddr) -> HttpConnectionManager {
    let cluster = names::inbound_cluster(port.app);
    let route = Route {
        name: "application".into(),
        ..Route::new(
            RouteMatch::prefix("/"),
            RouteAction::Forward(Box::new(Forward {
                timeout: Some(Duration::ZERO),
                ..Forward::to(cluster.clone())
            })),
        )
    };
    let host = VirtualHost::new(cluster.clone(), vec!["*".into()], vec![route]);
    let routes = RouteConfiguration::new(cluster, vec![host]);
    HttpConnectionManager {
        access_logs: access_log::to_stdout(),
        forward_client_cert: ForwardClientCert::SanitizeSet,
        upgrades: vec![Upgrade::to(Upgrade::WEBSOCKET)],
        // The client's SPIFFE ID is its URI name.
        client_cert_details: ClientCertDetails { subject: true, uri: true, ..ClientCertDetails::default() },
        ..HttpConnectionManager::new(names::stat_prefix("inbound", address), RouteSource::Inline(routes))
    }
}

fn cluster(workload: &Workload, port: &WorkloadPort, protocol: AppProtocol) -> Cluster {
    let name: Name = names::inbound_cluster(port.app);
    let application = Endpoint::new(SocketAddr::new(workload.address, port.app));
    let assignment = ClusterLoadAssignment::flat(name.clone(), vec![application]);
    Cluster {
        connect_timeout: clusters::DEFAULT_CONNECT_TIMEOUT,
        limits: clusters::NO_LIMITS,
        protocol: match protocol {
            AppProtocol::Http2 | AppProtocol::Grpc => UpstreamProtocol::Http2,
            AppProtocol::Http | AppProtocol::Tcp => UpstreamProtocol::Http1,
        },
        ..Cluster::new(name, Discovery::Static(assignment))
    }
}
