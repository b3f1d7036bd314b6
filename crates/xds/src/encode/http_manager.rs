//! HTTP connection managers → wire.

use ripstop_model::HttpConnectionManager;
use ripstop_model::http_manager::{Codec, ForwardClientCert, RouteSource};

use super::access_log::access_log;
use super::common::{ads, any, bool_value, duration, u32_value};
use super::route::route_configuration;
use crate::pb;
use crate::pb::http_connection_manager as wire;

pub(super) fn http_manager(manager: &HttpConnectionManager) -> pb::HttpConnectionManager {
    let routes = match &manager.routes {
        RouteSource::Inline(routes) => wire::RouteSpecifier::RouteConfig(route_configuration(routes)),
        RouteSource::Rds(name) => wire::RouteSpecifier::Rds(pb::Rds {
            config_source: Some(ads()),
            route_config_name: name.to_string(),
        }),
    };
    let common = (manager.idle_timeout.is_some() || manager.max_headers_count.is_some()).then(|| {
        pb::HttpProtocolOptions {
            idle_timeout: manager.idle_timeout.map(duration),
            max_headers_count: manager.max_headers_count.map(u32_value),
            ..Default::default()
        }
    });
    let http2 = manager.http2_max_concurrent_streams.map(|streams| pb::Http2ProtocolOptions {
        max_concurrent_streams: Some(u32_value(streams)),
        ..Default::default()
    });
    pb::HttpConnectionManager {
        codec_type: codec(manager.codec).into(),
        stat_prefix: manager.stat_prefix.to_string(),
        route_specifier: Some(routes),
        http_filters: vec![router()],
        common_http_protocol_options: common,
        http2_protocol_options: http2,
        access_log: manager.access_logs.iter().map(access_log).collect(),
        use_remote_address: Some(bool_value(manager.use_remote_address)),
        forward_client_cert_details: forward_client_cert(manager.forward_client_cert).into(),
        set_current_client_cert_details: certificate_details(manager.forward_client_cert),
        generate_request_id: Some(bool_value(manager.generate_request_id)),
        stream_idle_timeout: manager.stream_idle_timeout.map(duration),
        request_headers_timeout: manager.request_headers_timeout.map(duration),
        max_request_headers_kb: manager.max_request_headers_kb.map(u32_value),
        upgrade_configs: vec![websocket()],
        ..Default::default()
    }
}

/// Envoy refuses a manager whose last filter is not the router.
fn router() -> pb::HttpFilter {
    pb::HttpFilter {
        name: "envoy.filters.http.router".to_owned(),
        config_type: Some(pb::http_filter::ConfigType::TypedConfig(any(&pb::Router::default()))),
        ..Default::default()
    }
}

/// Upgrades to WebSocket always pass through the mesh; Envoy has to be told.
fn websocket() -> wire::UpgradeConfig {
    wire::UpgradeConfig { upgrade_type: "websocket".to_owned(), ..Default::default() }
}

fn codec(codec: Codec) -> wire::CodecType {
    match codec {
        Codec::Auto => wire::CodecType::Auto,
        Codec::Http1 => wire::CodecType::Http1,
        Codec::Http2 => wire::CodecType::Http2,
    }
}

fn forward_client_cert(mode: ForwardClientCert) -> wire::ForwardClientCertDetails {
    match mode {
        ForwardClientCert::Sanitize => wire::ForwardClientCertDetails::Sanitize,
        ForwardClientCert::ForwardOnly => wire::ForwardClientCertDetails::ForwardOnly,
        ForwardClientCert::AppendForward => wire::ForwardClientCertDetails::AppendForward,
        ForwardClientCert::SanitizeSet => wire::ForwardClientCertDetails::SanitizeSet,
        ForwardClientCert::AlwaysForwardOnly => wire::ForwardClientCertDetails::AlwaysForwardOnly,
    }
}

/// The client's SPIFFE ID is its URI name, which Envoy leaves out of the header unless told.
fn certificate_details(mode: ForwardClientCert) -> Option<wire::SetCurrentClientCertDetails> {
    let sets = matches!(mode, ForwardClientCert::AppendForward | ForwardClientCert::SanitizeSet);
    sets.then(|| wire::SetCurrentClientCertDetails { uri: true, ..Default::default() })
}
