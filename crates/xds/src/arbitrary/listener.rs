//! Listeners, at random.

use fastrand::Rng;
use ripstop_model::listener::{FilterChainMatch, TcpProxy, TrafficDirection, TransportProtocol};
use ripstop_model::{FilterChain, Listener, NetworkFilter};

use super::access_log::access_log;
use super::http_manager::http_manager;
use super::tls::tls_server;
use super::{address, duration, list, name, option};

pub(super) fn filter_chain(rng: &mut Rng, transport_protocol: Option<TransportProtocol>) -> FilterChain {
    let filter = match rng.u8(0..4) {
        0 => NetworkFilter::Tcp(TcpProxy {
            stat_prefix: name(rng),
            cluster: name(rng),
            idle_timeout: option(rng, duration),
            access_logs: list(rng, 2, access_log),
        }),
        _ => NetworkFilter::Http(Box::new(http_manager(rng))),
    };
    FilterChain {
        name: if rng.bool() { name(rng) } else { "".into() },
        matches: FilterChainMatch { transport_protocol },
        tls: option(rng, tls_server),
        filter,
    }
}

/// A listener.
pub(crate) fn listener(rng: &mut Rng) -> Listener {
    let directions = [TrafficDirection::Unspecified, TrafficDirection::Inbound, TrafficDirection::Outbound];
    let split = rng.bool();
    let matches = match split {
        true => vec![Some(TransportProtocol::Tls), Some(TransportProtocol::Plaintext)],
        false => vec![None],
    };
    Listener {
        name: name(rng),
        address: address(rng),
        direction: directions[rng.usize(0..directions.len())],
        tls_inspector: split || rng.bool(),
        listener_filters_timeout: option(rng, duration),
        filter_chains: matches.into_iter().map(|protocol| filter_chain(rng, protocol)).collect(),
    }
}
