//! A set of endpoints that do the same, and how they are reached. Endpoints are [`crate::endpoint`].

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use crate::address::HostPort;
use crate::circuit_breaker::CircuitBreaker;
use crate::health_check::HealthRules;
use crate::load_shedding::LoadShedding;
use crate::metadata::Metadata;
use crate::outlier::OutlierDetection;
use crate::tls::{TransportSocket, TransportSocketMatch};
use crate::upstream_connection::UpstreamConnection;
use crate::upstream_http::UpstreamHttp;
use crate::{ClusterLoadAssignment, ConfigFile, LbPolicy, LoadBalancing, Name, Percent};

/// Envoy's `Cluster`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// Unique among clusters.
    pub name: Name,
    /// Where its endpoints come from.
    pub discovery: Discovery,
    /// How one of them is chosen.
    pub lb: LoadBalancing,
    /// How long making a connection may take, TLS included. Not zero.
    pub connect_timeout: Duration,
    /// What lies between TCP and the protocol.
    pub transport: TransportSocket,
    /// The same for endpoints with certain labels; the first that fits counts, and none leaves [`Cluster::transport`].
    pub transport_matches: Vec<TransportSocketMatch>,
    /// What is spoken to its endpoints.
    pub protocol: UpstreamProtocol,
    /// How HTTP is spoken beyond that.
    pub http: UpstreamHttp,
    /// How connections are made and how long they are kept.
    pub connection: UpstreamConnection,
    /// Limits on what may be under way at once.
    pub limits: CircuitLimits,
    /// The same for routes of high priority, which are counted for themselves.
    pub high_limits: CircuitLimits,
    /// When it, or an endpoint of it, is left alone for a while.
    pub breaker: Option<Box<CircuitBreaker>>,
    /// Which requests are refused first; `None`: whichever come last.
    pub shedding: Option<Box<LoadShedding>>,
    /// Passive health; `None`: no endpoint is ever ejected.
    pub outlier: Option<OutlierDetection>,
    /// Active health.
    pub health: HealthRules,
    /// A connection is closed after this many requests; `None`: never for that reason.
    pub max_requests_per_connection: Option<NonZeroU32>,
    /// A pooled connection without a request for this long is closed; `None`: 1 h; zero: never.
    pub idle_timeout: Option<Duration>,
    /// Metrics tell of every endpoint (Envoy's `per_endpoint_stats`).
    pub endpoint_metrics: bool,
    /// For logs and header values; `None`: there is none.
    pub metadata: Option<Arc<Metadata>>,
}

impl Cluster {
    /// Envoy's default for [`Cluster::connect_timeout`].
    pub const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
    /// Envoy's default for [`Cluster::idle_timeout`].
    pub const DEFAULT_IDLE_TIMEOUT: Duration = Duration::from_secs(3600);

    /// A plaintext HTTP/1.1 round-robin cluster with Envoy's defaults.
    pub fn new(name: impl Into<Name>, discovery: Discovery) -> Cluster {
        Cluster {
            name: name.into(),
            discovery,
            lb: LoadBalancing::new(LbPolicy::RoundRobin),
            connect_timeout: Cluster::DEFAULT_CONNECT_TIMEOUT,
            transport: TransportSocket::default(),
            transport_matches: Vec::new(),
            protocol: UpstreamProtocol::Http1,
            http: UpstreamHttp::default(),
            connection: UpstreamConnection::default(),
            limits: CircuitLimits::default(),
            high_limits: CircuitLimits::default(),
            breaker: None,
            shedding: None,
            outlier: None,
            health: HealthRules::default(),
            max_requests_per_connection: None,
            idle_timeout: None,
            endpoint_metrics: false,
            metadata: None,
        }
    }

    /// Every way in which its endpoints are reached.
    pub fn transports(&self) -> impl Iterator<Item = &TransportSocket> {
        self.transport_matches.iter().map(|matched| &matched.socket).chain([&self.transport])
    }

    /// The EDS resource that holds its endpoints, when they come from EDS.
    pub fn eds_name(&self) -> Option<&Name> {
        match &self.discovery {
            Discovery::Eds { service_name } | Discovery::EdsFile { service_name, .. } => {
                Some(service_name.as_ref().unwrap_or(&self.name))
            }
            Discovery::Static(_) | Discovery::Dns(_) => None,
        }
    }

    /// The assignment of a snapshot that holds its endpoints: that of EDS, or what its names were resolved to, which
    /// bears the name of the cluster.
    pub fn assignment_name(&self) -> Option<&Name> {
        match &self.discovery {
            Discovery::Dns(_) => Some(&self.name),
            Discovery::Static(_) | Discovery::Eds { .. } | Discovery::EdsFile { .. } => self.eds_name(),
        }
    }
}

