//! Listeners ← wire.

use ripstop_model::Listener;
use ripstop_model::listener::TrafficDirection;

use super::common::{Context, address, duration, is, type_name};
use super::filter_chain::filter_chain;
use crate::pb;

pub(super) fn listener(cx: &mut Context, wire: &pb::Listener) -> Option<Listener> {
    let address = cx.at("address", |cx| address(cx, wire.address.as_ref()));
    let direction = match pb::TrafficDirection::try_from(wire.traffic_direction) {
        Ok(pb::TrafficDirection::Inbound) => TrafficDirection::Inbound,
        Ok(pb::TrafficDirection::Outbound) => TrafficDirection::Outbound,
        _ => TrafficDirection::Unspecified,
    };
    let tls_inspector = listener_filters(cx, &wire.listener_filters);
    let timeout = duration(cx, "listener_filters_timeout", wire.listener_filters_timeout.as_ref());
    if wire.filter_chains.is_empty() {
        cx.at("filter_chains", |cx| cx.reject("a listener needs at least one filter chain"));
    }
    let filter_chains = cx.items("filter_chains", &wire.filter_chains, filter_chain);
    if !tls_inspector && filter_chains.iter().any(|chain| chain.matches.transport_protocol.is_some()) {
        cx.at("filter_chains", |cx| {
            cx.warn("transport_protocol is matched, so the TLS inspector is used although it is not listed");
        });
    }
    for (index, chain) in filter_chains.iter().enumerate() {
        if filter_chains[..index].iter().any(|earlier| earlier.matches == chain.matches) {
            cx.item("filter_chains", index, |cx| {
                cx.reject("has the same filter_chain_match as an earlier chain");
            });
        }
    }
    let address = address?;
    let name = if wire.name.is_empty() { address.to_string() } else { wire.name.clone() };
    Some(Listener {
        name: name.into(),
        address,
        direction,
        tls_inspector: tls_inspector
            || filter_chains.iter().any(|chain| chain.matches.transport_protocol.is_some()),
        listener_filters_timeout: timeout,
        filter_chains,
    })
}

/// Whether the TLS inspector is among them.
fn listener_filters(cx: &mut Context, filters: &[pb::ListenerFilter]) -> bool {
    let mut tls_inspector = false;
    for (index, filter) in filters.iter().enumerate() {
        cx.item("listener_filters", index, |cx| match &filter.config_type {
            Some(pb::listener_filter::ConfigType::TypedConfig(any)) if is::<pb::TlsInspector>(any) => {
                tls_inspector = true;
            }
            Some(pb::listener_filter::ConfigType::TypedConfig(any))
                if type_name(any) == "envoy.extensions.filters.listener.http_inspector.v3.HttpInspector" =>
            {
                cx.warn("the HTTP inspector is not needed: the protocol is told by the connection manager");
            }
            Some(pb::listener_filter::ConfigType::TypedConfig(any)) => {
                cx.reject(format!("listener filter {} is not supported", type_name(any)));
            }
            // Envoy still knows this one by its name alone.
            None if filter.name == "envoy.filters.listener.tls_inspector" => tls_inspector = true,
            _ => cx.reject(format!("listener filter '{}' needs a typed_config", filter.name)),
        });
    }
    tls_inspector
}
