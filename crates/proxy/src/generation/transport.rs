//! How the endpoints of a cluster are reached: plainly or by TLS; all alike, or by their labels.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use ripstop_identity::context::ContextError;
use ripstop_identity::context::client::{ClientContext, ClientUse};
use ripstop_identity::context::store::Slot;
use ripstop_model::cluster::UpstreamProtocol;
use ripstop_model::health_check::{HealthCheck, Probe};
use ripstop_model::tls::{ProxyVersion, TlsClient, TransportSocket};
use ripstop_model::{Address, Cluster, ClusterLoadAssignment, Name};

use crate::tls::TlsContexts;

/// One way to reach an endpoint.
pub struct ActiveTransport {
    /// How TLS is spoken; `None`: plaintext.
    pub tls: Option<Arc<Slot<ClientContext>>>,
    /// How endpoints are told who the client is.
    pub proxy_protocol: Option<ProxyVersion>,
    /// Whether the host name of the endpoint is asked for.
    auto_host_sni: bool,
}

/// All ways of a cluster: those for labels in order, then the one for everything else.
pub struct Transports(Vec<ActiveTransport>);

/// Which way leads to which endpoint.
#[derive(Default)]
pub struct Ways {
    /// Place in [`Transports`]; the others go the last one.
    chosen: HashMap<Address, usize>,
    /// Host names, where one of the ways asks for them.
    names: HashMap<Address, Name>,
}

impl Transports {
    /// Compiles the ways of a cluster.
    pub fn compile(config: &Cluster, contexts: &TlsContexts) -> Result<Transports, ContextError> {
        Transports::offering(config, &alpn(config.protocol), false, contexts)
    }

    /// Compiles the ways of its health checks.
    pub fn for_checks(
        config: &Cluster,
        check: &HealthCheck,
        contexts: &TlsContexts,
    ) -> Result<Transports, ContextError> {
        let spoken = match &check.probe {
            Probe::Http(http) if http.http2 => alpn(UpstreamProtocol::Http2),
            Probe::Http(_) => alpn(UpstreamProtocol::Http1),
            Probe::Grpc(_) => alpn(UpstreamProtocol::Http2),
            Probe::Tcp(_) => Vec::new(),
        };
        let wanted = if check.alpn.is_empty() { &spoken } else { &check.alpn };
        Transports::offering(config, wanted, !check.alpn.is_empty(), contexts)
    }

    /// With these protocols on offer where the TLS of the cluster names none, or `always`.
    fn offering(
        config: &Cluster,
        protocols: &[Name],
        always: bool,
        contexts: &TlsContexts,
    ) -> Result<Transports, ContextError> {
        let compile = |socket: &TransportSocket| {
            let tls = match &socket.tls {
                Some(tls) => {
                    let used = ClientUse {
                        alpn: protocols.to_vec(),
                        verify_server_name: config.http.server_name.auto_san_validation,
                    };
                    let offering =
                        always.then(|| TlsClient { alpn: protocols.to_vec(), ..TlsClient::clone(tls) });
                    Some(contexts.lock().client(offering.as_ref().unwrap_or(tls), used)?)
                }
                None => None,
            };
            Ok(ActiveTransport {
                tls,
                proxy_protocol: socket.proxy_protocol,
                auto_host_sni: socket.tls.as_ref().is_some_and(|tls| tls.auto_host_sni),
            })
        };
        config.transports().map(compile).collect::<Result<_, _>>().map(Transports)
    }

    /// Which way leads to which endpoint of `assignment`.
    pub fn ways(&self, config: &Cluster, assignment: Option<&ClusterLoadAssignment>) -> Ways {
        let mut ways = Ways::default();
        let asks_names = self.0.iter().any(|transport| transport.auto_host_sni);
        if config.transport_matches.is_empty() && !asks_names {
            return ways;
        }
        for endpoint in assignment.iter().flat_map(|assignment| assignment.endpoints()) {
            let has =
                |(key, value): (&Name, &Name)| endpoint.extra().transport_labels.get(key) == Some(value);
            let fits = config.transport_matches.iter().position(|matched| matched.labels.iter().all(has));
            if let Some(index) = fits {
                ways.chosen.insert(endpoint.address.clone(), index);
            }
            if asks_names && !endpoint.hostname.is_empty() {
                ways.names.insert(endpoint.address.clone(), endpoint.hostname.clone());
            }
        }
        ways
    }

    /// The way for endpoints with these labels.
    pub fn for_labels(&self, config: &Cluster, labels: &BTreeMap<Name, Name>) -> &ActiveTransport {
        let has = |(key, value): (&Name, &Name)| labels.get(key) == Some(value);
        let fits = config.transport_matches.iter().position(|matched| matched.labels.iter().all(has));
        let last = self.0.len().saturating_sub(1);
        &self.0[fits.unwrap_or(last).min(last)]
    }

    /// The way to an endpoint.
    pub fn to(&self, ways: &Ways, address: &Address) -> &ActiveTransport {
        let last = self.0.len().saturating_sub(1);
        &self.0[ways.chosen.get(address).copied().unwrap_or(last).min(last)]
    }
}

impl Ways {
    /// The host name that is asked for at an endpoint, where its own is.
    pub fn host_name(&self, transport: &ActiveTransport, address: &Address) -> Option<&Name> {
        if transport.auto_host_sni { self.names.get(address) } else { None }
    }
}

/// What is offered where nothing is written, as in Envoy.
fn alpn(protocol: UpstreamProtocol) -> Vec<Name> {
    match protocol {
        UpstreamProtocol::Http1 => vec!["http/1.1".into()],
        UpstreamProtocol::Http2 => vec!["h2".into()],
        UpstreamProtocol::Auto | UpstreamProtocol::Downstream => vec!["h2".into(), "http/1.1".into()],
    }
}
