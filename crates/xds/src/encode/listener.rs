//! Listeners → wire.

use ripstop_model::address::BindAddress;
use ripstop_model::listener::TrafficDirection;
use ripstop_model::{ApiListener, FilterChain, Listener};

use super::access_log::access_log;
use super::chain_match::chain_match;
use super::common::{bind_address, bool_value, duration, u32_value};
use super::http_manager::http_manager;
use super::listener_filter::{listener_filter, predicate};
use super::network_filter::{connection_filter, network_filter};
use super::tls;
use crate::pb;

pub(super) fn listener(listener: &Listener) -> pb::Listener {
    let direction = match listener.direction {
        TrafficDirection::Unspecified => pb::TrafficDirection::Unspecified,
        TrafficDirection::Inbound => pb::TrafficDirection::Inbound,
        TrafficDirection::Outbound => pb::TrafficDirection::Outbound,
    };
    pb::Listener {
        name: listener.name.to_string(),
        address: Some(bind_address(&listener.address)),
        additional_addresses: listener.additional_addresses.iter().map(additional_address).collect(),
        bind_to_port: (!listener.bind_to_port).then(|| bool_value(false)),
        use_original_dst: listener.use_original_dst.then(|| bool_value(true)),
        freebind: listener.freebind.then(|| bool_value(true)),
        tcp_backlog_size: listener.backlog.map(u32_value),
        traffic_direction: direction.into(),
        listener_filters: listener_filters(listener),
        listener_filters_timeout: listener.listener_filters_timeout.map(duration),
        continue_on_listener_filters_timeout: listener.continue_on_listener_filters_timeout,
        filter_chains: listener.filter_chains.iter().map(filter_chain).collect(),
        default_filter_chain: listener.default_filter_chain.as_deref().map(filter_chain),
        per_connection_buffer_limit_bytes: listener.buffer_limit_bytes.map(u32_value),
        max_connections_to_accept_per_socket_event: listener.max_accepts_per_event.map(u32_value),
        ignore_global_conn_limit: listener.ignores_global_limit,
        access_log: listener.access_logs.iter().map(access_log).collect(),
        ..Default::default()
    }
}

/// The listener has no address, and its manager stands where chains would.
pub(super) fn api_listener(listener: &ApiListener) -> pb::Listener {
    pb::Listener {
        name: listener.name.to_string(),
        api_listener: Some(pb::ApiListener { api_listener: Some(http_manager(&listener.manager)) }),
        ..Default::default()
    }
}

fn listener_filters(listener: &Listener) -> Vec<pb::ListenerFilter> {
    let filters = listener.listener_filters.iter().enumerate();
    let filter = |(place, filter)| pb::ListenerFilter {
        filter_disabled: listener.disabled_filters.get(&place).map(predicate),
        ..listener_filter(filter)
    };
    filters.map(filter).collect()
}

fn additional_address(address: &BindAddress) -> pb::AdditionalAddress {
    pb::AdditionalAddress { address: Some(bind_address(address)), ..Default::default() }
}

fn filter_chain(chain: &FilterChain) -> pb::FilterChain {
    pb::FilterChain {
        name: chain.name.to_string(),
        filter_chain_match: chain_match(&chain.matches),
        filters: chain.filters.iter().map(connection_filter).chain(network_filter(&chain.filter)).collect(),
        transport_socket: chain.tls.as_ref().map(tls::downstream_socket),
        transport_socket_connect_timeout: chain.handshake_timeout.map(duration),
        ..Default::default()
    }
}
