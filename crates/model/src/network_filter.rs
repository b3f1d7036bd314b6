//! What a filter chain does with a connection: filters that may refuse it, and the one that serves it.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::rbac::Rbac;
use crate::route::HeaderAddition;
use crate::runtime::RuntimeFeature;
use crate::{AccessLog, Format, HttpConnectionManager, Name, Percent};

/// A filter before the terminal one; they run in the order of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectionFilter {
    /// Bounds how many connections there are.
    ConnectionLimit(ConnectionLimit),
    /// Bounds how many connections are made.
    LocalRateLimit(LocalRateLimit),
    /// Decides who may connect.
    Rbac(Rbac),
    /// Sends the connection to the cluster that has the name in the ClientHello.
    SniCluster,
}

/// Envoy's `ConnectionLimit`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionLimit {
    /// Part of its metric names.
    pub stat_prefix: Name,
    /// Most connections at once; at least 1.
    pub max_connections: u64,
    /// How long one beyond the limit is kept waiting before it is closed.
    pub delay: Option<Duration>,
    /// Whether the limit is in force.
    pub enabled: RuntimeFeature,
}

/// Envoy's network `LocalRateLimit`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalRateLimit {
    /// Part of its metric names.
    pub stat_prefix: Name,
    /// Each connection takes a token.
    pub bucket: TokenBucket,
    /// Filters with the same key and bucket share the tokens; empty: not shared.
    pub share_key: Name,
    /// Whether the limit is in force.
    pub enabled: RuntimeFeature,
}

/// Envoy's `TokenBucket`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TokenBucket {
    /// Most tokens it holds, and what it begins with.
    pub max_tokens: NonZeroU32,
    /// Tokens that come in each interval.
    pub tokens_per_fill: NonZeroU32,
    /// The interval; at least 50 ms.
    pub fill_interval: Duration,
}

/// The terminal network filter of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NetworkFilter {
    /// HTTP/1.1 and HTTP/2.
    Http(Box<HttpConnectionManager>),
    /// Bytes, unseen.
    Tcp(TcpProxy),
    /// Sends every byte back.
    Echo,
    /// Sends this text and closes.
    DirectResponse(Name),
    /// There is none: the connection is closed.
    Nothing,
}

/// Envoy's `TcpProxy`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TcpProxy {
    /// Beginning of its metric names.
    pub stat_prefix: Name,
    /// Where the bytes go: one of these for each connection, by weight. Never empty.
    pub clusters: Vec<WeightedTcpCluster>,
    /// Closed after this long without a byte in either direction; `None`: 1 h; zero: never.
    pub idle_timeout: Option<Duration>,
    /// Closed after this long, whatever happens.
    pub max_duration: Option<Duration>,
    /// Up to this share longer, by dice, so that connections which began together do not end together.
    pub max_duration_jitter: Percent,
    /// Endpoints tried before the connection is given up.
    pub max_connect_attempts: NonZeroU32,
    /// Shortest and longest wait between these tries; `None`: none.
    pub backoff: Option<ConnectBackoff>,
    /// A line for each connection.
    pub access_logs: Vec<AccessLog>,
    /// The bytes go through an HTTP tunnel; `None`: as they are.
    pub tunneling: Option<Box<Tunneling>>,
}

/// Envoy's `TunnelingConfig`: a request opens a tunnel through whatever proxy the endpoint is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tunneling {
    /// Host and port that the tunnel leads to.
    pub hostname: Format,
    /// `None`: CONNECT; else POST to this path.
    pub post_path: Option<Name>,
    /// Headers of the request.
    pub headers: Vec<HeaderAddition>,
}

/// A share of the connections of a TCP proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeightedTcpCluster {
    /// Where they go.
    pub name: Name,
    /// Its part of the sum of all weights; at least 1.
    pub weight: u32,
}

/// The wait before another try: evenly between nothing and a bound that doubles each time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectBackoff {
    /// First bound; not zero.
    pub base: Duration,
    /// Last bound; not below the first.
    pub max: Duration,
}

impl TcpProxy {
    /// Everything goes to one cluster.
    pub fn new(stat_prefix: impl Into<Name>, cluster: impl Into<Name>) -> TcpProxy {
        TcpProxy {
            stat_prefix: stat_prefix.into(),
            clusters: vec![WeightedTcpCluster { name: cluster.into(), weight: 1 }],
            idle_timeout: None,
            max_duration: None,
            max_duration_jitter: Percent::ZERO,
            max_connect_attempts: NonZeroU32::MIN,
            backoff: None,
            access_logs: Vec::new(),
            tunneling: None,
        }
    }
}
