//! One rule for requests: Istio's `HTTPRoute`.

use std::collections::BTreeMap;
use std::time::Duration;

use ripstop_model::cors::CorsPolicy;
use ripstop_model::fault::HttpFault;
use ripstop_model::route::{HeaderMutations, RedirectStatus, RegexSubstitution, RetryOn};
use ripstop_model::{Name, Percent};

use super::{GatewayRef, Labels, ObjectKey, Origin, TextMatch};

/// Which requests, and what becomes of them.
#[derive(Clone, Debug, PartialEq)]
pub struct HttpRoute {
    /// For people.
    pub name: Option<Name>,
    /// Any of these; empty: every request.
    pub matches: Vec<HttpMatch>,
    /// What becomes of the requests.
    pub action: HttpAction,
    /// What is changed in path and host.
    pub rewrite: Rewrite,
    /// What is changed in headers.
    pub headers: HeaderChanges,
    /// From the end of the request to the end of the response; `None` or zero: no limit.
    pub timeout: Option<Duration>,
    /// `None`: Istio's default retries.
    pub retries: Option<Retries>,
    /// Who gets copies.
    pub mirrors: Vec<Mirror>,
    /// What goes wrong on purpose.
    pub fault: Option<Box<HttpFault>>,
    /// Which pages of other origins may use the answers.
    pub cors: Option<Box<CorsPolicy>>,
    /// Where it was written.
    pub origin: Origin,
}

/// All of these conditions must hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HttpMatch {
    /// Condition on the path.
    pub uri: Option<TextMatch>,
    /// The path is compared without case.
    pub ignore_uri_case: bool,
    /// Condition on the scheme.
    pub scheme: Option<TextMatch>,
    /// Condition on the method.
    pub method: Option<TextMatch>,
    /// Condition on the host.
    pub authority: Option<TextMatch>,
    /// Conditions on headers by lower-case name; `None`: the header is there.
    pub headers: BTreeMap<Name, Option<TextMatch>>,
    /// Conditions that must not hold, likewise.
    pub without_headers: BTreeMap<Name, Option<TextMatch>>,
    /// Conditions on query parameters; `None`: the parameter is there.
    pub query: BTreeMap<Name, Option<TextMatch>>,
    /// Port that the caller addressed.
    pub port: Option<u16>,
    /// Labels of the calling workload. Holds in sidecars only.
    pub source_labels: Labels,
    /// Namespace of the calling workload.
    pub source_namespace: Option<Name>,
    /// Where it applies; empty: where the VirtualService does.
    pub gateways: Vec<GatewayRef>,
    /// Where it was written.
    pub origin: Origin,
}

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq)]
pub enum HttpAction {
    /// It is forwarded; at least one destination, weights not all zero.
    Route(Vec<RouteDestination>),
    /// The client is sent elsewhere.
    Redirect(HttpRedirect),
    /// It is answered by the proxy.
    Respond {
        /// HTTP status, 200 to 599.
        status: u16,
        /// Body, at most 4 KiB.
        body: Vec<u8>,
    },
    /// The rules of another virtual service decide.
    Delegate(ObjectKey),
}

/// Where a client is sent. What is not given stays as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpRedirect {
    /// The path, whatever was matched.
    pub uri: Option<Name>,
    /// The host.
    pub authority: Option<Name>,
    /// The port.
    pub port: RedirectPort,
    /// The scheme.
    pub scheme: Option<Name>,
    /// Status of the answer.
    pub status: RedirectStatus,
}

/// The port of a redirect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RedirectPort {
    /// It stays.
    #[default]
    Unchanged,
    /// 443 with TLS and 80 without (`FROM_PROTOCOL_DEFAULT`).
    OfProtocol,
    /// This one.
    Number(u16),
    /// The one that was asked for (`FROM_REQUEST_PORT`).
    OfRequest,
}

/// One share of a route.
#[derive(Clone, Debug, PartialEq)]
pub struct RouteDestination {
    /// Where to.
    pub destination: Destination,
    /// Its share of the sum of all weights.
    pub weight: u32,
    /// What is changed in headers for this share alone.
    pub headers: HeaderChanges,
}

/// A service, or a part of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Destination {
    /// Short or full name of a service.
    pub host: Name,
    /// A subset that a DestinationRule defines.
    pub subset: Option<Name>,
    /// Port; `None`: the only one of the service.
    pub port: Option<u16>,
    /// Where it was written.
    pub origin: Origin,
}

/// What is changed in path and host of a request before it is forwarded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rewrite {
    /// What becomes of the path.
    pub uri: Option<UriRewrite>,
    /// Replaces the host.
    pub authority: Option<Name>,
}

/// What becomes of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UriRewrite {
    /// Replaces the matched prefix, or the whole path where it was not matched by prefix.
    Prefix(Name),
    /// Replaces what an expression finds.
    Regex(RegexSubstitution),
}

/// What is changed in headers: Istio's `Headers`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderChanges {
    /// The changes; names that say where a request goes are not among them.
    pub mutations: HeaderMutations,
    /// `request.set` of `host` or `:authority`.
    pub authority: Option<Name>,
}

/// A destination that gets copies of requests.
#[derive(Clone, Debug, PartialEq)]
pub struct Mirror {
    /// Where to.
    pub destination: Destination,
    /// How many requests are copied.
    pub share: Percent,
}

/// When and how a request is tried again.
#[derive(Clone, Debug, PartialEq)]
pub struct Retries {
    /// Tries beyond the first; 0: none.
    pub attempts: u32,
    /// How long one try may take; `None`: as long as the request.
    pub per_try_timeout: Option<Duration>,
    /// On what; `None`: Istio's default list.
    pub on: Option<RetryOn>,
    /// Response statuses that are retried, from numbers in `retryOn`.
    pub statuses: Vec<u16>,
    /// Wait before the first retry; `None`: 25 ms.
    pub backoff: Option<Duration>,
    /// Hosts that were tried may be tried again.
    pub ignore_previous_hosts: bool,
    /// After two tries, retries go to localities that were not tried.
    pub remote_localities: bool,
}
