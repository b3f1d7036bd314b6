//! How HTTP is spoken to the endpoints of a cluster → wire.

use ripstop_model::cluster::UpstreamProtocol;
use ripstop_model::upstream_http::{RequestServerName, UpstreamHttp};
use ripstop_model::{Cluster, Percent};

use super::common::{duration, percent, u32_value};
use super::http1::http1_options;
use super::http2::http2_options;
use crate::pb;
use crate::pb::upstream_http_options::explicit_http_config::ProtocolConfig;
use crate::pb::upstream_http_options::{
    AutoHttpConfig, ExplicitHttpConfig, UpstreamProtocolOptions, UseDownstreamHttpConfig,
};

/// `None` where Envoy's defaults (HTTP/1.1) say the same.
pub(super) fn http_options(cluster: &Cluster) -> Option<pb::UpstreamHttpOptions> {
    let common = Some(common(cluster)).filter(|common| *common != pb::HttpProtocolOptions::default());
    let RequestServerName { auto_sni, auto_san_validation, override_header } = &cluster.http.server_name;
    let names = pb::UpstreamHttpProtocolOptions {
        auto_sni: *auto_sni,
        auto_san_validation: *auto_san_validation,
        override_auto_sni_header: override_header.as_deref().unwrap_or_default().to_owned(),
    };
    let names = Some(names).filter(|names| *names != pb::UpstreamHttpProtocolOptions::default());
    let http1 = http1(&cluster.http);
    let plain = cluster.protocol == UpstreamProtocol::Http1 && http1 == pb::Http1ProtocolOptions::default();
    if plain && common.is_none() && names.is_none() {
        return None;
    }
    Some(pb::UpstreamHttpOptions {
        common_http_protocol_options: common,
        upstream_http_protocol_options: names,
        upstream_protocol_options: Some(protocol(cluster, http1)),
        ..Default::default()
    })
}

fn protocol(cluster: &Cluster, http1: pb::Http1ProtocolOptions) -> UpstreamProtocolOptions {
    let explicit = |config| {
        UpstreamProtocolOptions::ExplicitHttpConfig(ExplicitHttpConfig { protocol_config: Some(config) })
    };
    let http2 = http2_options(&cluster.http.http2);
    match cluster.protocol {
        UpstreamProtocol::Http1 => explicit(ProtocolConfig::HttpProtocolOptions(http1)),
        UpstreamProtocol::Http2 => explicit(ProtocolConfig::Http2ProtocolOptions(http2)),
        // What the mark beside the cluster turns back.
        UpstreamProtocol::Auto if cluster.transport.tls.is_none() => {
            explicit(ProtocolConfig::HttpProtocolOptions(http1))
        }
        UpstreamProtocol::Auto => UpstreamProtocolOptions::AutoConfig(AutoHttpConfig {
            http_protocol_options: Some(http1),
            http2_protocol_options: Some(http2),
            ..Default::default()
        }),
        UpstreamProtocol::Downstream => {
            UpstreamProtocolOptions::UseDownstreamProtocolConfig(UseDownstreamHttpConfig {
                http_protocol_options: Some(http1),
                http2_protocol_options: Some(http2),
                ..Default::default()
            })
        }
    }
}

fn http1(http: &UpstreamHttp) -> pb::Http1ProtocolOptions {
    http1_options(&http.http1, http.http1_trailers)
}

fn common(cluster: &Cluster) -> pb::HttpProtocolOptions {
    let (limits, connection) = (&cluster.http.limits, &cluster.connection);
    let jitter = Some(connection.max_age_jitter).filter(|jitter| *jitter != Percent::ZERO);
    pb::HttpProtocolOptions {
        idle_timeout: cluster.idle_timeout.map(duration),
        max_requests_per_connection: cluster.max_requests_per_connection.map(|n| u32_value(n.get())),
        max_response_headers_kb: limits.max_headers_kb.map(u32_value),
        max_headers_count: limits.max_headers_count.map(u32_value),
        max_connection_duration: connection.max_age.map(duration),
        max_connection_duration_jitter: jitter.map(percent),
        max_stream_duration: limits.max_stream_duration.map(duration),
        ..Default::default()
    }
}
