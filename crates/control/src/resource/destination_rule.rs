//! How a destination is spoken to, after routing: Istio's `DestinationRule`.

use std::time::Duration;

use ripstop_model::{Name, Percent};

use super::{Labels, Metadata, Origin};

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
}

impl TrafficPolicy {
    /// This policy with what it leaves open taken from `base`.
    pub fn over(&self, base: &TrafficPolicy) -> TrafficPolicy {
        TrafficPolicy {
            load_balancer: self.load_balancer.or(base.load_balancer),
            connection_pool: self.connection_pool.or(base.connection_pool),
            outlier: self.outlier.or(base.outlier),
        }
    }
}

/// How an instance is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadBalancer {
    /// In turn.
    RoundRobin,
    /// The one of two drawn by dice that has fewer requests under way.
    LeastRequest,
    /// By dice.
    Random,
}

/// Limits on connections and requests; `None` everywhere means none, as in Istio.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ConnectionPool {
    /// Connections.
    pub max_connections: Option<u32>,
    /// How long making a connection may take; `None`: 10 s.
    pub connect_timeout: Option<Duration>,
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
}

/// When instances are ejected. `None` everywhere means Envoy's default.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Outlier {
    /// This many 5xx in a row; 0: they do not eject.
    pub consecutive_5xx: Option<u32>,
    /// This many 502, 503 or 504 in a row; 0: they do not eject.
    pub consecutive_gateway_errors: Option<u32>,
    /// Time between sweeps.
    pub interval: Option<Duration>,
    /// The first ejection lasts this long.
    pub base_ejection_time: Option<Duration>,
    /// At most this share is ejected at once.
    pub max_ejection_percent: Option<Percent>,
    /// Below this share of healthy instances all are used; `None`: zero, as in Istio.
    pub min_health_percent: Option<Percent>,
}
