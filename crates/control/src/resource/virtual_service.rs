//! How requests to hosts are routed: Istio's `VirtualService`.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use ripstop_model::Name;
use ripstop_model::route::RetryOn;

use super::{Labels, Metadata, ObjectKey, Origin, TextMatch};

/// `VirtualService` of `networking.istio.io`.
#[derive(Clone, Debug, PartialEq)]
pub struct VirtualService {
    /// Name and place.
    pub meta: Metadata,
    /// Hosts whose requests it routes: short names, full names, `*.suffix` or `*`. At least one.
    pub hosts: Vec<(Name, Origin)>,
    /// Where it applies. At least one.
    pub gateways: Vec<GatewayRef>,
    /// Tried in order.
    pub http: Vec<HttpRoute>,
}

/// Where routes apply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GatewayRef {
    /// Every sidecar (the reserved word `mesh`).
    Mesh,
    /// The proxies of one `Gateway`.
    Gateway(ObjectKey),
}

impl fmt::Display for GatewayRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GatewayRef::Mesh => f.write_str("mesh"),
            GatewayRef::Gateway(key) => key.fmt(f),
        }
    }
}

/// One rule: which requests, and what becomes of them.
#[derive(Clone, Debug, PartialEq)]
pub struct HttpRoute {
    /// For people.
    pub name: Option<Name>,
    /// Any of these; empty: every request.
    pub matches: Vec<HttpMatch>,
    /// What becomes of the requests.
    pub action: HttpAction,
    /// What is changed in them.
    pub rewrite: Rewrite,
    /// From the end of the request to the end of the response; `None` or zero: no limit.
    pub timeout: Option<Duration>,
    /// `None`: Istio's default retries.
    pub retries: Option<Retries>,
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
    /// It is answered by the proxy.
    Respond {
        /// HTTP status, 200 to 599.
        status: u16,
        /// Body, at most 4 KiB.
        body: Name,
    },
    /// Its action is one that is not in force; the proxy answers 501 and names the field.
    NotInForce(&'static str),
}

/// One share of a route.
#[derive(Clone, Debug, PartialEq)]
pub struct RouteDestination {
    /// Where to.
    pub destination: Destination,
    /// Its share of the sum of all weights.
    pub weight: u32,
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

/// What is changed in a request before it is forwarded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rewrite {
    /// Replaces the matched prefix, or the whole path where it was not matched by prefix.
    pub uri: Option<Name>,
    /// Replaces the host.
    pub authority: Option<Name>,
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
}

impl VirtualService {
    /// Whether sidecars follow it.
    pub fn applies_to_mesh(&self) -> bool {
        self.gateways.contains(&GatewayRef::Mesh)
    }

    /// Whether the proxies of this gateway follow it.
    pub fn applies_to_gateway(&self, gateway: &ObjectKey) -> bool {
        self.gateways.iter().any(|one| matches!(one, GatewayRef::Gateway(key) if key == gateway))
    }
}
