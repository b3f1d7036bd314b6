//! HTTP connection managers → wire.

mod request;

use ripstop_model::HttpConnectionManager;
use ripstop_model::http_manager::{Codec, RouteSource};
use ripstop_model::http1::Http1Options;
use ripstop_model::http2::Http2Options;

use super::access_log::access_log;
use super::common::{ads, bool_value, config_file, duration, u32_value};
use super::http_filters::filters;
use super::http1::http1_options;
use super::http2::http2_options;
use super::route::route_configuration;
use super::upgrade;
use crate::pb;
use crate::pb::http_connection_manager as wire;

pub(super) fn http_manager(manager: &HttpConnectionManager) -> pb::HttpConnectionManager {
    let routes = match &manager.routes {
        RouteSource::Inline(routes) => wire::RouteSpecifier::RouteConfig(route_configuration(routes)),
        RouteSource::Rds(name) => wire::RouteSpecifier::Rds(pb::Rds {
            config_source: Some(ads()),
            route_config_name: name.to_string(),
        }),
        RouteSource::File { name, file } => wire::RouteSpecifier::Rds(pb::Rds {
            config_source: Some(config_file(file)),
            route_config_name: name.to_string(),
        }),
    };
    let common = request::common(manager);
    let http1 = (manager.http1_trailers || manager.http1 != Http1Options::default())
        .then(|| http1_options(&manager.http1, manager.http1_trailers));
    let http2 = (manager.http2 != Http2Options::default()).then(|| http2_options(&manager.http2));
    let mut wire = pb::HttpConnectionManager {
        codec_type: codec(manager.codec).into(),
        stat_prefix: manager.stat_prefix.to_string(),
        route_specifier: Some(routes),
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
    wire
}

fn codec(codec: Codec) -> wire::CodecType {
    match codec {
        Codec::Auto => wire::CodecType::Auto,
        Codec::Http1 => wire::CodecType::Http1,
        Codec::Http2 => wire::CodecType::Http2,
    }
}
