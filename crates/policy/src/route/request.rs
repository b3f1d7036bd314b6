//! What of a request a route can look at.

use http::HeaderMap;
use ripstop_model::route::TlsMatch;

/// The head of a request, and what is known of where it came from.
#[derive(Clone, Copy, Debug)]
pub struct RequestHead<'a> {
    /// Host and, where the client sent one, port.
    pub authority: &'a str,
    /// The path, without query and fragment.
    pub path: &'a str,
    /// What follows the `?`.
    pub query: Option<&'a str>,
    /// For instance `GET`.
    pub method: &'a str,
    /// `http` or `https`.
    pub scheme: &'a str,
    /// All headers; the pseudo-headers are the fields above.
    pub headers: &'a HeaderMap,
    /// The client presented a certificate.
    pub client_cert_presented: bool,
    /// The certificate that it presented is valid.
    pub client_cert_validated: bool,
    /// One throw of the dice; everything about this request that is left to chance follows from it, as in Envoy.
    pub random: u64,
}

impl<'a> RequestHead<'a> {
    /// A GET without TLS.
    pub fn get(authority: &'a str, path_and_query: &'a str, headers: &'a HeaderMap) -> RequestHead<'a> {
        let (path, query) = match path_and_query.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (path_and_query, None),
        };
        RequestHead {
            authority,
            path,
            query,
            method: "GET",
            scheme: "http",
            headers,
            client_cert_presented: false,
            client_cert_validated: false,
            random: 0,
        }
    }

    pub(super) fn fulfils(&self, tls: TlsMatch) -> bool {
        tls.presented.is_none_or(|wanted| wanted == self.client_cert_presented)
            && tls.validated.is_none_or(|wanted| wanted == self.client_cert_validated)
    }

    /// The request came over TLS, as far as the proxies before this one say.
    pub(super) fn is_https(&self) -> bool {
        self.headers.get("x-forwarded-proto").is_some_and(|proto| proto == "https")
    }

    /// The request came from inside, as the connection manager found out.
    pub(super) fn is_internal(&self) -> bool {
        self.headers.get("x-envoy-internal").is_some_and(|internal| internal == "true")
    }

    /// The content type says gRPC.
    pub(super) fn is_grpc(&self) -> bool {
        let content_type = self.headers.get(http::header::CONTENT_TYPE).map(|value| value.as_bytes());
        let rest = content_type.and_then(|value| value.strip_prefix(b"application/grpc"));
        rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'+')))
    }
}
