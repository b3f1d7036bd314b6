//! HTTP connection managers → wire.

mod local_reply;
mod options;
mod request;

use ripstop_model::http_manager::{Codec, RouteSource};
use ripstop_model::http1::Http1Options;
use ripstop_model::http2::Http2Options;
use ripstop_model::{HttpConnectionManager, Name};

use super::access_log::access_log;
use super::common::{ads, any, bool_value, config_file, duration, u32_value};
use super::format::put;
use super::http_filters::filters;
use super::http1::http1_options;
use super::http2::http2_options;
use super::route::route_configuration;
use super::upgrade;
use crate::pb;
use crate::pb::http_connection_manager as wire;

/// `HttpConnectionManager.route_config` and `HttpConnectionManager.local_reply_config`.
const ROUTE_CONFIG: u32 = 4;
const LOCAL_REPLY_CONFIG: u32 = 38;

/// The `Any` of a manager.
pub(super) fn http_manager(manager: &HttpConnectionManager) -> pb::Any {
    let mut wire = any(&message(manager));
    if let RouteSource::Inline(routes) = &manager.routes {
        put(ROUTE_CONFIG, &route_configuration(routes), &mut wire.value);
    }
    if let Some(replies) = &manager.local_replies {
        put(LOCAL_REPLY_CONFIG, &local_reply::local_replies(replies), &mut wire.value);
    }
    wire
}

fn message(manager: &HttpConnectionManager) -> pb::HttpConnectionManager {
    let rds = |source, name: &Name| {
        let route_config_name = name.to_string();
        wire::RouteSpecifier::Rds(pb::Rds { config_source: Some(source), route_config_name })
    };
    let routes = match &manager.routes {
        RouteSource::Inline(_) => None,
        RouteSource::Rds(name) => Some(rds(ads(), name)),
        RouteSource::File { name, file } => Some(rds(config_file(file), name)),
    };
    let common = request::common(manager);
    let http1 = (manager.http1_trailers || manager.http1 != Http1Options::default())
        .then(|| http1_options(&manager.http1, manager.http1_trailers));
    let http2 = (manager.http2 != Http2Options::default()).then(|| http2_options(&manager.http2));
    let mut wire = pb::HttpConnectionManager {
        codec_type: codec(manager.codec).into(),
        stat_prefix: manager.stat_prefix.to_string(),
        route_specifier: routes,
        http_filters: filters(manager),
        common_http_protocol_options: (common != pb::HttpProtocolOptions::default()).then_some(common),
        http_protocol_options: http1,
        http2_protocol_options: http2,
        access_log: manager.access_logs.iter().map(access_log).collect(),
        use_remote_address: Some(bool_value(manager.use_remote_address)),
        generate_request_id: Some(bool_value(manager.generate_request_id)),
        stream_idle_timeout: manager.stream_idle_timeout.map(duration),
        request_headers_timeout: manager.request_headers_timeout.map(duration),
        max_request_headers_kb: manager.max_request_headers_kb.map(u32_value),
        upgrade_configs: manager.upgrades.iter().map(upgrade::of_manager).collect(),
        proxy_100_continue: manager.proxy_100_continue,
        ..Default::default()
    };
    request::fill(manager, &mut wire);
    options::fill(manager, &mut wire);
    wire
}

fn codec(codec: Codec) -> wire::CodecType {
    match codec {
        Codec::Auto => wire::CodecType::Auto,
        Codec::Http1 => wire::CodecType::Http1,
        Codec::Http2 => wire::CodecType::Http2,
    }
}
