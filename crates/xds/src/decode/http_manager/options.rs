//! What a connection manager says of itself, and when it logs and closes ← wire.

use ripstop_model::http_manager::log_moments::LogMoments;
use ripstop_model::http_manager::proxy_status::{ProxyName, ProxyStatus};

use crate::decode::common::{Context, is_true, positive_duration};
use crate::pb;
use crate::pb::http_connection_manager as wire_manager;

/// Whether a request that is refused for what it says leaves its HTTP/1 connection open.
pub(super) fn keeps_connection_of_invalid(wire: &pb::HttpConnectionManager) -> bool {
    let http1 = wire.http_protocol_options.as_ref();
    let own = http1.and_then(|http1| http1.override_stream_error_on_invalid_http_message.as_ref());
    is_true(own.or(wire.stream_error_on_invalid_http_message.as_ref()))
}

#[allow(deprecated, reason = "Envoy still takes the moments in the manager itself")]
pub(super) fn log_moments(cx: &mut Context, wire: &pb::HttpConnectionManager) -> LogMoments {
    let mut moments = LogMoments {
        at_start: wire.flush_access_log_on_new_request,
        at_tunnel: false,
        interval: positive_duration(cx, "access_log_flush_interval", wire.access_log_flush_interval.as_ref()),
    };
    let Some(options) = &wire.access_log_options else { return moments };
    if moments != LogMoments::default() {
        cx.at("access_log_options", |cx| {
            cx.reject("must not stand beside access_log_flush_interval or flush_access_log_on_new_request");
        });
    }
    moments.at_start = options.flush_access_log_on_new_request;
    moments.at_tunnel = options.flush_log_on_tunnel_successfully_established;
    moments.interval = cx.at("access_log_options", |cx| {
        positive_duration(cx, "access_log_flush_interval", options.access_log_flush_interval.as_ref())
    });
    moments
}

pub(super) fn proxy_status(wire: &wire_manager::ProxyStatusConfig) -> ProxyStatus {
    use wire_manager::proxy_status_config::ProxyName as Wire;
    ProxyStatus {
        remove_details: wire.remove_details,
        remove_connection_termination_details: wire.remove_connection_termination_details,
        remove_response_flags: wire.remove_response_flags,
        set_recommended_status: wire.set_recommended_response_code,
        name: match &wire.proxy_name {
            None | Some(Wire::UseNodeId(false)) => ProxyName::Server,
            Some(Wire::UseNodeId(true)) => ProxyName::NodeId,
            Some(Wire::LiteralProxyName(name)) => ProxyName::Literal(name.as_str().into()),
        },
    }
}
