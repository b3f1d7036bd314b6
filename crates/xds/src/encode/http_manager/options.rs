//! What a connection manager says of itself, and when it logs and closes → wire.

use ripstop_model::HttpConnectionManager;
use ripstop_model::http_manager::log_moments::LogMoments;
use ripstop_model::http_manager::proxy_status::{ProxyName, ProxyStatus};

use super::super::common::{bool_value, duration};
use crate::pb;
use crate::pb::http_connection_manager as wire;

/// Sets the fields.
pub(super) fn fill(manager: &HttpConnectionManager, into: &mut pb::HttpConnectionManager) {
    into.delayed_close_timeout = manager.delayed_close_timeout.map(duration);
    into.stream_error_on_invalid_http_message = manager.keeps_connection_of_invalid.then(|| bool_value(true));
    into.proxy_status_config = manager.proxy_status.as_deref().map(proxy_status);
    let moments = manager.log_moments;
    into.access_log_options = (moments != LogMoments::default()).then(|| wire::HcmAccessLogOptions {
        access_log_flush_interval: moments.interval.map(duration),
        flush_access_log_on_new_request: moments.at_start,
        flush_log_on_tunnel_successfully_established: moments.at_tunnel,
    });
}

fn proxy_status(status: &ProxyStatus) -> wire::ProxyStatusConfig {
    use wire::proxy_status_config::ProxyName as Wire;
    wire::ProxyStatusConfig {
        remove_details: status.remove_details,
        remove_connection_termination_details: status.remove_connection_termination_details,
        remove_response_flags: status.remove_response_flags,
        set_recommended_response_code: status.set_recommended_status,
        proxy_name: match &status.name {
            ProxyName::Server => None,
            ProxyName::NodeId => Some(Wire::UseNodeId(true)),
            ProxyName::Literal(name) => Some(Wire::LiteralProxyName(name.to_string())),
        },
    }
}
