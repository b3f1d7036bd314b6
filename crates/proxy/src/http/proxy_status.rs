//! What an answer says of errors of this proxy in `proxy-status` (RFC 9209). Which response flag is which error is Envoy's
//! table.

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use ripstop_model::http_manager::proxy_status::{ProxyName, ProxyStatus};
use ripstop_policy::flags::{ResponseFlag, ResponseFlags};

use super::sanitise::answer::append;
use crate::stream_info::StreamInfo;

const PROXY_STATUS: HeaderName = HeaderName::from_static("proxy-status");

/// A compiled [`ProxyStatus`].
pub struct CompiledProxyStatus {
    config: ProxyStatus,
    name: String,
}

/// An error by its name in RFC 9209 §2.3, and the status that it recommends.
struct ErrorType {
    name: &'static str,
    status: u16,
}

impl CompiledProxyStatus {
    /// `server` is what the manager calls itself, `node_id` the id of the proxy's node.
    pub fn compile(config: &ProxyStatus, server: &HeaderValue, node_id: &str) -> CompiledProxyStatus {
        let name = match &config.name {
            ProxyName::Server => server.to_str().unwrap_or_default().to_owned(),
            ProxyName::NodeId => node_id.to_owned(),
            ProxyName::Literal(name) => name.to_string(),
        };
        CompiledProxyStatus { config: config.clone(), name }
    }

    /// Marks an answer if something went wrong with its request, and gives the status that it is to have.
    pub fn mark(&self, headers: &mut HeaderMap, status: StatusCode, stream: &StreamInfo) -> StatusCode {
        let Some(error) = error_type(stream.flags) else { return status };
        let mut value = format!("{}; error={}", self.name, error.name);
        if let Some(details) = stream.details_text().filter(|_| !self.config.remove_details) {
            value.push_str("; details=\"");
            escape(&details.replace(' ', "_"), &mut value);
            let ended = stream.connection_details.as_deref();
            if let Some(ended) = ended.filter(|_| !self.config.remove_connection_termination_details) {
                value.push_str("; ");
                escape(ended, &mut value);
            }
            if !self.config.remove_response_flags {
                let flags: Vec<&str> = stream.flags.iter().map(ResponseFlag::as_str).collect();
                value.push_str("; ");
                value.push_str(&flags.join(","));
            }
            value.push('"');
        }
        // What no header can hold says nothing.
        if let Ok(value) = HeaderValue::from_str(&value) {
            append(headers, PROXY_STATUS, &value, ", ");
        }
        match self.config.set_recommended_status {
            true => StatusCode::from_u16(error.status).unwrap_or(status),
            false => status,
        }
    }
}

/// The error that the first of these flags means, which Envoy looks for in this order.
fn error_type(flags: ResponseFlags) -> Option<ErrorType> {
    use ResponseFlag as Flag;
    const TABLE: [(ResponseFlag, &str, u16); 14] = [
        (Flag::NoHealthyUpstream, "destination_unavailable", 503),
        (Flag::UpstreamRequestTimeout, "http_response_timeout", 504),
        (Flag::LocalReset, "connection_timeout", 504),
        (Flag::UpstreamRemoteReset, "connection_terminated", 502),
        (Flag::UpstreamConnectionFailure, "connection_refused", 502),
        (Flag::UpstreamConnectionTermination, "connection_terminated", 502),
        (Flag::UpstreamOverflow, "connection_limit_reached", 503),
        (Flag::NoRouteFound, "destination_not_found", 500),
        (Flag::RateLimited, "connection_limit_reached", 503),
        (Flag::UpstreamRetryLimitExceeded, "destination_unavailable", 503),
        (Flag::StreamIdleTimeout, "http_response_timeout", 504),
        (Flag::UpstreamMaxStreamDurationReached, "http_response_timeout", 504),
        (Flag::UpstreamProtocolError, "http_protocol_error", 502),
        (Flag::NoClusterFound, "destination_unavailable", 503),
    ];
    let found = TABLE.iter().find(|(flag, ..)| flags.contains(*flag));
    found.map(|(_, name, status)| ErrorType { name, status: *status })
}

/// Appends the inside of a string of structured fields (RFC 9651 §3.3.3).
fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_named_with_its_details() {
        let config = ProxyStatus { set_recommended_status: true, ..ProxyStatus::default() };
        let status = CompiledProxyStatus::compile(&config, &HeaderValue::from_static("edge"), "");
        let mut stream = StreamInfo::begin();
        let mut headers = HeaderMap::new();
        let ok = StatusCode::SERVICE_UNAVAILABLE;
        assert_eq!(status.mark(&mut headers, ok, &stream), ok);
        assert!(headers.is_empty());
        stream.flags.insert(ResponseFlag::UpstreamConnectionFailure);
        stream.details = "a \"b\"";
        assert_eq!(status.mark(&mut headers, ok, &stream), StatusCode::BAD_GATEWAY);
        assert_eq!(headers["proxy-status"], "edge; error=connection_refused; details=\"a_\\\"b\\\"; UF\"");
    }
}
