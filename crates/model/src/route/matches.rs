//! Which requests a route takes. How they are compared is `ripstop-policy`'s.

use crate::Name;
use crate::matcher::{CookieMatch, HeaderMatch, QueryMatch};
use crate::runtime::RuntimeFraction;

use super::PathTemplate;

/// Which requests a route takes. All conditions must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteMatch {
    /// Condition on the path, without the query.
    pub path: PathMatch,
    /// The path is compared with case. On unless told otherwise.
    pub case_sensitive: bool,
    /// Conditions on headers.
    pub headers: Vec<HeaderMatch>,
    /// Conditions on query parameters.
    pub query: Vec<QueryMatch>,
    /// Conditions on cookies.
    pub cookies: Vec<CookieMatch>,
    /// gRPC only: the content type is `application/grpc`, with or without an ending such as `+proto`.
    pub grpc: bool,
    /// Only this share of the requests that fulfil everything else. `None`: all.
    pub share: Option<RuntimeFraction>,
    /// Condition on the client's certificate.
    pub tls: TlsMatch,
}

impl RouteMatch {
    /// Every request whose path begins with `prefix`.
    pub fn prefix(prefix: impl Into<Name>) -> RouteMatch {
        RouteMatch::path(PathMatch::Prefix(prefix.into()))
    }

    /// Every request whose path matches.
    pub fn path(path: PathMatch) -> RouteMatch {
        RouteMatch {
            path,
            case_sensitive: true,
            headers: Vec::new(),
            query: Vec::new(),
            cookies: Vec::new(),
            grpc: false,
            share: None,
            tls: TlsMatch::default(),
        }
    }
}

/// Condition on the path of a request.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PathMatch {
    /// Begins with.
    Prefix(Name),
    /// Is.
    Exact(Name),
    /// Matches as a whole (RE2).
    Regex(Name),
    /// Is, or begins with this and a `/`; it does not end in `/` itself.
    PathSeparatedPrefix(Name),
    /// Fits a pattern such as `/users/{id=*}/**`.
    Template(PathTemplate),
    /// Whatever path, or none: the method is CONNECT. Nothing else takes CONNECT requests.
    Connect,
}

/// Condition on the certificate of the client. Without TLS there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct TlsMatch {
    /// It was presented, or was not; `None`: either.
    pub presented: Option<bool>,
    /// It was found valid, or was not; `None`: either.
    pub validated: Option<bool>,
}
