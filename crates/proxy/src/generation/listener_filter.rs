//! A listener filter ready for connections: with its counters. How bytes are read is `listener/inspect.rs`.

use std::sync::Arc;

use ripstop_model::listener_filter::{ListenerFilter, ProxyProtocol, TlsInspector};

use crate::stats::connection::{InspectorStats, ProxyProtocolStats};
use crate::stats::per_worker::PerWorker;
use crate::stats::registry::Registry;

/// A compiled [`ListenerFilter`].
pub enum ActiveListenerFilter {
    /// Tells TLS from plaintext.
    Tls(TlsInspector, Arc<PerWorker<InspectorStats>>),
    /// Tells which HTTP is spoken.
    Http(Arc<PerWorker<InspectorStats>>),
    /// Reads who the client is.
    ProxyProtocol(ActiveProxyProtocol),
    /// Asks the kernel where the client wanted to go.
    OriginalDst,
}

/// A compiled [`ProxyProtocol`].
pub struct ActiveProxyProtocol {
    /// What it was compiled from.
    pub config: ProxyProtocol,
    /// What it saw.
    pub stats: Arc<PerWorker<ProxyProtocolStats>>,
    /// What is counted for all of them together.
    pub common: Arc<PerWorker<InspectorStats>>,
}

impl ActiveListenerFilter {
    /// Finds the counters.
    pub fn compile(filter: &ListenerFilter, registry: &Registry) -> ActiveListenerFilter {
        match filter {
            ListenerFilter::TlsInspector(config) => {
                ActiveListenerFilter::Tls(config.clone(), registry.inspectors())
            }
            ListenerFilter::HttpInspector => ActiveListenerFilter::Http(registry.inspectors()),
            ListenerFilter::OriginalDst => ActiveListenerFilter::OriginalDst,
            ListenerFilter::ProxyProtocol(config) => {
                ActiveListenerFilter::ProxyProtocol(ActiveProxyProtocol {
                    config: config.clone(),
                    stats: registry.proxy_protocol(&config.stat_prefix),
                    common: registry.inspectors(),
                })
            }
        }
    }
}
