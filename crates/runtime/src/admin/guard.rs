//! Keeps pages of others from leading a browser to the admin pages. Who may connect at all is the address's business.

use std::net::IpAddr;

use http::uri::Authority;
use http::{HeaderValue, Method, Request, header};

/// Whether a browser was led here by a page of somebody else's. By a name of theirs that leads here (DNS rebinding), which
/// the `host` says: it has to be a loopback name or address, or `own`, the address that the client connected to; who opens
/// the pages to the network is also called by name. Or by a form of theirs, which only `origin` says.
pub(super) fn is_led_astray<B>(request: &Request<B>, own: IpAddr) -> bool {
    let header = request.headers().get(header::HOST).map(|host| Authority::try_from(host.as_bytes()));
    let host = match (request.uri().authority(), header) {
        (Some(authority), _) => authority.clone(),
        (None, Some(Ok(authority))) => authority,
        (None, Some(Err(_))) => return true,
        // HTTP/1.0, which browsers do not speak.
        (None, None) => return false,
    };
    let name = host.host().trim_start_matches('[').trim_end_matches(']');
    let ours = match name.parse::<IpAddr>() {
        Ok(address) => address.is_loopback() || address.to_canonical() == own.to_canonical(),
        Err(_) => name.eq_ignore_ascii_case("localhost") || (!own.is_loopback() && !name.is_empty()),
    };
    let changes = *request.method() != Method::GET && *request.method() != Method::HEAD;
    let origin = request.headers().get(header::ORIGIN).map(HeaderValue::as_bytes);
    // Our own page has forms, too.
    let own_form = |origin: &[u8]| origin.strip_prefix(b"http://") == Some(host.as_str().as_bytes());
    !ours || changes && origin.is_some_and(|origin| !own_form(origin))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_others_cannot_lead_a_browser_here() {
        let check = |own: [u8; 4], method: Method, headers: &[(&str, &str)], astray: bool| {
            let mut request = Request::builder().method(&method).uri("/quitquitquit");
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let request = request.body(()).unwrap();
            assert_eq!(is_led_astray(&request, own.into()), astray, "{own:?} {method} {headers:?}");
        };
        let (loopback, network) = ([127, 0, 0, 1], [10, 0, 0, 7]);
        for host in ["localhost:9901", "127.0.0.1:9901", "[::1]:9901", "10.0.0.7:9901", "LOCALHOST"] {
            check(network, Method::GET, &[("host", host)], false);
            check(network, Method::POST, &[("host", host)], false);
        }
        for host in ["evil.example:9901", "localhost.evil.example", "10.0.0.8", "127.0.0.1@evil.example", ""]
        {
            check(loopback, Method::GET, &[("host", host)], true);
        }
        check(network, Method::GET, &[("host", "gateway-envoy:9901")], false);
        check(network, Method::GET, &[("host", "10.0.0.8:9901")], true);
        check(loopback, Method::POST, &[("host", "localhost"), ("origin", "http://evil.example")], true);
        check(loopback, Method::POST, &[("host", "localhost:1"), ("origin", "http://localhost:1")], false);
        check(loopback, Method::POST, &[("host", "localhost:1"), ("origin", "http://localhost:2")], true);
        check(network, Method::POST, &[("host", "gateway"), ("origin", "http://evil.example")], true);
        check(loopback, Method::GET, &[], false);
    }
}
