//! How a destination is spoken to, after routing: Istio's `DestinationRule`. Its parts are [`super::load_balancer`] and
//! [`super::client_tls`].

use std::collections::BTreeMap;
use std::time::Duration;

use ripstop_model::cluster::RetryBudget;
use ripstop_model::tls::ProxyVersion;
use ripstop_model::upstream_connection::TcpKeepalive;
use ripstop_model::{Name, Percent};

use super::{ClientTls, ExportTo, Labels, LoadBalancer, Metadata, Origin};

/// `DestinationRule` of `networking.istio.io`.
#[derive(Clone, Debug, PartialEq)]
pub struct DestinationRule {
    /// Name and place.
    pub meta: Metadata,
    /// Service that it applies to: short name, full name, `*.suffix` or `*`.
    pub host: Name,
    /// For the service as a whole, and for what subsets leave open.
    pub policy: TrafficPolicy,
    /// Parts of the service; names are unique.
    pub subsets: Vec<Subset>,
    /// The calling workloads that it applies to, in its own namespace; `None`: all.
    pub selector: Option<Labels>,
    /// Where it can be seen.
    pub export_to: ExportTo,
}

/// A part of a service: the instances with these labels.
#[derive(Clone, Debug, PartialEq)]
pub struct Subset {
    /// Name by which routes refer to it.
    pub name: Name,
    /// What its instances have.
    pub labels: Labels,
    /// What differs from the service as a whole. A section that is here replaces the other one whole.
    pub policy: TrafficPolicy,
    /// Where it was written.
    pub origin: Origin,
}

/// How a destination is spoken to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TrafficPolicy {
    /// `None`: least request.
    pub load_balancer: Option<LoadBalancer>,
    /// `None`: no limits.
    pub connection_pool: Option<ConnectionPool>,
    /// `None`: no instance is ejected.
    pub outlier: Option<Outlier>,
    /// `None`: as the instances take it.
    pub tls: Option<ClientTls>,
    /// `None`: that of [`RetryBudget::default`].
    pub retry_budget: Option<RetryBudget>,
    /// Instances are told by the PROXY protocol who the client is.
    pub proxy_protocol: Option<ProxyVersion>,
    /// The instances are proxies, and connections of bytes go through them to somewhere else.
    pub tunnel: Option<HttpTunnel>,
    /// What holds for a port alone. It leaves nothing open: a section that is not here has its default, as in Istio.
    pub ports: BTreeMap<u16, TrafficPolicy>,
}

impl TrafficPolicy {
    /// What holds for a port.
    pub fn for_port(&self, port: u16) -> TrafficPolicy {
        let whole = TrafficPolicy { ports: BTreeMap::new(), ..self.clone() };
        match self.ports.get(&port) {
            None => whole,
            // These cannot be written for a port.
            Some(own) => TrafficPolicy {
                retry_budget: whole.retry_budget,
                proxy_protocol: whole.proxy_protocol,
                tunnel: whole.tunnel,
                ..own.clone()
            },
        }
    }

    /// What holds for a port of a subset with this policy, where the service as a whole has `base` for the port.
    pub fn over(&self, base: &TrafficPolicy, port: u16) -> TrafficPolicy {
        if self.ports.contains_key(&port) {
            return self.for_port(port);
        }
        TrafficPolicy {
            load_balancer: self.load_balancer.clone().or_else(|| base.load_balancer.clone()),
            connection_pool: self.connection_pool.or(base.connection_pool),
            outlier: self.outlier.or(base.outlier),
            tls: self.tls.clone().or_else(|| base.tls.clone()),
            retry_budget: self.retry_budget.or(base.retry_budget),
            proxy_protocol: self.proxy_protocol.or(base.proxy_protocol),
            tunnel: self.tunnel.clone().or_else(|| base.tunnel.clone()),
            ports: BTreeMap::new(),
        }
    }
}

/// Where a proxy is asked to open a tunnel to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpTunnel {
    /// By a POST, not by a CONNECT.
    pub post: bool,
    /// Host, with brackets where it is an IPv6 address, and port.
    pub target: Name,
}

/// Limits on connections and requests; `None` everywhere means none, as in Istio.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ConnectionPool {
    /// Connections.
    pub max_connections: Option<u32>,
    /// How long making a connection may take; `None`: 10 s.
    pub connect_timeout: Option<Duration>,
    /// A connection of bytes without any for this long is closed; `None`: 1 h.
    pub tcp_idle_timeout: Option<Duration>,
    /// Requests that wait for a connection.
    pub max_pending_requests: Option<u32>,
    /// Requests under way.
    pub max_requests: Option<u32>,
    /// Requests that one connection carries.
    pub max_requests_per_connection: Option<u32>,
    /// Retries under way; `None`: a budget of 20 % of what is under way.
    pub max_retries: Option<u32>,
    /// A connection without a request for this long is closed; `None`: 1 h.
    pub idle_timeout: Option<Duration>,
    /// HTTP/2 to instances that are spoken to in plaintext.
    pub http2: Option<bool>,
    /// Streams of one HTTP/2 connection.
    pub max_concurrent_streams: Option<u32>,
    /// Silent peers are probed by the kernel; `None`: they are not.
    pub keepalive: Option<TcpKeepalive>,
    /// A connection is given up when it is this old; `None`: however old.
    pub max_connection_duration: Option<Duration>,
    /// Instances that are spoken to in plaintext are spoken to as the client of each request speaks, whatever `http2` says.
    pub use_client_protocol: Option<bool>,
}

/// When instances are ejected. `None` everywhere means Envoy's default.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Outlier {
    /// This many 5xx in a row; 0: they do not eject.
    pub consecutive_5xx: Option<u32>,
    /// This many 502, 503 or 504 in a row; 0: they do not eject.
    pub consecutive_gateway_errors: Option<u32>,
    /// Failures to connect, and timeouts, are counted apart.
    pub split_local_origin: bool,
    /// This many of those in a row.
    pub consecutive_local_origin: Option<u32>,
    /// Time between sweeps.
    pub interval: Option<Duration>,
    /// The first ejection lasts this long.
    pub base_ejection_time: Option<Duration>,
    /// At most this share is ejected at once.
    pub max_ejection_percent: Option<Percent>,
    /// Below this share of healthy instances all are used; `None`: zero, as in Istio.
    pub min_health_percent: Option<Percent>,
}
