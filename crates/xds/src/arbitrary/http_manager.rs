//! HTTP connection managers, at random.

use fastrand::Rng;
use ripstop_model::HttpConnectionManager;
use ripstop_model::http_manager::{Codec, ForwardClientCert, RouteSource};

use super::access_log::access_log;
use super::route::route_configuration;
use super::{duration, list, name, option};

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
        routes: match rng.bool() {
            true => RouteSource::Rds(name(rng)),
            false => RouteSource::Inline(route_configuration(rng)),
        },
        access_logs: list(rng, 2, access_log),
        use_remote_address: rng.bool(),
        forward_client_cert: modes[rng.usize(0..modes.len())],
        generate_request_id: rng.bool(),
        stream_idle_timeout: option(rng, duration),
        request_headers_timeout: option(rng, duration),
        idle_timeout: option(rng, duration),
        max_request_headers_kb: option(rng, |rng| rng.u32(1..=8192)),
        max_headers_count: option(rng, |rng| rng.u32(1..)),
        http2_max_concurrent_streams: option(rng, |rng| rng.u32(1..=2_147_483_647)),
    }
}
