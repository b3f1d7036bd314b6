//! Where a request wants to go: host and path, whichever way the client wrote them.

use http::header;
use http::uri::{Authority, PathAndQuery, Scheme, Uri};
use http::{HeaderMap, HeaderValue};

/// The target of a request.
#[derive(Clone)]
pub struct Target {
    /// Host as the client gave it.
    pub authority: Authority,
    /// Path and query, at least `/`.
    pub path: PathAndQuery,
    /// The scheme that the client wants; `None` as long as nobody has said any.
    pub scheme: Option<Scheme>,
}

impl Target {
    /// Takes it from an absolute URI (HTTP/2, and HTTP/1.1 to a proxy) or else from the `host` header. `None` where
    /// neither says where to, or both disagree in a way that would let two readers see two hosts.
    pub fn of(uri: &Uri, headers: &HeaderMap) -> Option<Target> {
        let mut hosts = headers.get_all(header::HOST).iter();
        let host = hosts.next();
        if hosts.next().is_some() {
            return None;
        }
        let authority = match (uri.authority(), host) {
            (Some(authority), _) => authority.clone(),
            (None, Some(host)) => Authority::try_from(host.as_bytes()).ok()?,
            (None, None) => return None,
        };
        // A user name in the host is never part of an http URI (RFC 9110 §4.2.4).
        if authority.as_str().contains('@') {
            return None;
        }
        let path = uri.path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/"));
        let scheme = uri.scheme().filter(|scheme| [Scheme::HTTP, Scheme::HTTPS].contains(scheme)).cloned();
        Some(Target { authority, path, scheme })
    }

    /// The URI for an HTTP/2 upstream.
    pub fn absolute(&self, scheme: Scheme) -> Option<Uri> {
        Uri::builder()
            .scheme(scheme)
            .authority(self.authority.clone())
            .path_and_query(self.path.clone())
            .build()
            .ok()
    }

    /// The URI for an HTTP/1.1 upstream, beside which `host` stands in the headers.
    pub fn origin(&self) -> Uri {
        Uri::from(self.path.clone())
    }

    /// The URI of a CONNECT.
    pub fn authority_form(&self) -> Option<Uri> {
        Uri::builder().authority(self.authority.clone()).build().ok()
    }

    /// The value of the `host` header.
    pub fn host(&self) -> Option<HeaderValue> {
        HeaderValue::from_str(self.authority.as_str()).ok()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn check(uri: &str, hosts: &[&str], expected: Option<(&str, &str)>) {
        let mut headers = HeaderMap::new();
        for host in hosts {
            headers.append(header::HOST, host.parse().unwrap());
        }
        let target = Target::of(&uri.parse().unwrap(), &headers);
        let target = target.as_ref().map(|t| (t.authority.as_str(), t.path.as_str()));
        assert_eq!(target, expected, "{uri} {hosts:?}");
    }

    #[test]
    fn the_host_comes_from_the_uri_or_the_header() {
        check("/a?b", &["h:1"], Some(("h:1", "/a?b")));
        check("http://u/a", &["h"], Some(("u", "/a")));
        check("http://u", &[], Some(("u", "/")));
        check("/a", &[], None);
        check("/a", &["h", "i"], None);
        check("/a", &["user@h"], None);
        check("/a", &[""], None);
    }
}
