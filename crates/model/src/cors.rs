//! Which pages of other origins may call a route, so that browsers let them (WHATWG Fetch, "CORS protocol"). Deciding it is
//! `ripstop-policy`'s.

use crate::Name;
use crate::matcher::StringMatch;
use crate::runtime::RuntimeFraction;

/// Envoy's `CorsPolicy`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CorsPolicy {
    /// Origins that may call, such as `https://example.org`.
    pub allow_origins: Vec<StringMatch>,
    /// Value of `access-control-allow-methods`; empty: it is not sent.
    pub allow_methods: Name,
    /// Value of `access-control-allow-headers`; empty: it is not sent.
    pub allow_headers: Name,
    /// Value of `access-control-expose-headers`; empty: it is not sent.
    pub expose_headers: Name,
    /// Value of `access-control-max-age`; empty: it is not sent.
    pub max_age: Name,
    /// `access-control-allow-credentials: true` is sent.
    pub allow_credentials: bool,
    /// A page of a public network may call one of a private network.
    pub allow_private_network: bool,
    /// Preflights of other origins are not answered here but forwarded. On unless told otherwise.
    pub forward_not_matching: Option<bool>,
    /// For which share of requests it holds; `None`: all.
    pub enabled: Option<RuntimeFraction>,
}

/// What a level of a route configuration says to HTTP filters in the place of what the connection manager says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouteFilters {
    /// In the place of the fault of the connection manager.
    pub fault: Option<Box<crate::fault::Fault>>,
    /// For requests from pages of other origins.
    pub cors: Option<Box<CorsPolicy>>,
}
