//! A place where connections are taken, and which chain of filters each of them gets.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::address::BindAddress;
use crate::chain_match::FilterChainMatch;
use crate::listener_filter::{ConnectionPredicate, ListenerFilter};
use crate::network_filter::{ConnectionFilter, NetworkFilter};
use crate::{AccessLog, Name, TlsServer};

/// Envoy's `Listener`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Unique among listeners.
    pub name: Name,
    /// Where connections are taken.
    pub address: BindAddress,
    /// Where connections are taken as well.
    pub additional_addresses: Vec<BindAddress>,
    /// `false`: no socket is opened; the listener only gets connections that were redirected (`use_original_dst`).
    pub bind_to_port: bool,
    /// Hands a connection over to the listener at the address that the client wanted to reach.
    pub use_original_dst: bool,
    /// Binds addresses that this machine does not have (yet).
    pub freebind: bool,
    /// Length of the kernel's queue of connections; `None`: what the kernel allows.
    pub backlog: Option<u32>,
    /// Direction relative to the workload; chooses metric labels and the kind of span.
    pub direction: TrafficDirection,
    /// What looks at a connection before its chain is chosen, in this order.
    pub listener_filters: Vec<ListenerFilter>,
    /// For which connections one of these is left out, by its place in the list.
    pub disabled_filters: BTreeMap<usize, ConnectionPredicate>,
    /// How long a client may take to send what these need; `None`: Envoy's 15 s; zero: for ever.
    pub listener_filters_timeout: Option<Duration>,
    /// Goes on with what is known after that time, instead of closing the connection.
    pub continue_on_listener_filters_timeout: bool,
    /// The chains; the most specific match wins.
    pub filter_chains: Vec<FilterChain>,
    /// Takes what matches none of them.
    pub default_filter_chain: Option<Box<FilterChain>>,
    /// Most bytes of a connection that are held in one direction; `None`: what the proxy holds anyway.
    pub buffer_limit_bytes: Option<u32>,
    /// Connections taken at once before others have their turn; `None`: no bound.
    pub max_accepts_per_event: Option<u32>,
    /// Its connections do not count for the global limit, and are not refused by it.
    pub ignores_global_limit: bool,
    /// A line for each connection.
    pub access_logs: Vec<AccessLog>,
}

impl Listener {
    /// Envoy's default for [`Listener::listener_filters_timeout`].
    pub const DEFAULT_LISTENER_FILTERS_TIMEOUT: Duration = Duration::from_secs(15);

    /// A listener with Envoy's defaults.
    pub fn new(
        name: impl Into<Name>,
        address: impl Into<BindAddress>,
        filter_chains: Vec<FilterChain>,
    ) -> Listener {
        Listener {
            name: name.into(),
            address: address.into(),
            additional_addresses: Vec::new(),
            bind_to_port: true,
            use_original_dst: false,
            freebind: false,
            backlog: None,
            direction: TrafficDirection::Unspecified,
            listener_filters: Vec::new(),
            disabled_filters: BTreeMap::new(),
            listener_filters_timeout: None,
            continue_on_listener_filters_timeout: false,
            filter_chains,
            default_filter_chain: None,
            buffer_limit_bytes: None,
            max_accepts_per_event: None,
            ignores_global_limit: false,
            access_logs: Vec::new(),
        }
    }

    /// Where connections are taken, the first address first.
    pub fn addresses(&self) -> impl Iterator<Item = &BindAddress> {
        std::iter::once(&self.address).chain(&self.additional_addresses)
    }

    /// The same listener without chains and access logs: what must not change if its connections are to stay.
    pub fn without_chains(&self) -> Listener {
        Listener {
            name: self.name.clone(),
            address: self.address.clone(),
            additional_addresses: self.additional_addresses.clone(),
            listener_filters: self.listener_filters.clone(),
            disabled_filters: self.disabled_filters.clone(),
            filter_chains: Vec::new(),
            default_filter_chain: None,
            access_logs: Vec::new(),
            ..*self
        }
    }

    /// The chains, the default one last.
    pub fn chains(&self) -> impl Iterator<Item = &FilterChain> {
        self.filter_chains.iter().chain(self.default_filter_chain.as_deref())
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
    /// How long the TLS handshake may take; `None`: as long as the proxy allows.
    pub handshake_timeout: Option<Duration>,
    /// What may refuse a connection, in this order.
    pub filters: Vec<ConnectionFilter>,
    /// The terminal network filter.
    pub filter: NetworkFilter,
}

impl FilterChain {
    /// A chain in plaintext that takes every connection.
    pub fn new(filter: NetworkFilter) -> FilterChain {
        FilterChain {
            name: Name::from(""),
            matches: FilterChainMatch::default(),
            tls: None,
            handshake_timeout: None,
            filters: Vec::new(),
            filter,
        }
    }
}
