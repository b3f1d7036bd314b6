//! Makes path and host of a request what its route wants them to be, and keeps what they were in headers.

use http::uri::{Authority, PathAndQuery};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::headers::X_ENVOY_ORIGINAL_PATH;
use super::stream::ActiveStream;
use super::target::Target;
use crate::generation::listener::ActiveManager;
use crate::generation::routes::{CompiledForward, CompiledHostRewrite};

const X_ENVOY_ORIGINAL_HOST: HeaderName = HeaderName::from_static("x-envoy-original-host");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Rewrites what can be rewritten before an endpoint is known. `share_host` is the host of the share of a split that the
/// request fell into; as in Envoy, what the route says comes on top of it.
pub fn rewrite(
    manager: &ActiveManager,
    target: &mut Target,
    headers: &mut HeaderMap,
    forward: &CompiledForward,
    share_host: Option<&HeaderValue>,
    stream: &mut ActiveStream,
) {
    if let Some(host) = share_host
        && let Ok(authority) = Authority::try_from(host.as_bytes())
    {
        target.authority = authority;
    }
    let keep = !manager.config.router.suppress_envoy_headers;
    rewrite_host(target, headers, forward, keep);
    rewrite_path(target, headers, forward, keep, stream);
}

fn rewrite_host(target: &mut Target, headers: &mut HeaderMap, forward: &CompiledForward, keep: bool) {
    let authority = match &forward.host_rewrite {
        None | Some(CompiledHostRewrite::Endpoint) => return,
        Some(CompiledHostRewrite::Literal(host)) => Authority::try_from(host.as_bytes()),
        Some(CompiledHostRewrite::Header(name)) => match headers.get(name) {
            Some(host) => Authority::try_from(host.as_bytes()),
            None => return,
        },
        Some(CompiledHostRewrite::PathRegex(regex)) => {
            Authority::try_from(&*regex.replace_all(target.path.path()))
        }
    };
    // What is no host (an empty header, for instance) changes nothing.
    if let Ok(authority) = authority {
        replace_host(target, headers, authority, forward.append_x_forwarded_host, keep);
    }
}

/// Takes the host name of the endpoint, where the route wants that and the endpoint has one.
pub fn endpoint_host(
    target: &mut Target,
    headers: &mut HeaderMap,
    forward: &CompiledForward,
    hostname: &str,
    keep: bool,
) {
    let wanted = matches!(forward.host_rewrite, Some(CompiledHostRewrite::Endpoint));
    if wanted && let Ok(authority) = Authority::try_from(hostname) {
        replace_host(target, headers, authority, forward.append_x_forwarded_host, keep);
    }
}

fn replace_host(
    target: &mut Target,
    headers: &mut HeaderMap,
    authority: Authority,
    append: bool,
    keep: bool,
) {
    let original = std::mem::replace(&mut target.authority, authority);
    let Ok(original) = HeaderValue::from_str(original.as_str()) else { return };
    if append {
        append_forwarded_host(headers, &original);
    }
    if keep {
        headers.insert(X_ENVOY_ORIGINAL_HOST, original);
    }
}

/// As in Envoy, a host that is the last of the list already is not appended once more.
fn append_forwarded_host(headers: &mut HeaderMap, host: &HeaderValue) {
    let value = match headers.get(X_FORWARDED_HOST) {
        None => host.clone(),
        Some(before) => {
            let last = before.as_bytes().rsplit(|byte| *byte == b',').next();
            if last == Some(host.as_bytes()) {
                return;
            }
            match HeaderValue::from_bytes(&[before.as_bytes(), b",", host.as_bytes()].concat()) {
                Ok(value) => value,
                Err(_) => return,
            }
        }
    };
    headers.insert(X_FORWARDED_HOST, value);
}

fn rewrite_path(
    target: &mut Target,
    headers: &mut HeaderMap,
    forward: &CompiledForward,
    keep: bool,
    stream: &mut ActiveStream,
) {
    let Some(rewritten) = forward.rewrite.as_ref().and_then(|rewrite| rewrite.rewrite(target.path.as_str()))
    else {
        return;
    };
    let Ok(path) = PathAndQuery::try_from(rewritten) else { return };
    let original = std::mem::replace(&mut target.path, path);
    if stream.is_logged() {
        stream.facts.original_path = Some(original.as_str().into());
        stream.facts.path = Some(target.path.as_str().into());
    }
    if keep && let Ok(original) = HeaderValue::from_str(original.as_str()) {
        headers.insert(X_ENVOY_ORIGINAL_PATH, original);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn forwarded_hosts_are_a_list() {
        let check = |before: Option<&'static str>, expected: &str| {
            let mut headers = HeaderMap::new();
            headers.extend(before.map(|text| (X_FORWARDED_HOST, HeaderValue::from_static(text))));
            append_forwarded_host(&mut headers, &HeaderValue::from_static("h.com"));
            assert_eq!(headers[X_FORWARDED_HOST], expected, "{before:?}");
        };
        check(None, "h.com");
        check(Some("one"), "one,h.com");
        check(Some("one,h.com"), "one,h.com");
        // Envoy does not look past the space either.
        check(Some("one, h.com"), "one, h.com,h.com");
    }
}
