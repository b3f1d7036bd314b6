//! Whom a request is believed to come from, and what the upstream is told of it.

use std::net::IpAddr;

use crate::Name;
use crate::cidr::CidrRange;

/// How far `x-forwarded-*` is believed and what is added to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// So many addresses at the end of `x-forwarded-for` were written by proxies that are trusted.
    pub xff_num_trusted_hops: u32,
    /// `x-forwarded-for` stays as it is.
    pub skip_xff_append: bool,
    /// The upstream is told in `x-forwarded-port` which port the client connected to.
    pub append_x_forwarded_port: bool,
    /// Addresses of the own network.
    pub internal: InternalAddresses,
    /// What becomes of the scheme.
    pub scheme: SchemeRules,
    /// Appended to `via`, of requests and answers.
    pub via: Option<Name>,
}

/// Envoy's `InternalAddressConfig`. Nothing is internal unless it is said here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InternalAddresses {
    /// Clients over Unix domain sockets are.
    pub unix_sockets: bool,
    /// Addresses in one of these are.
    pub ranges: Vec<CidrRange>,
}

impl InternalAddresses {
    /// Whether the address belongs to the own network.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.ranges.iter().any(|range| range.contains(address))
    }
}

/// Envoy's `SchemeHeaderTransformation`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SchemeRules {
    /// The scheme that every request has, whatever the client says.
    pub overwrite: Option<HttpScheme>,
    /// The upstream is told the scheme by which it is spoken to.
    pub match_upstream: bool,
}

/// A scheme of HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HttpScheme {
    /// Without TLS.
    Http,
    /// With TLS.
    Https,
}

impl HttpScheme {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            HttpScheme::Http => "http",
            HttpScheme::Https => "https",
        }
    }
}

/// What becomes of `x-request-id`, besides whether it is made at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RequestIds {
    /// At an edge too, the client's is kept.
    pub preserve_external: bool,
    /// The answer holds it too.
    pub always_in_response: bool,
    /// One that an edge keeps loses what it says of tracing. On unless told otherwise.
    pub pack_trace_reason: bool,
}

impl Default for RequestIds {
    fn default() -> RequestIds {
        RequestIds { preserve_external: false, always_in_response: false, pack_trace_reason: true }
    }
}
