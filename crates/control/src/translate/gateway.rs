//! What a gateway takes at the edge: a listener for each port of the Gateways that select it, a chain for each way in which
//! TLS is spoken there, and the virtual services that are bound to them.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use ripstop_model::chain_match::{FilterChainMatch, ServerName, TransportProtocol};
use ripstop_model::http_filter::HttpFilter;
use ripstop_model::http_manager::{ClientCertDetails, ForwardClientCert, RouteSource};
use ripstop_model::listener::TrafficDirection;
use ripstop_model::listener_filter::{ListenerFilter, TlsInspector};
use ripstop_model::route::RequireTls;
use ripstop_model::upgrade::Upgrade;
use ripstop_model::{
    FilterChain, HttpConnectionManager, Listener, Name, NetworkFilter, Route, RouteConfiguration, TlsServer,
    VirtualHost,
};
use ripstop_yaml::Problem;

use super::place::Place;
use super::virtual_hosts::pattern_domains;
use super::{Traffic, access_log, l4, names, server_tls};
use crate::resource::{
    Gateway, GatewayRef, GatewayServer, ServerProtocol, ServerTls, ServerTlsMode, VirtualService,
};
use crate::world::{Scope, World, host};

type Served<'a> = (&'a Gateway, &'a GatewayServer);

/// The listeners of a gateway workload and their routes.
pub(super) fn traffic(scope: &Scope<'_>) -> Traffic {
    let mut ports: BTreeMap<SocketAddr, Vec<Served<'_>>> = BTreeMap::new();
    for gateway in scope.world.gateways_served_by(&scope.viewer.meta.labels) {
        for server in &gateway.servers {
            let ip = server.bind.unwrap_or(scope.viewer.address);
            ports.entry(SocketAddr::new(ip, server.port)).or_default().push((gateway, server));
        }
    }
    let mut traffic = Traffic::default();
    for (address, servers) in &ports {
        Port { scope, address: *address, traffic: &mut traffic }.add(servers);
    }
    traffic
}

/// One port, being put together.
struct Port<'a, 'b> {
    scope: &'b Scope<'a>,
    address: SocketAddr,
    traffic: &'b mut Traffic,
}

