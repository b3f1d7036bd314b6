//! Headers that belong to one connection and must not travel further, and the names of headers that we add ourselves.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use ripstop_policy::deadline::TIMEOUT_HEADER;
use ripstop_policy::retry::ATTEMPT_HEADER;

/// Headers that describe the connection, not the message (RFC 9110 §7.6.1).
const HOP_BY_HOP: [HeaderName; 5] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Headers that `connection` cannot take away.
const VITAL: [&str; 3] = ["host", "content-length", "te"];

/// `x-envoy-upstream-service-time`: milliseconds until the head of the response.
pub const X_ENVOY_UPSTREAM_SERVICE_TIME: HeaderName =
    HeaderName::from_static("x-envoy-upstream-service-time");
/// `x-envoy-overloaded`: the request was not tried because a limit is reached.
pub const X_ENVOY_OVERLOADED: HeaderName = HeaderName::from_static("x-envoy-overloaded");
/// `x-envoy-original-path`: the path before it was rewritten.
pub const X_ENVOY_ORIGINAL_PATH: HeaderName = HeaderName::from_static("x-envoy-original-path");
/// `x-envoy-attempt-count`: the number of a try, or of all tries.
pub const X_ENVOY_ATTEMPT_COUNT: HeaderName = HeaderName::from_static("x-envoy-attempt-count");
/// Ours for the same between hops, see [`ripstop_policy::retry::ATTEMPT_HEADER`].
pub const X_RIPSTOP_ATTEMPT: HeaderName = HeaderName::from_static(ATTEMPT_HEADER);
/// Ours for the time that is left, see [`ripstop_policy::deadline::TIMEOUT_HEADER`].
pub const X_RIPSTOP_TIMEOUT_MS: HeaderName = HeaderName::from_static(TIMEOUT_HEADER);
/// `x-request-id`.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// `x-envoy-force-trace`.
pub const X_ENVOY_FORCE_TRACE: HeaderName = HeaderName::from_static("x-envoy-force-trace");

/// Makes one header of several cookies, which HTTP/2 may send one by one (RFC 9113 §8.2.3).
pub fn join_cookies(headers: &mut HeaderMap) {
    let mut cookies = headers.get_all(header::COOKIE).iter();
    let Some(first) = cookies.next().filter(|_| headers.get_all(header::COOKIE).iter().count() > 1) else {
        return;
    };
    let mut joined = first.as_bytes().to_vec();
    for cookie in cookies {
        joined.extend_from_slice(b"; ");
        joined.extend_from_slice(cookie.as_bytes());
    }
    if let Ok(joined) = HeaderValue::from_bytes(&joined) {
        headers.insert(header::COOKIE, joined);
    }
}

/// Whether the client waits to be told to go on. Only that expectation is answered here.
pub fn expects_continue(headers: &HeaderMap) -> bool {
    headers.get(header::EXPECT).is_some_and(|word| word.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

/// Removes what belongs to the connection that a message came over.
pub fn remove_hop_by_hop(headers: &mut HeaderMap) {
    // Looked at twice by every request, and mostly nothing is there.
    if !headers.keys().any(|name| *name == header::TE || HOP_BY_HOP.contains(name)) {
        return;
    }
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

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
}
