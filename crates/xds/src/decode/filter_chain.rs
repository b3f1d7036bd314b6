//! Filter chains ← wire.

use ripstop_model::FilterChain;
use ripstop_model::chain_match::FilterChainMatch;

use super::chain_match::chain_match;
use super::common::{Context, duration};
use super::network_filter::filters;
use super::tls;
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
    let (filters, filter) = filters(cx, &wire.filters)?;
    Some(FilterChain { name: wire.name.as_str().into(), matches, tls, handshake_timeout, filters, filter })
}
