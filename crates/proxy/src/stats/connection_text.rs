//! The counters of listener filters and network filters as Prometheus text.

use std::collections::BTreeMap;
use std::sync::Arc;

use ripstop_model::Name;

use super::cell::Cell;
use super::connection::{
    ConnectionLimitStats, InspectorStats, ProxyProtocolStats, RateLimitStats, RbacStats, TcpStats,
};
use super::per_worker::PerWorker;
use super::prometheus::{Field, Kind, Text};

/// The blocks of listener filters and network filters by `stat_prefix`.
#[derive(Debug, Default)]
pub struct ConnectionTables {
    /// One for all listeners; made when a listener has an inspector.
    pub inspectors: BTreeMap<Name, Arc<PerWorker<InspectorStats>>>,
    /// PROXY protocol.
    pub proxy_protocol: BTreeMap<Name, Arc<PerWorker<ProxyProtocolStats>>>,
    /// TCP proxies.
    pub tcp: BTreeMap<Name, Arc<PerWorker<TcpStats>>>,
    /// Connection limits.
    pub connection_limit: BTreeMap<Name, Arc<PerWorker<ConnectionLimitStats>>>,
    /// Local rate limits.
    pub rate_limit: BTreeMap<Name, Arc<PerWorker<RateLimitStats>>>,
    /// RBAC.
    pub rbac: BTreeMap<Name, Arc<PerWorker<RbacStats>>>,
}

impl ConnectionTables {
    /// Forgets the blocks that nobody else holds.
    pub fn forget_unused(&mut self) {
        self.inspectors.retain(|_, block| Arc::strong_count(block) > 1);
        self.proxy_protocol.retain(|_, block| Arc::strong_count(block) > 1);
        self.tcp.retain(|_, block| Arc::strong_count(block) > 1);
        self.connection_limit.retain(|_, block| Arc::strong_count(block) > 1);
        self.rate_limit.retain(|_, block| Arc::strong_count(block) > 1);
        self.rbac.retain(|_, block| Arc::strong_count(block) > 1);
    }
}

pub(super) const INSPECTORS: [Field<InspectorStats>; 12] = [
    ("tls_inspector_client_hello_too_large", Kind::Counter, |s| &s.client_hello_too_large),
    ("tls_inspector_tls_found", Kind::Counter, |s| &s.tls_found),
    ("tls_inspector_tls_not_found", Kind::Counter, |s| &s.tls_not_found),
    ("tls_inspector_alpn_found", Kind::Counter, |s| &s.alpn_found),
    ("tls_inspector_alpn_not_found", Kind::Counter, |s| &s.alpn_not_found),
    ("tls_inspector_sni_found", Kind::Counter, |s| &s.sni_found),
    ("tls_inspector_sni_not_found", Kind::Counter, |s| &s.sni_not_found),
    ("http_inspector_http10_found", Kind::Counter, |s| &s.http10_found),
    ("http_inspector_http11_found", Kind::Counter, |s| &s.http11_found),
    ("http_inspector_http2_found", Kind::Counter, |s| &s.http2_found),
    ("http_inspector_http_not_found", Kind::Counter, |s| &s.http_not_found),
    ("downstream_cx_proxy_proto_error", Kind::Counter, |s| &s.proxy_protocol_error),
];

pub(super) const TCP: [Field<TcpStats>; 6] = [
    ("downstream_cx_total", Kind::Counter, |s| &s.cx_total),
    ("downstream_cx_no_route", Kind::Counter, |s| &s.cx_no_route),
    ("downstream_cx_rx_bytes_total", Kind::Counter, |s| &s.rx_bytes),
    ("downstream_cx_tx_bytes_total", Kind::Counter, |s| &s.tx_bytes),
    ("idle_timeout", Kind::Counter, |s| &s.idle_timeout),
    ("max_downstream_connection_duration", Kind::Counter, |s| &s.max_duration),
];

pub(super) const CONNECTION_LIMIT: [Field<ConnectionLimitStats>; 2] = [
    ("active_connections", Kind::Gauge, |s| &s.active),
    ("limited_connections", Kind::Counter, |s| &s.limited),
];

pub(super) const RATE_LIMIT: [Field<RateLimitStats>; 1] = [("rate_limited", Kind::Counter, |s| &s.limited)];

pub(super) const RBAC: [Field<RbacStats>; 4] = [
    ("allowed", Kind::Counter, |s| &s.allowed),
    ("denied", Kind::Counter, |s| &s.denied),
    ("shadow_allowed", Kind::Counter, |s| &s.shadow_allowed),
    ("shadow_denied", Kind::Counter, |s| &s.shadow_denied),
];

/// A cell of a version of the PROXY protocol.
pub(super) type VersionField = (&'static str, &'static str, fn(&ProxyProtocolStats) -> &Cell);

pub(super) const PROXY_PROTOCOL: [VersionField; 8] = [
    ("not_found_allowed", "", |s| &s.not_found_allowed),
    ("not_found_disallowed", "", |s| &s.not_found_disallowed),
    ("found", "1", |s| &s.v1.found),
    ("found", "2", |s| &s.v2.found),
    ("disallowed", "1", |s| &s.v1.disallowed),
    ("disallowed", "2", |s| &s.v2.disallowed),
    ("error", "1", |s| &s.v1.error),
    ("error", "2", |s| &s.v2.error),
];

impl Text {
    /// Everything in `tables`.
    pub fn connections(&mut self, tables: &ConnectionTables) {
        for block in tables.inspectors.values() {
            for (name, _, cell) in &INSPECTORS {
                self.counter(&format!("envoy_{name}"), &[], block.sum(|s| cell(s).get()));
            }
        }
        for (prefix, block) in &tables.proxy_protocol {
            for (name, version, cell) in &PROXY_PROTOCOL {
                let tags =
                    [("envoy_proxy_protocol_prefix", &**prefix), ("envoy_proxy_protocol_version", version)];
                self.counter(&format!("envoy_proxy_proto_{name}"), &tags, block.sum(|s| cell(s).get()));
            }
        }
        self.blocks("envoy_tcp_", "envoy_tcp_prefix", &TCP, &tables.tcp);
        let tag = "envoy_connection_limit_prefix";
        self.blocks("envoy_connection_limit_", tag, &CONNECTION_LIMIT, &tables.connection_limit);
        let tag = "envoy_local_network_ratelimit_prefix";
        self.blocks("envoy_local_rate_limit_", tag, &RATE_LIMIT, &tables.rate_limit);
        self.blocks("envoy_rbac_", "envoy_rbac_prefix", &RBAC, &tables.rbac);
    }

    fn blocks<T: Default>(
        &mut self,
        prefix: &str,
        tag: &str,
        fields: &[Field<T>],
        blocks: &BTreeMap<Name, Arc<PerWorker<T>>>,
    ) {
        let blocks: Vec<_> = blocks.iter().map(|(name, block)| (&**name, &**block)).collect();
        if !blocks.is_empty() {
            self.fields(prefix, tag, fields, &blocks);
        }
    }
}
