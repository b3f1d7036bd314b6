//! HTTP connection managers, at random.

mod options;
mod request;

use fastrand::Rng;
use ripstop_model::HttpConnectionManager;
use ripstop_model::http_manager::{Codec, ForwardClientCert, RouteSource};
use ripstop_model::router::RouterOptions;

use super::access_log::access_log;
use super::adaptive_concurrency::adaptive_concurrency;
use super::admission_control::admission_control;
use super::http_filter::filters;
use super::http2::http2_options;
use super::route::route_configuration;
use super::{config_file, duration, list, name, option, upgrade};

pub(super) fn http_manager(rng: &mut Rng) -> HttpConnectionManager {
    let codecs = [Codec::Auto, Codec::Http1, Codec::Http2];
    let modes = [
        ForwardClientCert::Sanitize,
        ForwardClientCert::ForwardOnly,
        ForwardClientCert::AppendForward,
        ForwardClientCert::SanitizeSet,
        ForwardClientCert::AlwaysForwardOnly,
    ];
    HttpConnectionManager {
        stat_prefix: name(rng),
        codec: codecs[rng.usize(0..codecs.len())],
        routes: match rng.u8(0..4) {
            0 => RouteSource::Rds(name(rng)),
            1 => RouteSource::File { name: name(rng), file: config_file(rng) },
            _ => RouteSource::Inline(route_configuration(rng)),
        },
        access_logs: list(rng, 2, access_log),
        use_remote_address: rng.bool(),
        forward_client_cert: modes[rng.usize(0..modes.len())],
        server: request::server(rng),
        http1: request::http1(rng),
        paths: request::paths(rng),
        hosts: request::hosts(rng),
        underscores: request::underscores(rng),
        origin: request::origin(rng),
        client_cert_details: request::client_cert_details(rng),
        request_ids: request::request_ids(rng),
        generate_request_id: rng.bool(),
        stream_idle_timeout: option(rng, duration),
        times: request::times(rng),
        request_headers_timeout: option(rng, duration),
        idle_timeout: option(rng, duration),
        max_request_headers_kb: option(rng, |rng| rng.u32(1..=8192)),
        max_headers_count: option(rng, |rng| rng.u32(1..)),
        http2: http2_options(rng),
        http1_trailers: rng.bool(),
        upgrades: upgrade::of_manager(rng),
        proxy_100_continue: rng.bool(),
        router: RouterOptions { suppress_envoy_headers: rng.bool(), respect_expected_rq_timeout: rng.bool() },
        filters: filters(rng),
        adaptive_concurrency: option(rng, |rng| Box::new(adaptive_concurrency(rng))),
        admission_control: option(rng, |rng| Box::new(admission_control(rng))),
        local_replies: option(rng, options::local_replies),
        proxy_status: option(rng, options::proxy_status),
        log_moments: options::log_moments(rng),
        delayed_close_timeout: option(rng, duration),
        keeps_connection_of_invalid: rng.bool(),
        grpc_stats: option(rng, options::grpc_stats),
    }
}
