//! How HTTP is spoken to the endpoints of a cluster ← wire.

use std::num::NonZeroU32;
use std::time::Duration;

use ripstop_model::cluster::UpstreamProtocol;
use ripstop_model::http1::Http1Options;
use ripstop_model::http2::Http2Options;
use ripstop_model::upstream_connection::UpstreamConnection;
use ripstop_model::upstream_http::{AnswerLimits, RequestServerName, UpstreamHttp};

use super::common::{Context, duration, is, metadata_mark, type_name, unpack};
use super::http1::http1_options;
use super::http2::http2_options;
use super::upstream_connection::upstream_connection;
use crate::metadata::AUTO_PROTOCOL;
use crate::pb;

/// What is spoken to the endpoints, and for how long on one connection.
pub(super) struct HttpOptions {
    pub(super) protocol: UpstreamProtocol,
    pub(super) http: UpstreamHttp,
    pub(super) connection: UpstreamConnection,
    pub(super) idle_timeout: Option<Duration>,
    pub(super) max_requests_per_connection: Option<NonZeroU32>,
}

#[allow(deprecated, reason = "Envoy files older than HttpProtocolOptions say it in the cluster itself")]
pub(super) fn http_options(cx: &mut Context, wire: &pb::Cluster) -> HttpOptions {
    let mut typed = wire.typed_extension_protocol_options.iter();
    let unknown = typed.clone().filter(|(_, any)| !is::<pb::UpstreamHttpOptions>(any));
    for (name, any) in unknown {
        cx.at("typed_extension_protocol_options", |cx| {
            cx.warn(format!("'{name}' ({}) is not supported", type_name(any)));
        });
    }
    let modern = typed.find(|(_, any)| is::<pb::UpstreamHttpOptions>(any)).and_then(|(_, any)| {
        cx.at("typed_extension_protocol_options", |cx| unpack::<pb::UpstreamHttpOptions>(cx, any))
    });
    let auto_mark = metadata_mark(cx, wire.metadata.as_ref(), AUTO_PROTOCOL);
    let old_protocol = match wire.http2_protocol_options {
        Some(_) => UpstreamProtocol::Http2,
        None => UpstreamProtocol::Http1,
    };
    let spoken = modern.as_ref().and_then(|options| options.upstream_protocol_options.as_ref());
    let http2 = match spoken {
        Some(spoken) => cx.at("typed_extension_protocol_options", |cx| http2(cx, spoken)),
        None => wire
            .http2_protocol_options
            .as_ref()
            .map(|options| cx.at("http2_protocol_options", |cx| http2_options(cx, options))),
    };
    let names = modern.as_ref().and_then(|options| options.upstream_http_protocol_options.as_ref());
    let names = names.or(wire.upstream_http_protocol_options.as_ref());
    let server_name = cx.at("upstream_http_protocol_options", |cx| server_name(cx, names));
    let protocol = match spoken {
        Some(protocol) => cx.at("typed_extension_protocol_options", |cx| upstream_protocol(cx, protocol)),
        None => old_protocol,
    };
    let common = modern.as_ref().and_then(|options| options.common_http_protocol_options.as_ref());
    let common = common.or(wire.common_http_protocol_options.as_ref());
    let http1 = match spoken {
        Some(spoken) => http1_of(spoken),
        None => wire.http_protocol_options.as_ref(),
    };
    let limits = common.map(|common| cx.at("common_http_protocol_options", |cx| answer_limits(cx, common)));
    let buffer_bytes = wire.per_connection_buffer_limit_bytes.as_ref().map(|limit| limit.value);
    let limit = common
        .and_then(|common| common.max_requests_per_connection.as_ref())
        .or(wire.max_requests_per_connection.as_ref());
    HttpOptions {
        connection: upstream_connection(cx, wire.upstream_connection_options.as_ref(), common),
        protocol: if auto_mark { UpstreamProtocol::Auto } else { protocol },
        http: UpstreamHttp {
            server_name,
            http1: http1
                .map(|http1| cx.at("http_protocol_options", |cx| upstream_http1(cx, http1)))
                .unwrap_or_default(),
            http1_trailers: http1.is_some_and(|http1| http1.enable_trailers),
            http2: http2.unwrap_or_default(),
            limits: AnswerLimits { buffer_bytes, ..limits.unwrap_or_default() },
        },
        idle_timeout: cx.at("common_http_protocol_options", |cx| {
            duration(cx, "idle_timeout", common.and_then(|common| common.idle_timeout.as_ref()))
        }),
        max_requests_per_connection: limit.and_then(|limit| NonZeroU32::new(limit.value)),
    }
}

