//! Listeners ← wire.

use std::collections::HashMap;

use ripstop_model::Listener;
use ripstop_model::chain_match::{FilterChainMatch, TransportProtocol};
use ripstop_model::listener::{FilterChain, TrafficDirection};
use ripstop_model::listener_filter::{ListenerFilter, TlsInspector};

use super::access_log::access_log;
use super::common::{Context, bind_address, duration, is_true};
use super::filter_chain::filter_chain;
use super::listener_filter::{disabled_filters, listener_filter};
use crate::pb;

pub(super) fn listener(cx: &mut Context, wire: &pb::Listener) -> Option<Listener> {
    let address = cx.at("address", |cx| bind_address(cx, wire.address.as_ref()));
    let additional_addresses = cx.items("additional_addresses", &wire.additional_addresses, |cx, wire| {
        cx.at("address", |cx| bind_address(cx, wire.address.as_ref()))
    });
    let direction = match pb::TrafficDirection::try_from(wire.traffic_direction) {
        Ok(pb::TrafficDirection::Inbound) => TrafficDirection::Inbound,
        Ok(pb::TrafficDirection::Outbound) => TrafficDirection::Outbound,
        _ => TrafficDirection::Unspecified,
    };
    let mut listener_filters = cx.items("listener_filters", &wire.listener_filters, listener_filter);
    let disabled_filters = disabled_filters(cx, &wire.listener_filters);
    let timeout = duration(cx, "listener_filters_timeout", wire.listener_filters_timeout.as_ref());
    let default_filter_chain = wire
        .default_filter_chain
        .as_ref()
        .and_then(|wire| cx.at("default_filter_chain", |cx| filter_chain(cx, wire)).map(Box::new));
    if wire.filter_chains.is_empty() && wire.default_filter_chain.is_none() {
        cx.at("filter_chains", |cx| cx.reject("a listener needs at least one filter chain"));
    }
    let filter_chains = cx.items("filter_chains", &wire.filter_chains, filter_chain);
    refuse_duplicates(cx, &filter_chains);
    add_tls_inspector(cx, &filter_chains, &mut listener_filters);
    let access_logs = cx.items("access_log", &wire.access_log, access_log);
    let address = address?;
    let name = if wire.name.is_empty() { address.to_string() } else { wire.name.clone() };
    let number = |wire: &Option<pb::UInt32Value>| wire.as_ref().map(|wire| wire.value);
    #[allow(deprecated, reason = "the old place of bind_to_port is still read, as by Envoy")]
    let old_bind_to_port = wire.deprecated_v1.as_ref().and_then(|old| old.bind_to_port.as_ref());
    Some(Listener {
        name: name.into(),
        address,
        additional_addresses,
        bind_to_port: wire.bind_to_port.as_ref().or(old_bind_to_port).is_none_or(|bind| bind.value),
        use_original_dst: is_true(wire.use_original_dst.as_ref()),
        freebind: is_true(wire.freebind.as_ref()),
        backlog: number(&wire.tcp_backlog_size),
        direction,
        listener_filters,
        disabled_filters,
        listener_filters_timeout: timeout,
        continue_on_listener_filters_timeout: wire.continue_on_listener_filters_timeout,
        filter_chains,
        default_filter_chain,
        buffer_limit_bytes: number(&wire.per_connection_buffer_limit_bytes),
        max_accepts_per_event: number(&wire.max_connections_to_accept_per_socket_event),
        ignores_global_limit: wire.ignore_global_conn_limit,
        access_logs,
    })
}

/// Equal conditions. Those that only overlap are found when the listener is compiled.
fn refuse_duplicates(cx: &mut Context, chains: &[FilterChain]) {
    let mut seen: HashMap<&FilterChainMatch, usize> = HashMap::with_capacity(chains.len());
    for (index, chain) in chains.iter().enumerate() {
        if let Some(earlier) = seen.insert(&chain.matches, index) {
            cx.item("filter_chains", index, |cx| {
                cx.reject(format!("has the same filter_chain_match as filter_chains[{earlier}]"));
            });
        }
    }
}

/// Chains that ask what only the TLS inspector knows bring it with them, as in Envoy.
fn add_tls_inspector(cx: &mut Context, chains: &[FilterChain], filters: &mut Vec<ListenerFilter>) {
    let asks = |chain: &FilterChain| match chain.matches.transport_protocol {
        Some(protocol) => protocol == TransportProtocol::Tls,
        None => !chain.matches.server_names.is_empty() || !chain.matches.application_protocols.is_empty(),
    };
    let listed = filters.iter().any(|filter| matches!(filter, ListenerFilter::TlsInspector(_)));
    if listed || !chains.iter().any(asks) {
        return;
    }
    cx.at("listener_filters", |cx| {
        cx.warn("a filter_chain_match needs the TLS inspector, so it is used although it is not listed");
    });
    filters.push(ListenerFilter::TlsInspector(TlsInspector::default()));
}
