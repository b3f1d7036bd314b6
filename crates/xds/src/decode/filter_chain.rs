//! Filter chains and their terminal network filters ← wire.

use ripstop_model::chain_match::FilterChainMatch;
use ripstop_model::listener::TcpProxy;
use ripstop_model::{FilterChain, NetworkFilter};

use super::access_log::access_log;
use super::chain_match::chain_match;
use super::common::{Context, duration, is, type_name, unpack};
use super::{http_manager, tls};
use crate::pb;

pub(super) fn filter_chain(cx: &mut Context, wire: &pb::FilterChain) -> Option<FilterChain> {
    let matches = match &wire.filter_chain_match {
        Some(wire) => cx.at("filter_chain_match", |cx| chain_match(cx, wire)),
        None => FilterChainMatch::default(),
    };
    let tls = match &wire.transport_socket {
        Some(socket) => cx.at("transport_socket", |cx| tls::downstream(cx, socket)),
        None => None,
    };
    let timeout =
        wire.transport_socket_connect_timeout.as_ref().filter(|timeout| **timeout != pb::Duration::default());
    let handshake_timeout = duration(cx, "transport_socket_connect_timeout", timeout);
    let filter = terminal_filter(cx, &wire.filters)?;
    Some(FilterChain { name: wire.name.as_str().into(), matches, tls, handshake_timeout, filter })
}

fn terminal_filter(cx: &mut Context, filters: &[pb::Filter]) -> Option<NetworkFilter> {
    let Some((last, before)) = filters.split_last() else {
        return cx.at("filters", |cx| cx.refuse("a filter chain needs a filter"));
    };
    for (index, filter) in before.iter().enumerate() {
        cx.item("filters", index, |cx| {
            cx.reject(format!("network filter '{}' is not supported", filter.name));
        });
    }
    cx.item("filters", before.len(), |cx| match &last.config_type {
        Some(pb::filter::ConfigType::TypedConfig(any)) => cx.at("typed_config", |cx| {
            if is::<pb::HttpConnectionManager>(any) {
                let wire: pb::HttpConnectionManager = unpack(cx, any)?;
                Some(NetworkFilter::Http(Box::new(http_manager::http_manager(cx, &wire)?)))
            } else if is::<pb::TcpProxy>(any) {
                let wire: pb::TcpProxy = unpack(cx, any)?;
                Some(NetworkFilter::Tcp(tcp_proxy(cx, &wire)?))
            } else {
                cx.refuse(format!("network filter {} is not supported", type_name(any)))
            }
        }),
        _ => cx.refuse(format!("network filter '{}' needs a typed_config", last.name)),
    })
}

fn tcp_proxy(cx: &mut Context, wire: &pb::TcpProxy) -> Option<TcpProxy> {
    let idle_timeout = duration(cx, "idle_timeout", wire.idle_timeout.as_ref());
    let access_logs = cx.items("access_log", &wire.access_log, access_log);
    match &wire.cluster_specifier {
        Some(pb::tcp_proxy::ClusterSpecifier::Cluster(cluster)) if !cluster.is_empty() => Some(TcpProxy {
            stat_prefix: wire.stat_prefix.as_str().into(),
            cluster: cluster.as_str().into(),
            idle_timeout,
            access_logs,
        }),
        _ => cx.at("cluster", |cx| cx.refuse("must name one cluster")),
    }
}