/// Limits of answers; and a warning of what listeners heed and clusters do not.
fn answer_limits(cx: &mut Context, wire: &pb::HttpProtocolOptions) -> AnswerLimits {
    if wire.headers_with_underscores_action != 0 {
        cx.at("headers_with_underscores_action", |cx| cx.warn("has no effect on answers of endpoints"));
    }
    AnswerLimits {
        max_headers_kb: wire.max_response_headers_kb.as_ref().map(|limit| limit.value),
        max_headers_count: wire.max_headers_count.as_ref().map(|limit| limit.value),
        max_stream_duration: duration(cx, "max_stream_duration", wire.max_stream_duration.as_ref()),
        buffer_bytes: None,
    }
}

/// The options of HTTP/1; and a warning of those that only mean clients.
fn upstream_http1(cx: &mut Context, wire: &pb::Http1ProtocolOptions) -> Http1Options {
    let set = [
        ("allow_absolute_url", wire.allow_absolute_url.is_some()),
        ("accept_http_10", wire.accept_http_10),
        ("default_host_for_http_10", !wire.default_host_for_http_10.is_empty()),
    ];
    for (name, _) in set.iter().filter(|(_, set)| *set) {
        cx.at(name, |cx| cx.warn("has no effect on connections to endpoints"));
    }
    let read = http1_options(cx, wire);
    Http1Options { names: read.names, allow_chunked_length: read.allow_chunked_length, ..Default::default() }
}

fn http1_of(wire: &pb::upstream_http_options::UpstreamProtocolOptions) -> Option<&pb::Http1ProtocolOptions> {
    use pb::upstream_http_options::UpstreamProtocolOptions;
    use pb::upstream_http_options::explicit_http_config::ProtocolConfig;
    match wire {
        UpstreamProtocolOptions::AutoConfig(config) => config.http_protocol_options.as_ref(),
        UpstreamProtocolOptions::ExplicitHttpConfig(config) => match &config.protocol_config {
            Some(ProtocolConfig::HttpProtocolOptions(options)) => Some(options),
            _ => None,
        },
        UpstreamProtocolOptions::UseDownstreamProtocolConfig(config) => config.http_protocol_options.as_ref(),
    }
}

fn upstream_protocol(
    cx: &mut Context,
    wire: &pb::upstream_http_options::UpstreamProtocolOptions,
) -> UpstreamProtocol {
    use pb::upstream_http_options::UpstreamProtocolOptions;
    use pb::upstream_http_options::explicit_http_config::ProtocolConfig;
    match wire {
        UpstreamProtocolOptions::AutoConfig(_) => UpstreamProtocol::Auto,
        UpstreamProtocolOptions::ExplicitHttpConfig(config) => match &config.protocol_config {
            Some(ProtocolConfig::Http2ProtocolOptions(_)) => UpstreamProtocol::Http2,
            Some(ProtocolConfig::Http3ProtocolOptions(_)) => {
                cx.reject("HTTP/3 to upstreams is not supported");
                UpstreamProtocol::Http1
            }
            Some(ProtocolConfig::HttpProtocolOptions(_)) | None => UpstreamProtocol::Http1,
        },
        UpstreamProtocolOptions::UseDownstreamProtocolConfig(config) => {
            if config.http3_protocol_options.is_some() {
                cx.at("http3_protocol_options", |cx| cx.warn("has no effect: clients do not speak HTTP/3"));
            }
            UpstreamProtocol::Downstream
        }
    }
}

/// How HTTP/2 is spoken, where it may be.
fn http2(
    cx: &mut Context,
    wire: &pb::upstream_http_options::UpstreamProtocolOptions,
) -> Option<Http2Options> {
    use pb::upstream_http_options::UpstreamProtocolOptions;
    use pb::upstream_http_options::explicit_http_config::ProtocolConfig;
    let options = match wire {
        UpstreamProtocolOptions::AutoConfig(config) => config.http2_protocol_options.as_ref(),
        UpstreamProtocolOptions::ExplicitHttpConfig(config) => match &config.protocol_config {
            Some(ProtocolConfig::Http2ProtocolOptions(options)) => Some(options),
            _ => None,
        },
        UpstreamProtocolOptions::UseDownstreamProtocolConfig(config) => {
            config.http2_protocol_options.as_ref()
        }
    };
    options.map(|options| cx.at("http2_protocol_options", |cx| http2_options(cx, options)))
}

fn server_name(cx: &mut Context, wire: Option<&pb::UpstreamHttpProtocolOptions>) -> RequestServerName {
    let Some(wire) = wire else { return RequestServerName::default() };
    if wire.auto_san_validation && !wire.auto_sni {
        cx.at("auto_san_validation", |cx| cx.reject("needs auto_sni: what is asked for is what is verified"));
    }
    let header = wire.override_auto_sni_header.to_ascii_lowercase();
    RequestServerName {
        auto_sni: wire.auto_sni,
        auto_san_validation: wire.auto_san_validation,
        override_header: Some(header.as_str().into()).filter(|_| !header.is_empty()),
    }
}
