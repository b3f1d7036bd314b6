//! HTTP connection managers ← wire.

mod local_reply;
mod options;
mod request;

use ripstop_model::HttpConnectionManager;
use ripstop_model::http_manager::{Codec, RouteSource};

use super::access_log::access_log;
use super::common::{Context, duration, is_true};
use super::config_source::{ConfigOrigin, config_source};
use super::http_filters::http_filters;
use super::http1::http1_options;
use super::http2::http2_options;
use super::route::route_configuration;
use super::upgrade;
use crate::pb;
use crate::pb::http_connection_manager as wire_manager;

pub(super) fn http_manager(
    cx: &mut Context,
    wire: &pb::HttpConnectionManager,
) -> Option<HttpConnectionManager> {
    let filters = http_filters(cx, &wire.http_filters);
    let upgrades = upgrade::of_manager(cx, &wire.upgrade_configs);
    let routes = routes(cx, wire);
    let common = wire.common_http_protocol_options.as_ref();
    let http1 = wire.http_protocol_options.as_ref();
    let http2 = wire.http2_protocol_options.as_ref();
    let http2 = http2.map(|http2| cx.at("http2_protocol_options", |cx| http2_options(cx, http2)));
    let manager = HttpConnectionManager {
        stat_prefix: wire.stat_prefix.as_str().into(),
        codec: codec(cx, wire.codec_type),
        routes: routes?,
        access_logs: cx.items("access_log", &wire.access_log, access_log),
        use_remote_address: is_true(wire.use_remote_address.as_ref()),
        paths: request::paths(cx, wire),
        hosts: request::hosts(cx, wire),
        underscores: cx.at("common_http_protocol_options", |cx| request::underscores(cx, common)),
        origin: request::origin(cx, wire),
        forward_client_cert: request::forward_client_cert(cx, wire.forward_client_cert_details)?,
        client_cert_details: request::client_cert_details(wire.set_current_client_cert_details.as_ref()),
        generate_request_id: wire.generate_request_id.as_ref().is_none_or(|generate| generate.value),
        request_ids: request::request_ids(cx, wire),
        stream_idle_timeout: duration(cx, "stream_idle_timeout", wire.stream_idle_timeout.as_ref()),
        times: request::times(cx, wire),
        request_headers_timeout: duration(
            cx,
            "request_headers_timeout",
            wire.request_headers_timeout.as_ref(),
        ),
        idle_timeout: cx.at("common_http_protocol_options", |cx| {
            duration(cx, "idle_timeout", common.and_then(|common| common.idle_timeout.as_ref()))
        }),
        max_request_headers_kb: wire.max_request_headers_kb.as_ref().map(|limit| limit.value),
        max_headers_count: common
            .and_then(|common| common.max_headers_count.as_ref())
            .map(|limit| limit.value),
        http2: http2.unwrap_or_default(),
        server: request::server(cx, wire),
        http1: http1
            .map(|http1| cx.at("http_protocol_options", |cx| http1_options(cx, http1)))
            .unwrap_or_default(),
        http1_trailers: http1.is_some_and(|http1| http1.enable_trailers),
        upgrades,
        proxy_100_continue: wire.proxy_100_continue,
        router: filters.router,
        filters: filters.filters,
        adaptive_concurrency: filters.adaptive_concurrency.map(Box::new),
        admission_control: filters.admission_control.map(Box::new),
        local_replies: wire.local_reply_config.as_ref().map(|replies| {
            Box::new(cx.at("local_reply_config", |cx| local_reply::local_replies(cx, replies)))
        }),
        proxy_status: wire.proxy_status_config.as_ref().map(|wire| Box::new(options::proxy_status(wire))),
        log_moments: options::log_moments(cx, wire),
        delayed_close_timeout: duration(cx, "delayed_close_timeout", wire.delayed_close_timeout.as_ref()),
        keeps_connection_of_invalid: options::keeps_connection_of_invalid(wire),
        grpc_stats: filters.grpc_stats,
    };
    Some(manager)
}

fn routes(cx: &mut Context, wire: &pb::HttpConnectionManager) -> Option<RouteSource> {
    match &wire.route_specifier {
        Some(wire_manager::RouteSpecifier::RouteConfig(routes)) => {
            Some(RouteSource::Inline(cx.at("route_config", |cx| route_configuration(cx, routes))))
        }
        Some(wire_manager::RouteSpecifier::Rds(rds)) => cx.at("rds", |cx| {
            let origin = config_source(cx, "config_source", rds.config_source.as_ref())?;
            if rds.route_config_name.is_empty() {
                return cx.at("route_config_name", |cx| cx.refuse("must name a route configuration"));
            }
            let name = rds.route_config_name.as_str().into();
            Some(match origin {
                ConfigOrigin::Ads => RouteSource::Rds(name),
                ConfigOrigin::File(file) => RouteSource::File { name, file },
            })
        }),
        Some(wire_manager::RouteSpecifier::ScopedRoutes(_)) => {
            cx.at("scoped_routes", |cx| cx.refuse("scoped routes are not supported"))
        }
        None => cx.refuse("needs one of rds and route_config"),
    }
}

fn codec(cx: &mut Context, codec: i32) -> Codec {
    match wire_manager::CodecType::try_from(codec) {
        Ok(wire_manager::CodecType::Auto) => Codec::Auto,
        Ok(wire_manager::CodecType::Http1) => Codec::Http1,
        Ok(wire_manager::CodecType::Http2) => Codec::Http2,
        _ => {
            cx.at("codec_type", |cx| cx.reject("only AUTO, HTTP1 and HTTP2 are supported"));
            Codec::Auto
        }
    }
}