/// Where the endpoints of a cluster come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Discovery {
    /// Written in place.
    Static(ClusterLoadAssignment),
    /// EDS over ADS.
    Eds {
        /// Name of the EDS resource; `None`: the cluster's own name.
        service_name: Option<Name>,
    },
    /// EDS from a file.
    EdsFile {
        /// Name of the EDS resource in it; `None`: the cluster's own name.
        service_name: Option<Name>,
        /// The file.
        file: ConfigFile,
    },
    /// Names that are resolved again and again.
    Dns(Box<DnsDiscovery>),
}

/// Envoy's `STRICT_DNS` and `LOGICAL_DNS`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsDiscovery {
    /// What an answer means.
    pub kind: DnsKind,
    /// The names. `LOGICAL_DNS` has exactly one.
    pub hosts: ClusterLoadAssignment<HostPort>,
    /// Which addresses are asked for.
    pub family: DnsFamily,
    /// Time between two questions. Not zero.
    pub refresh: Duration,
    /// Whether the TTL of an answer takes the place of [`DnsDiscovery::refresh`].
    pub respect_ttl: bool,
    /// Each wait after a good answer is longer by up to this long.
    pub jitter: Duration,
    /// Time until the next question after one without an answer; `None`: [`DnsDiscovery::refresh`].
    pub after_failure: Option<FailureRefresh>,
    /// Name servers that are asked; none: those of the system.
    pub resolvers: Vec<SocketAddr>,
}

/// Envoy's `RefreshRate`: twice as long after each failure in a row, with jitter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FailureRefresh {
    /// After the first failure. Not zero.
    pub base: Duration,
    /// Never longer than this; not below `base`.
    pub max: Duration,
}

impl DnsDiscovery {
    /// Envoy's default for [`DnsDiscovery::refresh`].
    pub const DEFAULT_REFRESH: Duration = Duration::from_secs(5);

    /// Names with Envoy's defaults for how they are asked for.
    pub fn new(kind: DnsKind, hosts: ClusterLoadAssignment<HostPort>) -> DnsDiscovery {
        DnsDiscovery {
            kind,
            hosts,
            family: DnsFamily::Auto,
            refresh: DnsDiscovery::DEFAULT_REFRESH,
            respect_ttl: false,
            jitter: Duration::ZERO,
            after_failure: None,
            resolvers: Vec::new(),
        }
    }
}

/// What an answer of DNS means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DnsKind {
    /// Every address is an endpoint (`STRICT_DNS`).
    Strict,
    /// The first address is the endpoint (`LOGICAL_DNS`).
    Logical,
}

/// Envoy's `DnsLookupFamily`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DnsFamily {
    /// IPv6, and IPv4 when there is none.
    #[default]
    Auto,
    /// IPv4.
    V4Only,
    /// IPv6.
    V6Only,
    /// IPv4, and IPv6 when there is none.
    V4Preferred,
    /// Both.
    All,
}

/// What is spoken to the endpoints of a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UpstreamProtocol {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2, by prior knowledge or ALPN.
    Http2,
    /// What ALPN gives; HTTP/1.1 without it (Envoy's `auto_config`).
    Auto,
    /// What the client of each request speaks (Envoy's `use_downstream_protocol_config`).
    Downstream,
}

/// Envoy's circuit breaker thresholds: limits on what may be under way at once, over all workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CircuitLimits {
    /// Connections.
    pub max_connections: u32,
    /// Connections to each endpoint; `None`: no limit (Envoy's `per_host_thresholds`).
    pub max_connections_per_host: Option<u32>,
    /// Requests that wait for a connection.
    pub max_pending_requests: u32,
    /// Requests that have been sent and not yet answered.
    pub max_requests: u32,
    /// Retries under way; with a budget, the budget counts instead.
    pub max_retries: u32,
    /// Retries as a share of what is under way. On by default, unlike Envoy's.
    pub retry_budget: Option<RetryBudget>,
    /// Metrics say how much is left.
    pub track_remaining: bool,
}

impl Default for CircuitLimits {
    /// Envoy's 1024 each, and the retry budget on.
    fn default() -> CircuitLimits {
        CircuitLimits {
            max_connections: 1024,
            max_connections_per_host: None,
            max_pending_requests: 1024,
            max_requests: 1024,
            max_retries: 3,
            retry_budget: Some(RetryBudget::default()),
            track_remaining: false,
        }
    }
}

/// Envoy's `RetryBudget`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryBudget {
    /// Retries may be this share of active and pending requests.
    pub budget: Percent,
    /// This many may always be under way.
    pub min_concurrency: u32,
    /// What it is a share of.
    pub of: BudgetBase,
}

/// What a retry budget is a share of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum BudgetBase {
    /// What is under way and is no retry itself: 20 % make a load of at most 1.2. Ours; travels as
    /// `filter_metadata["ripstop"]`.
    #[default]
    FirstTries,
    /// All that is under way, as Envoy counts: retries feed their own budget, and 20 % allow a load of 1.25.
    AllRequests,
}

impl Default for RetryBudget {
    /// 20 % of first tries, at least 3.
    fn default() -> RetryBudget {
        RetryBudget { budget: Percent::whole(20), min_concurrency: 3, of: BudgetBase::FirstTries }
    }
}
