//! Which upstream a request goes to, and how patient we are with it. The matching is `ripstop-policy`'s.

mod action;
mod hash;
mod matches;
mod mutation;
mod redirect;
mod retry;
mod rewrite;
pub mod template;

pub use action::{
    ClusterChoice, ClusterNotFound, ClusterSplit, DirectResponse, Forward, RouteAction, RoutePriority,
    SplitBy, WeightedCluster,
};
pub use hash::{HashCookie, HashPolicy, HashSource};
pub use matches::{PathMatch, RouteMatch, TlsMatch};
pub use mutation::{AppendAction, HeaderAddition, HeaderMutations, Mutations};
pub use redirect::{Redirect, RedirectPath, RedirectScheme, RedirectStatus};
pub use retry::{
    Backoff, Growth, HedgePolicy, Jitter, RateLimitedBackoff, ResetFormat, ResetHeader, RetryOn, RetryPolicy,
};
pub use rewrite::{HostRewrite, PathRewrite, RegexSubstitution};
pub use template::{PathTemplate, RewriteTemplate};

use std::sync::Arc;

use crate::Name;
use crate::cors::CorsPolicy;
use crate::http_filter::FilterOverrides;
use crate::metadata::Metadata;
use crate::mirror::RequestMirror;

/// Envoy's `RouteConfiguration`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteConfiguration {
    /// Unique among route configurations.
    pub name: Name,
    /// Chosen by the host of the request.
    pub virtual_hosts: Vec<VirtualHost>,
    /// The port is cut off the host before it is looked up.
    pub ignore_port_in_host_matching: bool,
    /// The request header (lower case) that is looked up instead of the host.
    pub vhost_header: Option<Name>,
    /// `;` and what follows it in a path do not count when it is compared.
    pub ignore_path_parameters: bool,
    /// A route to a cluster that is not there makes the whole unusable. `None`: only where it is written in place.
    pub validate_clusters: Option<bool>,
    /// Longest body of a direct response in bytes; `None`: 4 KiB.
    pub max_direct_response_bytes: Option<u32>,
    /// Copies of requests, where neither virtual host nor route has its own.
    pub mirrors: Vec<RequestMirror>,
    /// Changes to headers; `None`: there are none.
    pub headers: Option<Box<HeaderMutations>>,
    /// What a route says of a header wins over its virtual host, and that over the configuration; otherwise the reverse.
    pub most_specific_header_mutations_wins: bool,
    /// For filters to which neither virtual host nor route says anything.
    pub filters: FilterOverrides,
}

impl RouteConfiguration {
    /// Envoy's default for [`RouteConfiguration::max_direct_response_bytes`].
    pub const DEFAULT_MAX_DIRECT_RESPONSE_BYTES: u32 = 4096;

    /// These hosts, and nothing that holds for all of them.
    pub fn new(name: impl Into<Name>, virtual_hosts: Vec<VirtualHost>) -> RouteConfiguration {
        RouteConfiguration {
            name: name.into(),
            virtual_hosts,
            ignore_port_in_host_matching: false,
            vhost_header: None,
            ignore_path_parameters: false,
            validate_clusters: None,
            max_direct_response_bytes: None,
            mirrors: Vec::new(),
            headers: None,
            most_specific_header_mutations_wins: false,
            filters: FilterOverrides::new(),
        }
    }
}

/// Envoy's `VirtualHost`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VirtualHost {
    /// Unique within its configuration.
    pub name: Name,
    /// Exact, `*.suffix`, `prefix.*` or `*`; matched without case, port included where given.
    pub domains: Vec<Name>,
    /// Tried in order; the first that matches is taken.
    pub routes: Vec<Route>,
    /// Which requests are sent to `https`.
    pub require_tls: RequireTls,
    /// For the routes that have none of their own.
    pub retry: Option<RetryPolicy>,
    /// For the routes that have none of their own.
    pub hedge: Option<HedgePolicy>,
    /// For the routes that say nothing else: how many bytes of a request's body are kept for retries.
    pub body_buffer_bytes: Option<u64>,
    /// Each try carries its number as `x-envoy-attempt-count`.
    pub request_attempt_count: bool,
    /// The answer carries the number of tries as `x-envoy-attempt-count`.
    pub response_attempt_count: bool,
    /// Copies of requests, where the route has none of its own.
    pub mirrors: Vec<RequestMirror>,
    /// Changes to headers; `None`: there are none.
    pub headers: Option<Box<HeaderMutations>>,
    /// For logs and header values; `None`: there is none.
    pub metadata: Option<Arc<Metadata>>,
    /// For filters to which the route says nothing.
    pub filters: FilterOverrides,
    /// Envoy's older way to say what is now said to the filter for CORS, which wins.
    pub cors: Option<Box<CorsPolicy>>,
}

impl VirtualHost {
    /// These routes, and nothing that holds for all of them.
    pub fn new(name: impl Into<Name>, domains: Vec<Name>, routes: Vec<Route>) -> VirtualHost {
        VirtualHost {
            name: name.into(),
            domains,
            routes,
            require_tls: RequireTls::None,
            retry: None,
            hedge: None,
            body_buffer_bytes: None,
            request_attempt_count: false,
            response_attempt_count: false,
            mirrors: Vec::new(),
            headers: None,
            metadata: None,
            filters: FilterOverrides::new(),
            cors: None,
        }
    }
}

/// Which requests without TLS (as `x-forwarded-proto` says) are answered with a redirect to `https`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RequireTls {
    /// None.
    #[default]
    None,
    /// Those from outside.
    ExternalOnly,
    /// All.
    All,
}

/// Envoy's `Route`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// For people, logs and explanations; may be empty. Ours name the object they came from.
    pub name: Name,
    /// Which requests it takes.
    pub matches: RouteMatch,
    /// What becomes of them.
    pub action: RouteAction,
    /// Changes to headers; `None`: there are none.
    pub headers: Option<Box<HeaderMutations>>,
    /// For logs and header values; `None`: there is none.
    pub metadata: Option<Arc<Metadata>>,
    /// For filters, in the place of what the virtual host and the configuration say.
    pub filters: FilterOverrides,
}

impl Route {
    /// A route without a name.
    pub fn new(matches: RouteMatch, action: RouteAction) -> Route {
        Route {
            name: Name::from(""),
            matches,
            action,
            headers: None,
            metadata: None,
            filters: FilterOverrides::new(),
        }
    }
}
