//! Listeners → wire.

use ripstop_model::listener::{TcpProxy, TrafficDirection, TransportProtocol};
use ripstop_model::{FilterChain, Listener, NetworkFilter};

use super::access_log::access_log;
use super::common::{address, any, duration};
use super::http_manager::http_manager;
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
        address: Some(address(&listener.address)),
        traffic_direction: direction.into(),
        listener_filters: listener.tls_inspector.then(tls_inspector).into_iter().collect(),
        listener_filters_timeout: listener.listener_filters_timeout.map(duration),
        filter_chains: listener.filter_chains.iter().map(filter_chain).collect(),
        ..Default::default()
    }
}

fn tls_inspector() -> pb::ListenerFilter {
    pb::ListenerFilter {
        name: "envoy.filters.listener.tls_inspector".to_owned(),
        config_type: Some(pb::listener_filter::ConfigType::TypedConfig(any(&pb::TlsInspector::default()))),
        ..Default::default()
    }
}

fn filter_chain(chain: &FilterChain) -> pb::FilterChain {
    let matches = chain.matches.transport_protocol.map(|protocol| pb::FilterChainMatch {
        transport_protocol: match protocol {
            TransportProtocol::Plaintext => "raw_buffer".to_owned(),
            TransportProtocol::Tls => "tls".to_owned(),
        },
        ..Default::default()
    });
    pb::FilterChain {
        name: chain.name.to_string(),
        filter_chain_match: matches,
        filters: vec![network_filter(&chain.filter)],
        transport_socket: chain.tls.as_ref().map(tls::downstream_socket),
        ..Default::default()
    }
}

fn network_filter(filter: &NetworkFilter) -> pb::Filter {
    let (name, config) = match filter {
        NetworkFilter::Http(manager) => {
            ("envoy.filters.network.http_connection_manager", any(&http_manager(manager)))
        }
        NetworkFilter::Tcp(tcp) => ("envoy.filters.network.tcp_proxy", any(&tcp_proxy(tcp))),
    };
    pb::Filter { name: name.to_owned(), config_type: Some(pb::filter::ConfigType::TypedConfig(config)) }
}

fn tcp_proxy(tcp: &TcpProxy) -> pb::TcpProxy {
    pb::TcpProxy {
        stat_prefix: tcp.stat_prefix.to_string(),
        cluster_specifier: Some(pb::tcp_proxy::ClusterSpecifier::Cluster(tcp.cluster.to_string())),
        idle_timeout: tcp.idle_timeout.map(duration),
        access_log: tcp.access_logs.iter().map(access_log).collect(),
        ..Default::default()
    }
}
