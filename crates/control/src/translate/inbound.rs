//! What a sidecar takes for its application: a listener for each port, and the application as its cluster.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::time::Duration;

use ripstop_model::chain_match::{FilterChainMatch, TransportProtocol};
use ripstop_model::cluster::{CircuitLimits, UpstreamProtocol};
use ripstop_model::http_manager::{ClientCertDetails, ForwardClientCert, RouteSource};
use ripstop_model::listener::TrafficDirection;
use ripstop_model::listener_filter::{ListenerFilter, TlsInspector};
use ripstop_model::network_filter::TcpProxy;
use ripstop_model::route::{Forward, RouteAction, RouteMatch};
use ripstop_model::upgrade::Upgrade;
use ripstop_model::{
    Address, Cluster, ClusterLoadAssignment, Discovery, Endpoint, FilterChain, HttpConnectionManager,
    Listener, Name, NetworkFilter, Route, RouteConfiguration, TlsServer, VirtualHost,
};

use super::{Traffic, access_log, cluster_policy, mtls, names};
use crate::resource::{AppProtocol, ConnectionPool, MtlsMode, ObjectKey, SidecarIngress, WorkloadPort};
use crate::world::Scope;

/// A port that is taken, and the application behind it.
struct Port<'a> {
    scope: &'a Scope<'a>,
    /// Where the sidecar listens.
    address: SocketAddr,
    /// Port of the application, by which policies and clusters know it.
    app: u16,
    /// Where the application listens.
    endpoint: Address,
    protocol: AppProtocol,
    pool: ConnectionPool,
}

/// A listener and a cluster for each port that the sidecar takes: those of the workload, and those that its `Sidecar`
/// document adds.
pub(super) fn traffic(scope: &Scope<'_>) -> Traffic {
    let workload = scope.viewer;
    let ingress = scope.sidecar.map(|sidecar| sidecar.ingress.as_slice()).unwrap_or_default();
    let pool = scope.sidecar.and_then(|sidecar| sidecar.inbound_pool).unwrap_or_default();
    let about = |port: &WorkloadPort| {
        ingress.iter().find(|one| one.port == port.app || Some(one.port) == port.sidecar)
    };
    let mut ports: Vec<Port<'_>> = Vec::new();
    for (name, port) in &workload.ports {
        let Some(sidecar_port) = port.sidecar else { continue };
        let written = about(port);
        let own = SocketAddr::new(workload.address, port.app);
        ports.push(Port {
            scope,
            address: SocketAddr::new(workload.address, sidecar_port),
            app: port.app,
            endpoint: written.and_then(|one| endpoint(one, workload.address)).unwrap_or(own.into()),
            protocol: protocol(scope, name),
            pool: written.and_then(|one| one.pool).unwrap_or(pool),
        });
    }
    for one in ingress.iter().filter(|one| !workload.ports.values().any(|port| about(port) == Some(*one))) {
        let address = SocketAddr::new(one.bind.unwrap_or(workload.address), one.port);
        // Without an endpoint the application would listen where the sidecar does.
        let Some(endpoint) = endpoint(one, workload.address) else { continue };
        let app = endpoint.as_socket().map_or(one.port, |socket| socket.port());
        let pool = one.pool.unwrap_or(pool);
        ports.push(Port { scope, address, app, endpoint, protocol: one.protocol, pool });
    }
    let mut traffic = Traffic::default();
    for port in &ports {
        traffic.listeners.push(port.listener());
        if !traffic.clusters.iter().any(|cluster| cluster.name == names::inbound_cluster(port.app)) {
            traffic.clusters.push(port.cluster());
        }
    }
    traffic
}

/// Where the application behind an ingress listens, if that is said.
fn endpoint(ingress: &SidecarIngress, own: IpAddr) -> Option<Address> {
    Some(match ingress.endpoint.as_ref()? {
        Address::Socket(socket) if socket.ip().is_unspecified() => {
            Address::Socket(SocketAddr::new(own, socket.port()))
        }
        other => other.clone(),
    })
}