impl<'a> Port<'a, '_> {
    fn add(mut self, servers: &[Served<'a>]) {
        let (mut with_tls, mut bytes) = (Vec::new(), Vec::new());
        for served in servers {
            match served.1.protocol {
                ServerProtocol::Http => {}
                ServerProtocol::Https | ServerProtocol::Tls => with_tls.extend(self.tls_chains(*served)),
                ServerProtocol::Tcp => bytes.extend(self.tcp_chains(*served, &FilterChainMatch::default())),
            }
        }
        let plaintext: Vec<Served<'a>> =
            servers.iter().filter(|(_, server)| server.protocol == ServerProtocol::Http).copied().collect();
        let has_tls = servers.iter().any(|(_, server)| server.tls.is_some());
        let mut chains = Vec::new();
        if !plaintext.is_empty() {
            chains.push(self.http_chain(&plaintext, has_tls));
        }
        chains.extend(with_tls);
        chains.extend(bytes);
        let chains = l4::without_twins(chains);
        if chains.is_empty() {
            // Nobody has said where anything goes; an open port would only take connections to drop them.
            return;
        }
        let inspector = ListenerFilter::TlsInspector(TlsInspector::default());
        self.traffic.listeners.push(Listener {
            direction: TrafficDirection::Outbound,
            listener_filters: if has_tls { vec![inspector] } else { Vec::new() },
            ..Listener::new(names::listener(self.address), self.address, chains)
        });
    }

    /// All servers in plaintext share a chain.
    fn http_chain(&mut self, servers: &[Served<'_>], has_tls: bool) -> FilterChain {
        let name = names::gateway_routes(self.address.port());
        let mut hosts = Hosts::default();
        hosts.add(self.scope, servers, self.address.port(), false);
        self.traffic.routes.push(hosts.into_routes(name.clone(), self.address.port()));
        let transport_protocol = has_tls.then_some(TransportProtocol::Plaintext);
        FilterChain {
            name: "plaintext".into(),
            matches: FilterChainMatch { transport_protocol, ..FilterChainMatch::default() },
            ..FilterChain::new(self.manager(name, None))
        }
    }

    fn tls_chains(&mut self, (gateway, server): Served<'_>) -> Vec<FilterChain> {
        let Some(settings) = &server.tls else { return Vec::new() };
        if settings.mode == ServerTlsMode::Passthrough {
            return self.passthrough_chains((gateway, server));
        }
        let http = server.protocol == ServerProtocol::Https;
        let tls = match server_tls::context(self.scope, settings, http) {
            Ok(tls) => tls,
            Err(reason) => {
                let message = format!("{reason}, so the server is left out");
                self.warn(server, message);
                return Vec::new();
            }
        };
        let matches = FilterChainMatch {
            server_names: server_names(server),
            transport_protocol: Some(TransportProtocol::Tls),
            ..FilterChainMatch::default()
        };
        if !http {
            let mut chains = self.tcp_chains((gateway, server), &matches);
            chains.iter_mut().for_each(|chain| chain.tls = Some(tls.clone()));
            return chains;
        }
        vec![self.https_chain((gateway, server), matches, tls, settings)]
    }

    fn https_chain(
        &mut self,
        (gateway, server): Served<'_>,
        matches: FilterChainMatch,
        tls: TlsServer,
        settings: &ServerTls,
    ) -> FilterChain {
        let name = names::gateway_tls_routes(gateway, server);
        let mut hosts = Hosts::default();
        hosts.add(self.scope, &[(gateway, server)], self.address.port(), true);
        self.traffic.routes.push(hosts.into_routes(name.clone(), self.address.port()));
        FilterChain {
            name: format!("Gateway {} {}", gateway.meta.key, server.port_name).into(),
            matches,
            tls: Some(tls),
            ..FilterChain::new(self.manager(name, Some(settings.mode)))
        }
    }

    /// By the `tls` rules of the virtual services that are bound to the gateway.
    fn passthrough_chains(&self, (gateway, server): Served<'_>) -> Vec<FilterChain> {
        let place = self.place(gateway, false);
        let stat_prefix = names::stat_prefix("ingress", self.address);
        let mut chains = Vec::new();
        for vs in bound(self.scope, gateway) {
            for mut chain in place.tls_chains(vs, &stat_prefix) {
                let allowed = |name: &ServerName| {
                    let name = match name {
                        ServerName::Exact(name) => name.clone(),
                        ServerName::Suffix(suffix) => format!("*{suffix}").into(),
                    };
                    serves(server, vs, &name)
                };
                let asked = chain.matches.server_names.len();
                chain.matches.server_names.retain(allowed);
                if chain.matches.server_names.is_empty() && (asked > 0 || !serves(server, vs, "*")) {
                    continue;
                }
                chain.matches.transport_protocol = Some(TransportProtocol::Tls);
                chains.push(chain);
            }
        }
        chains
    }

    /// By the `tcp` rules of the virtual services that are bound to the gateway.
    fn tcp_chains(&self, (gateway, server): Served<'_>, matches: &FilterChainMatch) -> Vec<FilterChain> {
        let place = self.place(gateway, server.tls.is_some());
        let stat_prefix = names::stat_prefix("ingress", self.address);
        let world = self.scope.world;
        let serves = |vs: &&VirtualService| !served_hosts(world, vs, server).is_empty();
        let services = bound(self.scope, gateway).filter(serves);
        services.flat_map(|vs| place.tcp_chains(vs, &stat_prefix, matches)).collect()
    }

    fn place(&self, gateway: &Gateway, tls: bool) -> Place<'a> {
        let gateway = GatewayRef::Gateway(gateway.meta.key.clone());
        Place { scope: *self.scope, gateway, port: self.address.port(), tls }
    }

    fn manager(&self, routes: Name, tls: Option<ServerTlsMode>) -> NetworkFilter {
        let asks_clients = tls.is_some_and(|mode| mode != ServerTlsMode::Simple);
        NetworkFilter::Http(Box::new(HttpConnectionManager {
            access_logs: access_log::of(self.scope, false),
            // Nobody in front of it can be trusted to say who the client is.
            use_remote_address: true,
            forward_client_cert: match asks_clients {
                true => ForwardClientCert::SanitizeSet,
                false => ForwardClientCert::Sanitize,
            },
            client_cert_details: ClientCertDetails {
                subject: asks_clients,
                uri: asks_clients,
                dns: asks_clients,
                ..ClientCertDetails::default()
            },
            upgrades: vec![Upgrade::to(Upgrade::WEBSOCKET)],
            filters: vec![HttpFilter::cors(), HttpFilter::fault()],
            ..HttpConnectionManager::new(
                names::stat_prefix("ingress", self.address),
                RouteSource::Rds(routes),
            )
        }))
    }

    fn warn(&mut self, server: &GatewayServer, message: String) {
        let problem: Problem = server.origin.warning(message).with_code("unknown-credential");
        self.traffic.warnings.push(problem);
    }
}

