//! A place where connections are taken, and which chain of filters each of them gets.

use std::time::Duration;

use crate::{AccessLog, Address, HttpConnectionManager, Name, TlsServer};

/// Envoy's `Listener`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Unique among listeners.
    pub name: Name,
    /// Where connections are taken.
    pub address: Address,
    /// Direction relative to the workload; chooses metric labels and the kind of span.
    pub direction: TrafficDirection,
    /// Tells TLS from plaintext by the first bytes before a chain is chosen (`tls_inspector`).
    pub tls_inspector: bool,
    /// How long a client may take to send what the inspector needs; `None`: Envoy's 15 s.
    pub listener_filters_timeout: Option<Duration>,
    /// The chains; the most specific match wins.
    pub filter_chains: Vec<FilterChain>,
}

impl Listener {
    /// Envoy's default for [`Listener::listener_filters_timeout`].
    pub const DEFAULT_LISTENER_FILTERS_TIMEOUT: Duration = Duration::from_secs(15);

    /// A listener with Envoy's defaults.
    pub fn new(name: impl Into<Name>, address: Address, filter_chains: Vec<FilterChain>) -> Listener {
        Listener {
            name: name.into(),
            address,
            direction: TrafficDirection::Unspecified,
            tls_inspector: false,
            listener_filters_timeout: None,
            filter_chains,
        }
    }
}

/// Envoy's `TrafficDirection`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TrafficDirection {
    /// Not known.
    #[default]
    Unspecified,
    /// Towards the workload.
    Inbound,
    /// From the workload.
    Outbound,
}

/// What happens to a connection that matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterChain {
    /// May be empty.
    pub name: Name,
    /// Which connections it takes.
    pub matches: FilterChainMatch,
    /// `None`: plaintext.
    pub tls: Option<TlsServer>,
    /// The terminal network filter.
    pub filter: NetworkFilter,
}

impl FilterChain {
    /// A chain in plaintext that takes every connection.
    pub fn new(filter: NetworkFilter) -> FilterChain {
        FilterChain { name: Name::from(""), matches: FilterChainMatch::default(), tls: None, filter }
    }
}

/// Which connections a chain takes. Empty fields match everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FilterChainMatch {
    /// What the connection speaks, as the TLS inspector saw it.
    pub transport_protocol: Option<TransportProtocol>,
}

/// What a connection speaks below the application protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TransportProtocol {
    /// `raw_buffer`.
    Plaintext,
    /// `tls`.
    Tls,
}

/// The terminal network filter of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NetworkFilter {
    /// HTTP/1.1 and HTTP/2.
    Http(Box<HttpConnectionManager>),
    /// Bytes, unseen.
    Tcp(TcpProxy),
}

/// Envoy's `TcpProxy`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TcpProxy {
    /// Beginning of its metric names.
    pub stat_prefix: Name,
    /// Where the bytes go.
    pub cluster: Name,
    /// Closed after this long without a byte in either direction; `None`: 1 h; zero: never.
    pub idle_timeout: Option<Duration>,
    /// A line for each connection.
    pub access_logs: Vec<AccessLog>,
}

impl TcpProxy {
    /// Everything goes to one cluster.
    pub fn new(stat_prefix: impl Into<Name>, cluster: impl Into<Name>) -> TcpProxy {
        TcpProxy {
            stat_prefix: stat_prefix.into(),
            cluster: cluster.into(),
            idle_timeout: None,
            access_logs: Vec::new(),
        }
    }
}
