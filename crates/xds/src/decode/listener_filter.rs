//! Listener filters ← wire.

use std::collections::BTreeMap;

use ripstop_model::listener_filter::{ConnectionPredicate, ListenerFilter, ProxyProtocol, TlsInspector};

use super::common::{Context, is, type_name, unpack};
use crate::pb;

pub(super) fn listener_filter(cx: &mut Context, wire: &pb::ListenerFilter) -> Option<ListenerFilter> {
    match &wire.config_type {
        Some(pb::listener_filter::ConfigType::TypedConfig(any)) => cx.at("typed_config", |cx| typed(cx, any)),
        // Envoy still knows this one by its name alone.
        None if wire.name == "envoy.filters.listener.tls_inspector" => {
            Some(ListenerFilter::TlsInspector(TlsInspector::default()))
        }
        _ => cx.refuse(format!("listener filter '{}' needs a typed_config", wire.name)),
    }
}

fn typed(cx: &mut Context, any: &pb::Any) -> Option<ListenerFilter> {
    if is::<pb::TlsInspector>(any) {
        let wire: pb::TlsInspector = unpack(cx, any)?;
        Some(ListenerFilter::TlsInspector(TlsInspector {
            max_client_hello_bytes: wire.max_client_hello_size.map(|size| size.value),
            close_on_parse_error: wire.close_connection_on_client_hello_parsing_errors,
        }))
    } else if is::<pb::HttpInspector>(any) {
        Some(ListenerFilter::HttpInspector)
    } else if is::<pb::OriginalDst>(any) {
        Some(ListenerFilter::OriginalDst)
    } else if is::<pb::ProxyProtocol>(any) {
        let wire: pb::ProxyProtocol = unpack(cx, any)?;
        let refuses = |version: pb::ProxyProtocolVersion| wire.disallowed_versions.contains(&version.into());
        Some(ListenerFilter::ProxyProtocol(ProxyProtocol {
            optional: wire.allow_requests_without_proxy_protocol,
            refuses_v1: refuses(pb::ProxyProtocolVersion::V1),
            refuses_v2: refuses(pb::ProxyProtocolVersion::V2),
            stat_prefix: wire.stat_prefix.as_str().into(),
        }))
    } else {
        cx.refuse(format!("listener filter {} is not supported", type_name(any)))
    }
}

/// For which connections filters are left out, by their place.
pub(super) fn disabled_filters(
    cx: &mut Context,
    filters: &[pb::ListenerFilter],
) -> BTreeMap<usize, ConnectionPredicate> {
    let mut disabled = BTreeMap::new();
    for (index, filter) in filters.iter().enumerate() {
        let Some(wire) = &filter.filter_disabled else { continue };
        let read =
            cx.item("listener_filters", index, |cx| cx.at("filter_disabled", |cx| predicate(cx, wire)));
        disabled.extend(read.map(|read| (index, read)));
    }
    disabled
}

/// It is no deeper than protobuf lets messages be.
fn predicate(cx: &mut Context, wire: &pb::ConnectionPredicate) -> Option<ConnectionPredicate> {
    use pb::connection_predicate::Rule;
    match &wire.rule {
        Some(Rule::AnyMatch(true)) => Some(ConnectionPredicate::Any),
        Some(Rule::DestinationPortRange(range)) => cx.at("destination_port_range", |cx| {
            match (u16::try_from(range.start), u16::try_from(range.end)) {
                (Ok(start), Ok(end)) => Some(ConnectionPredicate::DestinationPort(start..end)),
                _ => cx.refuse("must be a range of ports"),
            }
        }),
        Some(Rule::NotMatch(inner)) => cx
            .at("not_match", |cx| predicate(cx, inner))
            .map(|inner| ConnectionPredicate::Not(Box::new(inner))),
        Some(Rule::AndMatch(set)) => {
            cx.at("and_match", |cx| predicates(cx, &set.rules)).map(ConnectionPredicate::All)
        }
        Some(Rule::OrMatch(set)) => {
            cx.at("or_match", |cx| predicates(cx, &set.rules)).map(ConnectionPredicate::OneOf)
        }
        Some(Rule::AnyMatch(false)) | None => cx.refuse("needs a rule"),
    }
}

fn predicates(cx: &mut Context, rules: &[pb::ConnectionPredicate]) -> Option<Vec<ConnectionPredicate>> {
    let read = cx.items("rules", rules, predicate);
    (read.len() == rules.len()).then_some(read)
}
