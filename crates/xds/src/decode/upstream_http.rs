//! How HTTP is spoken to the endpoints of a cluster ← wire.

use std::num::NonZeroU32;
use std::time::Duration;

use ripstop_model::cluster::UpstreamProtocol;
use ripstop_model::http2::Http2Options;
use ripstop_model::upstream_connection::UpstreamConnection;
use ripstop_model::upstream_http::{RequestServerName, UpstreamHttp};

use super::common::{Context, duration, is, metadata_mark, type_name, unpack};
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
    if let Some(common) = common {
        cx.at("common_http_protocol_options", |cx| warn_of_common(cx, common));
    }
    let limit = common
        .and_then(|common| common.max_requests_per_connection.as_ref())
        .or(wire.max_requests_per_connection.as_ref());
    HttpOptions {
        connection: upstream_connection(cx, wire.upstream_connection_options.as_ref(), common),
        protocol: if auto_mark { UpstreamProtocol::Auto } else { protocol },
        http: UpstreamHttp { server_name, http2: http2.unwrap_or_default() },
        idle_timeout: cx.at("common_http_protocol_options", |cx| {
            duration(cx, "idle_timeout", common.and_then(|common| common.idle_timeout.as_ref()))
        }),
        max_requests_per_connection: limit.and_then(|limit| NonZeroU32::new(limit.value)),
    }
}

fn upstream_protocol(
    cx: &mut Context,
    wire: &pb::upstream_http_options::UpstreamProtocolOptions,
) -> UpstreamProtocol {
    use pb::upstream_http_options::UpstreamProtocolOptions;
    use pb::upstream_http_options::explicit_http_config::ProtocolConfig;
    match wire {
        UpstreamProtocolOptions::AutoConfig(config) => {
            if let Some(options) = &config.http_protocol_options {
                cx.at("http_protocol_options", |cx| warn_of_http1(cx, options));
            }
            UpstreamProtocol::Auto
        }
        UpstreamProtocolOptions::ExplicitHttpConfig(config) => match &config.protocol_config {
            Some(ProtocolConfig::Http2ProtocolOptions(_)) => UpstreamProtocol::Http2,
            Some(ProtocolConfig::Http3ProtocolOptions(_)) => {
                cx.reject("HTTP/3 to upstreams is not supported");
                UpstreamProtocol::Http1
            }
            Some(ProtocolConfig::HttpProtocolOptions(options)) => {
                cx.at("http_protocol_options", |cx| warn_of_http1(cx, options));
                UpstreamProtocol::Http1
            }
            None => UpstreamProtocol::Http1,
        },
        UpstreamProtocolOptions::UseDownstreamProtocolConfig(_) => {
            cx.reject(
                "use_downstream_protocol_config is not supported; say explicit_http_config or auto_config",
            );
            UpstreamProtocol::Http1
        }
    }
}

/// Warns of the options of HTTP/1 that listeners heed and clusters do not.
fn warn_of_http1(cx: &mut Context, wire: &pb::Http1ProtocolOptions) {
    let set = [
        ("allow_absolute_url", wire.allow_absolute_url.is_some()),
        ("accept_http_10", wire.accept_http_10),
        ("default_host_for_http_10", !wire.default_host_for_http_10.is_empty()),
        ("header_key_format", wire.header_key_format.is_some()),
        ("enable_trailers", wire.enable_trailers),
        ("allow_chunked_length", wire.allow_chunked_length),
    ];
    warn_of_set(cx, &set);
}

/// Warns of the options of any HTTP that listeners heed and clusters do not.
fn warn_of_common(cx: &mut Context, wire: &pb::HttpProtocolOptions) {
    let set = [
        ("max_headers_count", wire.max_headers_count.is_some()),
        ("max_stream_duration", wire.max_stream_duration.is_some()),
        ("headers_with_underscores_action", wire.headers_with_underscores_action != 0),
    ];
    warn_of_set(cx, &set);
}

fn warn_of_set(cx: &mut Context, fields: &[(&str, bool)]) {
    for (name, _) in fields.iter().filter(|(_, set)| *set) {
        cx.at(name, |cx| cx.warn("has no effect on connections to endpoints"));
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
        UpstreamProtocolOptions::UseDownstreamProtocolConfig(_) => None,
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
