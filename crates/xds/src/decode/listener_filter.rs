//! Listener filters ← wire.

use ripstop_model::listener_filter::{ListenerFilter, ProxyProtocol, TlsInspector};

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
