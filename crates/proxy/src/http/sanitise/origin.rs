//! What the request says of where it comes from: `x-forwarded-*`, and the headers of Envoy's that a stranger must not set.

use std::net::IpAddr;

use http::uri::Scheme;
use http::{HeaderMap, HeaderName, HeaderValue};
use ripstop_policy::sanitise::origin::{Evidence, client};

use crate::generation::listener::ActiveManager;
use crate::http::headers::{X_ENVOY_ORIGINAL_PATH, X_RIPSTOP_ATTEMPT, X_RIPSTOP_TIMEOUT_MS};
use crate::http::target::Target;
use crate::listener::connection::ConnectionInfo;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const X_ENVOY_INTERNAL: HeaderName = HeaderName::from_static("x-envoy-internal");
const X_ENVOY_EXTERNAL_ADDRESS: HeaderName = HeaderName::from_static("x-envoy-external-address");

/// Envoy believes these of its own network only.
const INTERNAL_ONLY: [HeaderName; 14] = [
    HeaderName::from_static("x-envoy-retriable-status-codes"),
    HeaderName::from_static("x-envoy-retriable-header-names"),
    HeaderName::from_static("x-envoy-retry-on"),
    HeaderName::from_static("x-envoy-retry-grpc-on"),
    HeaderName::from_static("x-envoy-max-retries"),
    HeaderName::from_static("x-envoy-upstream-alt-stat-name"),
    HeaderName::from_static("x-envoy-upstream-rq-timeout-ms"),
    HeaderName::from_static("x-envoy-upstream-rq-per-try-timeout-ms"),
    HeaderName::from_static("x-envoy-upstream-rq-timeout-alt-response"),
    HeaderName::from_static("x-envoy-expected-rq-timeout-ms"),
    HeaderName::from_static("x-envoy-force-trace"),
    HeaderName::from_static("x-envoy-ip-tags"),
    HeaderName::from_static("x-envoy-original-url"),
    HeaderName::from_static("x-envoy-hedge-on-per-try-timeout"),
];

/// And these of nobody who comes in at an edge.
const NOT_AT_AN_EDGE: [HeaderName; 7] = [
    HeaderName::from_static("x-envoy-decorator-operation"),
    HeaderName::from_static("x-envoy-downstream-service-cluster"),
    HeaderName::from_static("x-envoy-downstream-service-node"),
    HeaderName::from_static("x-envoy-original-host"),
    X_ENVOY_ORIGINAL_PATH,
    X_RIPSTOP_ATTEMPT,
    X_RIPSTOP_TIMEOUT_MS,
];

/// Where a request comes from.
pub struct Client {
    /// The address, if it is another than the connection's.
    pub forwarded: Option<IpAddr>,
    /// It comes from a stranger, and this is the first of our proxies that it meets.
    pub edge: bool,
}

/// Finds out where the request comes from, and says so to the upstream.
pub fn apply(
    target: &mut Target,
    headers: &mut HeaderMap,
    manager: &ActiveManager,
    connection: &ConnectionInfo,
) -> Client {
    let (rules, at_edge) = (&manager.config.origin, manager.config.use_remote_address);
    // Most requests have none of these: one look at the names is quicker than looking for each of them.
    let suspect = headers.keys().any(|name| is_suspect(name.as_str()));
    if suspect {
        headers.remove(X_ENVOY_INTERNAL);
    }
    let chain = joined(headers);
    let forwarded_for = chain.as_ref().map(|chain| chain.to_str().unwrap_or_default());
    let remote = connection.remote.ip();
    let local_port = connection.local.as_socket().map(|local| local.port());
    let found = client(rules, at_edge, Evidence { remote, forwarded_for });
    // A Unix socket has no address that could be told.
    if let Some(remote) = remote.filter(|_| at_edge && !rules.skip_xff_append) {
        append_forwarded_for(headers, remote);
    }
    let overrules = at_edge && rules.xff_num_trusted_hops == 0;
    if overrules || !headers.contains_key(X_FORWARDED_PROTO) {
        let proto = if connection.tls { "https" } else { "http" };
        headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static(proto));
    }
    let told = headers.contains_key(X_FORWARDED_PORT) && !overrules;
    if let Some(port) = local_port.filter(|_| rules.append_x_forwarded_port && !told) {
        headers.insert(X_FORWARDED_PORT, HeaderValue::from(port));
    }
    scheme(target, headers, manager, connection);
    let edge = at_edge && !found.internal;
    if found.internal {
        headers.insert(X_ENVOY_INTERNAL, HeaderValue::from_static("true"));
    } else if suspect {
        remove(headers, &INTERNAL_ONLY);
    }
    if edge {
        if suspect {
            remove(headers, &NOT_AT_AN_EDGE);
        }
        let address = found.forwarded.or(remote).map(|address| HeaderValue::try_from(address.to_string()));
        if let Some(Ok(address)) = address {
            headers.insert(X_ENVOY_EXTERNAL_ADDRESS, address);
        }
    }
    Client { forwarded: found.forwarded, edge }
}

/// The scheme of the request, from what the first proxy said of it.
fn scheme(
    target: &mut Target,
    headers: &mut HeaderMap,
    manager: &ActiveManager,
    connection: &ConnectionInfo,
) {
    if let Some(scheme) = &manager.rules.scheme {
        target.scheme = Some(scheme.clone());
        if let Ok(proto) = HeaderValue::from_str(scheme.as_str()) {
            headers.insert(X_FORWARDED_PROTO, proto);
        }
    } else if target.scheme.is_none() {
        let said = headers.get(X_FORWARDED_PROTO).map(HeaderValue::as_bytes);
        target.scheme = Some(match said {
            Some(b"https") => Scheme::HTTPS,
            Some(b"http") => Scheme::HTTP,
            _ if connection.tls => Scheme::HTTPS,
            _ => Scheme::HTTP,
        });
    }
}

/// Whether a name may be one of those above.
fn is_suspect(name: &str) -> bool {
    name.starts_with("x-envoy-") || name.starts_with("x-ripstop-")
}

fn remove(headers: &mut HeaderMap, names: &[HeaderName]) {
    for name in names {
        headers.remove(name);
    }
}

/// All that `x-forwarded-for` says, in one value.
fn joined(headers: &mut HeaderMap) -> Option<HeaderValue> {
    let mut values = headers.get_all(X_FORWARDED_FOR).iter();
    let first = values.next()?.clone();
    if values.next().is_none() {
        return Some(first);
    }
    let values: Vec<&[u8]> = headers.get_all(X_FORWARDED_FOR).iter().map(HeaderValue::as_bytes).collect();
    let joined = HeaderValue::from_bytes(&values.join(&b","[..])).ok()?;
    headers.insert(X_FORWARDED_FOR, joined.clone());
    Some(joined)
}

/// Called when there is at most one value.
fn append_forwarded_for(headers: &mut HeaderMap, remote: IpAddr) {
    let mut chain = Vec::with_capacity(48);
    if let Some(before) = headers.get(X_FORWARDED_FOR).filter(|before| !before.is_empty()) {
        chain.extend_from_slice(before.as_bytes());
        chain.push(b',');
    }
    chain.extend_from_slice(remote.to_canonical().to_string().as_bytes());
    if let Ok(value) = HeaderValue::from_bytes(&chain) {
        headers.insert(X_FORWARDED_FOR, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_that_is_removed_is_overlooked() {
        for name in INTERNAL_ONLY.iter().chain(&NOT_AT_AN_EDGE).chain([&X_ENVOY_INTERNAL]) {
            assert!(is_suspect(name.as_str()), "{name}");
        }
    }
}
