//! Headers that belong to one connection and must not travel further, and headers that we add ourselves.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use ripstop_policy::retry::ATTEMPT_HEADER;

use crate::listener::connection::ConnectionInfo;

/// Headers that describe the connection, not the message (RFC 9110 §7.6.1).
const HOP_BY_HOP: [HeaderName; 6] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::PROXY_AUTHENTICATE,
];

/// Headers that `connection` cannot take away.
const VITAL: [&str; 3] = ["host", "content-length", "te"];

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
/// `x-envoy-upstream-service-time`: milliseconds until the head of the response.
pub const X_ENVOY_UPSTREAM_SERVICE_TIME: HeaderName =
    HeaderName::from_static("x-envoy-upstream-service-time");
/// `x-envoy-original-path`: the path before it was rewritten.
pub const X_ENVOY_ORIGINAL_PATH: HeaderName = HeaderName::from_static("x-envoy-original-path");
/// `x-envoy-attempt-count` and ours for the same, see [`ripstop_policy::retry::ATTEMPT_HEADER`].
pub const X_RIPSTOP_ATTEMPT: HeaderName = HeaderName::from_static(ATTEMPT_HEADER);
/// `x-request-id`.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What the names of headers begin with by which proxies of Envoy's family tell each other something; a stranger must not.
const ENVOY_PREFIX: &str = "x-envoy-";

/// Removes what belongs to the connection that a message came over.
pub fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderValue> = headers.get_all(header::CONNECTION).iter().cloned().collect();
    for name in named.iter().flat_map(|value| value.to_str().unwrap_or_default().split(',')) {
        let name = name.trim();
        // Naming these would let a client take away what the request stands on; TE has a rule of its own.
        let vital = VITAL.iter().any(|vital| name.eq_ignore_ascii_case(vital));
        if !vital && !name.is_empty() {
            headers.remove(name);
        }
    }
    // A length beside a transfer coding is not the length of what follows (RFC 9112 §6.3).
    if headers.contains_key(header::TRANSFER_ENCODING) {
        headers.remove(header::CONTENT_LENGTH);
    }
    for name in &HOP_BY_HOP {
        headers.remove(name);
    }
    // Only `trailers` means anything beyond one hop, and gRPC wants it.
    if let Some(te) = headers.get(header::TE) {
        let trailers = te
            .to_str()
            .is_ok_and(|te| te.split(',').any(|coding| coding.trim().eq_ignore_ascii_case("trailers")));
        if trailers {
            headers.insert(header::TE, HeaderValue::from_static("trailers"));
        } else {
            headers.remove(header::TE);
        }
    }
}

/// Tells the upstream where the request comes from. At an edge, what a stranger says about it is not believed.
pub fn forwarded(headers: &mut HeaderMap, connection: &ConnectionInfo, edge: bool) {
    if edge {
        remove_internal(headers);
        append_forwarded_for(headers, connection);
    }
    if edge || !headers.contains_key(X_FORWARDED_PROTO) {
        let proto = if connection.tls { "https" } else { "http" };
        headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static(proto));
    }
}

fn remove_internal(headers: &mut HeaderMap) {
    headers.remove(X_RIPSTOP_ATTEMPT);
    let names: Vec<HeaderName> =
        headers.keys().filter(|name| name.as_str().starts_with(ENVOY_PREFIX)).cloned().collect();
    for name in names {
        headers.remove(name);
    }
}

fn append_forwarded_for(headers: &mut HeaderMap, connection: &ConnectionInfo) {
    // A Unix socket has no address that could be told.
    let Some(client) = connection.remote.ip() else { return };
    let mut chain = Vec::with_capacity(48);
    for before in headers.get_all(X_FORWARDED_FOR) {
        chain.extend_from_slice(before.as_bytes());
        chain.push(b',');
    }
    chain.extend_from_slice(client.to_string().as_bytes());
    if let Ok(value) = HeaderValue::from_bytes(&chain) {
        headers.insert(X_FORWARDED_FOR, value);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use ripstop_model::Address;

    fn map(lines: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        headers
    }

    fn check(before: &[(&str, &str)], after: &[(&str, &str)]) {
        let mut headers = map(before);
        remove_hop_by_hop(&mut headers);
        assert_eq!(headers, map(after));
    }

    #[test]
    fn what_belongs_to_the_connection_stays_behind() {
        check(&[("connection", "close, X-Mine"), ("x-mine", "1"), ("a", "b")], &[("a", "b")]);
        check(&[("connection", "host, content-length"), ("host", "h")], &[("host", "h")]);
        check(&[("transfer-encoding", "chunked"), ("keep-alive", "5"), ("upgrade", "h2c")], &[]);
        check(&[("te", "gzip, trailers")], &[("te", "trailers")]);
        check(&[("te", "gzip")], &[]);
        check(&[("connection", "close"), ("connection", "x-a"), ("x-a", "1")], &[]);
        check(&[("connection", "te"), ("te", "trailers")], &[("te", "trailers")]);
        check(&[("transfer-encoding", "chunked"), ("content-length", "3")], &[]);
    }

    #[test]
    fn at_an_edge_strangers_are_not_believed() {
        let connection =
            ConnectionInfo::plain(Address::socket([10, 0, 0, 9], 1234), Address::socket([10, 0, 0, 1], 80));
        let lines = [
            ("x-forwarded-for", "1.1.1.1"),
            ("x-forwarded-proto", "https"),
            ("x-ripstop-attempt", "2"),
            ("x-envoy-internal", "true"),
            ("x-envoy-upstream-rq-timeout-ms", "1"),
        ];
        let mut edge = map(&lines);
        forwarded(&mut edge, &connection, true);
        assert_eq!(edge, map(&[("x-forwarded-for", "1.1.1.1,10.0.0.9"), ("x-forwarded-proto", "http")]));
        let mut inner = map(&lines);
        forwarded(&mut inner, &connection, false);
        assert_eq!(inner, map(&lines));
    }
}
