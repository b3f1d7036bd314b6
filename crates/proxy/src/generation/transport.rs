//! How the endpoints of a cluster are reached: plainly or by TLS; all alike, or by their labels.

use std::collections::HashMap;
use std::sync::Arc;

use ripstop_identity::context::ContextError;
use ripstop_identity::context::client::{ClientContext, ClientUse};
use ripstop_identity::context::store::Slot;
use ripstop_model::cluster::UpstreamProtocol;
use ripstop_model::tls::TransportSocket;
use ripstop_model::{Address, Cluster, ClusterLoadAssignment, Name};

use crate::tls::TlsContexts;

/// One way to reach an endpoint.
pub struct ActiveTransport {
    /// How TLS is spoken; `None`: plaintext.
    pub tls: Option<Arc<Slot<ClientContext>>>,
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
        let compile = |socket: &TransportSocket| {
            let tls = match &socket.tls {
                Some(tls) => {
                    let used = ClientUse {
                        alpn: alpn(config.protocol),
                        verify_server_name: config.http.server_name.auto_san_validation,
                    };
                    Some(contexts.lock().client(tls, used)?)
                }
                None => None,
            };
            Ok(ActiveTransport {
                tls,
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
            let has = |(key, value): (&Name, &Name)| endpoint.transport_labels.get(key) == Some(value);
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
        UpstreamProtocol::Auto => vec!["h2".into(), "http/1.1".into()],
    }
}