/// What the application speaks on a port; HTTP where no service says.
fn protocol(scope: &Scope<'_>, port_name: &str) -> AppProtocol {
    let workload = scope.viewer;
    let service = workload.service.as_ref().and_then(|name| {
        scope.world.service(&ObjectKey::new(workload.meta.namespace().clone(), name.clone()))
    });
    service.and_then(|service| service.port_named(port_name)).map_or(AppProtocol::Http, |port| port.protocol)
}

impl Port<'_> {
    fn listener(&self) -> Listener {
        let chain = |name: &str, transport: Option<TransportProtocol>, tls: Option<TlsServer>| FilterChain {
            name: name.into(),
            matches: FilterChainMatch { transport_protocol: transport, ..FilterChainMatch::default() },
            tls,
            ..FilterChain::new(self.filter())
        };
        let tls = || mtls::server(self.protocol);
        let mode = self.scope.world.mtls_mode(self.scope.viewer, self.app);
        let filter_chains = match mode {
            MtlsMode::Strict => vec![chain("mtls", None, Some(tls()))],
            // The application's own TLS cannot be told from that of the mesh.
            MtlsMode::Permissive if self.protocol != AppProtocol::Tls => vec![
                chain("mtls", Some(TransportProtocol::Tls), Some(tls())),
                chain("plaintext", Some(TransportProtocol::Plaintext), None),
            ],
            MtlsMode::Permissive => vec![chain("mtls", None, Some(tls()))],
            MtlsMode::Disable => vec![chain("plaintext", None, None)],
        };
        let inspector = ListenerFilter::TlsInspector(TlsInspector::default());
        Listener {
            direction: TrafficDirection::Inbound,
            listener_filters: if filter_chains.len() > 1 { vec![inspector] } else { Vec::new() },
            ..Listener::new(names::listener(self.address), self.address, filter_chains)
        }
    }

    fn filter(&self) -> NetworkFilter {
        if self.protocol.is_http() {
            return NetworkFilter::Http(Box::new(self.manager()));
        }
        NetworkFilter::Tcp(TcpProxy {
            access_logs: access_log::of(self.scope, true),
            idle_timeout: self.pool.tcp_idle_timeout,
            max_duration: self.pool.max_connection_duration,
            ..TcpProxy::new(names::stat_prefix("inbound", self.address), names::inbound_cluster(self.app))
        })
    }

    fn manager(&self) -> HttpConnectionManager {
        let cluster = names::inbound_cluster(self.app);
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
        let stat_prefix = names::stat_prefix("inbound", self.address);
        HttpConnectionManager {
            access_logs: access_log::of(self.scope, true),
            forward_client_cert: ForwardClientCert::SanitizeSet,
            upgrades: vec![Upgrade::to(Upgrade::WEBSOCKET)],
            // The client's SPIFFE ID is its URI name.
            client_cert_details: ClientCertDetails {
                subject: true,
                uri: true,
                ..ClientCertDetails::default()
            },
            ..HttpConnectionManager::new(stat_prefix, RouteSource::Inline(routes))
        }
    }

    fn cluster(&self) -> Cluster {
        let name: Name = names::inbound_cluster(self.app);
        let application = Endpoint::new(self.endpoint.clone());
        let assignment = ClusterLoadAssignment::flat(name.clone(), vec![application]);
        let limited = self.pool != ConnectionPool::default();
        Cluster {
            connect_timeout: self.pool.connect_timeout.unwrap_or(cluster_policy::DEFAULT_CONNECT_TIMEOUT),
            // A sidecar does not retry to its application, so no budget is needed.
            limits: match limited {
                true => CircuitLimits { retry_budget: None, ..cluster_policy::limits(&self.pool, None) },
                false => cluster_policy::NO_LIMITS,
            },
            connection: cluster_policy::connection(&self.pool),
            max_requests_per_connection: self.pool.max_requests_per_connection.and_then(NonZeroU32::new),
            idle_timeout: self.pool.idle_timeout,
            protocol: match self.protocol {
                protocol if protocol.is_http() && self.pool.use_client_protocol == Some(true) => {
                    UpstreamProtocol::Downstream
                }
                AppProtocol::Http2 | AppProtocol::Grpc => UpstreamProtocol::Http2,
                AppProtocol::Http | AppProtocol::Tcp | AppProtocol::Tls => UpstreamProtocol::Http1,
            },
            ..Cluster::new(name, Discovery::Static(assignment))
        }
    }
}
