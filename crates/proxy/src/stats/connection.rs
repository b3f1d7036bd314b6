//! What is counted by listener filters and network filters, by Envoy's names. Not what is counted of HTTP.

use super::cell::Cell;

/// What the inspectors saw (Envoy's `tls_inspector.*` and `http_inspector.*`), one block for all listeners.
#[derive(Debug, Default)]
pub struct InspectorStats {
    /// ClientHellos that were too large.
    pub client_hello_too_large: Cell,
    /// Connections that speak TLS.
    pub tls_found: Cell,
    /// Connections that do not.
    pub tls_not_found: Cell,
    /// ClientHellos with application protocols.
    pub alpn_found: Cell,
    /// ClientHellos without.
    pub alpn_not_found: Cell,
    /// ClientHellos with a server name.
    pub sni_found: Cell,
    /// ClientHellos without.
    pub sni_not_found: Cell,
    /// Connections that speak HTTP/1.0.
    pub http10_found: Cell,
    /// Connections that speak HTTP/1.1.
    pub http11_found: Cell,
    /// Connections that speak HTTP/2.
    pub http2_found: Cell,
    /// Connections that speak something else.
    pub http_not_found: Cell,
    /// PROXY headers that were refused.
    pub proxy_protocol_error: Cell,
}

/// What a PROXY protocol filter saw (Envoy's `proxy_proto.<stat_prefix>.*`).
#[derive(Debug, Default)]
pub struct ProxyProtocolStats {
    /// Connections without a header, where one is optional.
    pub not_found_allowed: Cell,
    /// Connections without a header, closed.
    pub not_found_disallowed: Cell,
    /// Headers of version 1.
    pub v1: VersionStats,
    /// Headers of version 2.
    pub v2: VersionStats,
}

/// Headers of one version.
#[derive(Debug, Default)]
pub struct VersionStats {
    /// There was one.
    pub found: Cell,
    /// It was one of a version that is refused.
    pub disallowed: Cell,
    /// It was malformed.
    pub error: Cell,
}

/// What a TCP proxy does (Envoy's `tcp.<stat_prefix>.*`).
#[derive(Debug, Default)]
pub struct TcpStats {
    /// Connections taken.
    pub cx_total: Cell,
    /// Connections whose cluster does not exist.
    pub cx_no_route: Cell,
    /// Bytes read from clients.
    pub rx_bytes: Cell,
    /// Bytes written to clients.
    pub tx_bytes: Cell,
    /// Connections closed because nothing moved for too long.
    pub idle_timeout: Cell,
    /// Connections closed because they lasted too long.
    pub max_duration: Cell,
}

/// What a connection limit does (Envoy's `connection_limit.<stat_prefix>.*`).
#[derive(Debug, Default)]
pub struct ConnectionLimitStats {
    /// Connections under the limit now.
    pub active: Cell,
    /// Connections refused.
    pub limited: Cell,
}

/// What a local rate limit does (Envoy's `local_rate_limit.<stat_prefix>.*`).
#[derive(Debug, Default)]
pub struct RateLimitStats {
    /// Connections refused.
    pub limited: Cell,
}

/// What network RBAC decides (Envoy's `<stat_prefix>rbac.*`).
#[derive(Debug, Default)]
pub struct RbacStats {
    /// Connections let in.
    pub allowed: Cell,
    /// Connections refused.
    pub denied: Cell,
    /// Connections that the shadow rules would let in.
    pub shadow_allowed: Cell,
    /// Connections that the shadow rules would refuse.
    pub shadow_denied: Cell,
}