/// The virtual services bound to a gateway that its workload sees.
fn bound<'a>(scope: &Scope<'a>, gateway: &'a Gateway) -> impl Iterator<Item = &'a VirtualService> {
    let namespace = scope.namespace();
    let all = scope.world.virtual_services().iter().map(|vs| &**vs);
    all.filter(move |vs| vs.applies_to_gateway(&gateway.meta.key) && vs.export_to.includes(namespace))
}

/// The names of a ClientHello that lead to a server; none: all of them.
fn server_names(server: &GatewayServer) -> Vec<ServerName> {
    let names: Option<Vec<ServerName>> =
        server.hosts.iter().map(|served| l4::server_name(&served.host)).collect();
    let mut names = names.unwrap_or_default();
    names.sort();
    names.dedup();
    names
}

/// Whether a server serves all of `pattern` for this virtual service.
fn serves(server: &GatewayServer, vs: &VirtualService, pattern: &str) -> bool {
    let allowed = server
        .hosts
        .iter()
        .filter(|host| host.namespace.as_ref().is_none_or(|namespace| namespace == vs.meta.namespace()));
    allowed.into_iter().any(|host| host::covers(&host.host, pattern))
}

/// Virtual hosts, being collected.
#[derive(Default)]
struct Hosts(BTreeMap<Name, (Vec<Route>, RequireTls)>);

impl Hosts {
    /// Each host once; where several virtual services route a host, their rules follow one another in the order of the
    /// documents.
    fn add(&mut self, scope: &Scope<'_>, servers: &[Served<'_>], port: u16, tls: bool) {
        for (gateway, server) in servers {
            let require = if server.https_redirect { RequireTls::All } else { RequireTls::None };
            if server.https_redirect {
                // Whoever comes is sent away, whether anything is behind it or not.
                for served in &server.hosts {
                    self.0.entry(served.host.clone()).or_default().1 = require;
                }
            }
            let gateway_ref = GatewayRef::Gateway(gateway.meta.key.clone());
            let place = Place { scope: *scope, gateway: gateway_ref, port, tls };
            for vs in bound(scope, gateway) {
                for served in served_hosts(scope.world, vs, server) {
                    let host = self.0.entry(served).or_default();
                    host.0.extend(place.routes(vs));
                    if server.https_redirect {
                        host.1 = require;
                    }
                }
            }
        }
    }

    fn into_routes(self, name: Name, port: u16) -> RouteConfiguration {
        let virtual_host = |(pattern, (routes, require_tls)): (Name, (Vec<Route>, RequireTls))| VirtualHost {
            require_tls,
            ..VirtualHost::new(names::virtual_host(&pattern, port), pattern_domains(&pattern, port), routes)
        };
        RouteConfiguration::new(name, self.0.into_iter().map(virtual_host).collect())
    }
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
