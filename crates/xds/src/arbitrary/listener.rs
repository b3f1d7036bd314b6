//! Listeners, at random.

use fastrand::Rng;
use ripstop_model::address::BindAddress;
use ripstop_model::chain_match::{FilterChainMatch, ServerName, SourceType, TransportProtocol};
use ripstop_model::cidr::CidrRange;
use ripstop_model::listener::TrafficDirection;
use ripstop_model::listener_filter::{ConnectionPredicate, ListenerFilter, ProxyProtocol, TlsInspector};
use ripstop_model::{Address, FilterChain, Listener, Name, NetworkFilter};

use super::access_log::access_log;
use super::network_filter::{connection_filter, network_filter};
use super::tls::tls_server;
use super::{address, count, duration, list, name, option, positive};

pub(super) fn filter_chain(rng: &mut Rng, matches: FilterChainMatch) -> FilterChain {
    let filters = list(rng, 2, connection_filter);
    let nothing = filters.is_empty() && rng.u8(0..4) == 0;
    FilterChain {
        name: if rng.bool() { name(rng) } else { "".into() },
        matches,
        tls: option(rng, tls_server),
        handshake_timeout: option(rng, positive),
        filters,
        filter: if nothing { NetworkFilter::Nothing } else { network_filter(rng) },
    }
}

pub(super) fn cidr_range(rng: &mut Rng) -> CidrRange {
    match rng.bool() {
        true => CidrRange::new(rng.u32(..).to_be_bytes().into(), rng.u32(0..=32)),
        false => CidrRange::new(rng.u128(..).to_be_bytes().into(), rng.u32(0..=128)),
    }
}

/// Each is another one, by its number.
fn chain_match(rng: &mut Rng, number: usize) -> FilterChainMatch {
    let protocols = [None, Some(TransportProtocol::Tls), Some(TransportProtocol::Plaintext)];
    let sources = [SourceType::Any, SourceType::SameIpOrLoopback, SourceType::External];
    let server_name = |rng: &mut Rng| {
        let name = name(rng).to_ascii_lowercase();
        if rng.bool() {
            ServerName::Exact(name.into())
        } else {
            ServerName::Suffix(format!(".{name}").into())
        }
    };
    FilterChainMatch {
        destination_port: option(rng, |rng| rng.u16(1..)),
        prefix_ranges: list(rng, 2, cidr_range),
        server_names: list(rng, 2, server_name),
        transport_protocol: protocols[rng.usize(0..protocols.len())],
        application_protocols: vec![Name::from(format!("protocol-{number}"))],
        direct_source_prefix_ranges: list(rng, 2, cidr_range),
        source_type: sources[rng.usize(0..sources.len())],
        source_prefix_ranges: list(rng, 2, cidr_range),
        source_ports: list(rng, 2, |rng| rng.u16(1..)),
    }
}

fn listener_filter(rng: &mut Rng) -> ListenerFilter {
    match rng.u8(0..3) {
        0 => ListenerFilter::HttpInspector,
        1 => ListenerFilter::OriginalDst,
        _ => ListenerFilter::ProxyProtocol(ProxyProtocol {
            optional: rng.bool(),
            refuses_v1: rng.bool(),
            refuses_v2: rng.bool(),
            stat_prefix: if rng.bool() { name(rng) } else { "".into() },
        }),
    }
}

fn predicate(rng: &mut Rng, depth: u32) -> ConnectionPredicate {
    let two = |rng: &mut Rng| (0..2).map(|_| predicate(rng, depth - 1)).collect();
    match rng.u8(0..if depth > 0 { 5 } else { 2 }) {
        0 => ConnectionPredicate::Any,
        1 => {
            let start = rng.u16(..u16::MAX);
            ConnectionPredicate::DestinationPort(start..rng.u16(start + 1..))
        }
        2 => ConnectionPredicate::Not(Box::new(predicate(rng, depth - 1))),
        3 => ConnectionPredicate::All(two(rng)),
        _ => ConnectionPredicate::OneOf(two(rng)),
    }
}

fn bind_address(rng: &mut Rng) -> BindAddress {
    let ipv4_compat = rng.u8(0..4) == 0;
    let address = if ipv4_compat { Address::socket([0_u16; 8], rng.u16(..)) } else { address(rng) };
    let pipe = matches!(address, Address::Pipe(_));
    BindAddress { ipv4_compat, pipe_mode: if pipe { rng.u16(0..=0o777) } else { 0 }, address }
}

/// A listener.
pub(crate) fn listener(rng: &mut Rng) -> Listener {
    let directions = [TrafficDirection::Unspecified, TrafficDirection::Inbound, TrafficDirection::Outbound];
    let chains = rng.usize(0..3);
    let default_filter_chain =
        (chains == 0 || rng.bool()).then(|| Box::new(filter_chain(rng, FilterChainMatch::default())));
    let mut listener_filters = list(rng, 2, listener_filter);
    // Without it, chains that need it would come back with it.
    listener_filters.push(ListenerFilter::TlsInspector(TlsInspector {
        max_client_hello_bytes: option(rng, |rng| rng.u32(256..=TlsInspector::MAX_CLIENT_HELLO_BYTES)),
        close_on_parse_error: rng.bool(),
    }));
    Listener {
        name: name(rng),
        address: bind_address(rng),
        additional_addresses: list(rng, 2, bind_address),
        bind_to_port: rng.bool(),
        use_original_dst: rng.bool(),
        freebind: rng.bool(),
        backlog: option(rng, |rng| count(rng).get()),
        direction: directions[rng.usize(0..directions.len())],
        listener_filters,
        disabled_filters: option(rng, |rng| (0, predicate(rng, 2))).into_iter().collect(),
        listener_filters_timeout: option(rng, duration),
        continue_on_listener_filters_timeout: rng.bool(),
        filter_chains: (0..chains)
            .map(|number| {
                let matches = chain_match(rng, number);
                filter_chain(rng, matches)
            })
            .collect(),
        default_filter_chain,
        buffer_limit_bytes: option(rng, |rng| rng.u32(..)),
        max_accepts_per_event: option(rng, |rng| count(rng).get()),
        ignores_global_limit: rng.bool(),
        access_logs: list(rng, 2, access_log),
    }
}
