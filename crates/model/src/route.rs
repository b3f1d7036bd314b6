//! Which upstream a request goes to, and how patient we are with it. The matching is `ripstop-policy`'s.

use std::time::Duration;

use crate::Name;
use crate::matcher::{HeaderMatch, QueryMatch};
use crate::mirror::RequestMirror;
use crate::route_times::RouteTimes;
use crate::upgrade::Upgrade;

/// Envoy's `RouteConfiguration`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteConfiguration {
    /// Unique among route configurations.
    pub name: Name,
    /// Chosen by the host of the request.
    pub virtual_hosts: Vec<VirtualHost>,
    /// Copies of requests, where neither virtual host nor route has its own.
    pub mirrors: Vec<RequestMirror>,
}

impl RouteConfiguration {
    /// These hosts, and nothing that holds for all of them.
    pub fn new(name: impl Into<Name>, virtual_hosts: Vec<VirtualHost>) -> RouteConfiguration {
        RouteConfiguration { name: name.into(), virtual_hosts, mirrors: Vec::new() }
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
    /// Copies of requests, where the route has none of its own.
    pub mirrors: Vec<RequestMirror>,
}

impl VirtualHost {
    /// These routes, and nothing that holds for all of them.
    pub fn new(name: impl Into<Name>, domains: Vec<Name>, routes: Vec<Route>) -> VirtualHost {
        VirtualHost { name: name.into(), domains, routes, mirrors: Vec::new() }
    }
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
}

impl Route {
    /// A route without a name.
    pub fn new(matches: RouteMatch, action: RouteAction) -> Route {
        Route { name: Name::from(""), matches, action }
    }
}

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
}

impl RouteMatch {
    /// Every request whose path begins with `prefix`.
    pub fn prefix(prefix: impl Into<Name>) -> RouteMatch {
        RouteMatch::path(PathMatch::Prefix(prefix.into()))
    }

    /// Every request whose path matches.
    pub fn path(path: PathMatch) -> RouteMatch {
        RouteMatch { path, case_sensitive: true, headers: Vec::new(), query: Vec::new() }
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
}

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouteAction {
    /// It is forwarded.
    Forward(Box<Forward>),
    /// It is answered here.
    DirectResponse(DirectResponse),
}

/// An answer that needs no upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectResponse {
    /// HTTP status, 200 to 599.
    pub status: u16,
    /// At most 4 KiB.
    pub body: Name,
}

/// Envoy's `RouteAction`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forward {
    /// Where to.
    pub cluster: ClusterChoice,
    /// What the path becomes.
    pub rewrite: Option<PathRewrite>,
    /// What the host becomes.
    pub host_rewrite: Option<Name>,
    /// From the end of the request to the end of the response; `None`: 15 s; zero: no limit.
    pub timeout: Option<Duration>,
    /// `None`: the request is tried once.
    pub retry: Option<RetryPolicy>,
    /// Time limits other than `timeout`.
    pub times: RouteTimes,
    /// Upgrades that are allowed or forbidden otherwise than the connection manager says.
    pub upgrades: Vec<Upgrade>,
    /// Copies of its requests. Where there are none, those of the virtual host are made, else those of the configuration.
    pub mirrors: Vec<RequestMirror>,
}

impl Forward {
    /// Envoy's default for [`Forward::timeout`].
    pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(15);

    /// Forwarding to one cluster with Envoy's defaults.
    pub fn to(cluster: impl Into<Name>) -> Forward {
        Forward::by(ClusterChoice::Single(cluster.into()))
    }

    /// Forwarding as `cluster` chooses with Envoy's defaults.
    pub fn by(cluster: ClusterChoice) -> Forward {
        Forward {
            cluster,
            rewrite: None,
            host_rewrite: None,
            timeout: None,
            retry: None,
            times: RouteTimes::default(),
            upgrades: Vec::new(),
            mirrors: Vec::new(),
        }
    }
}

/// Which cluster a request goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClusterChoice {
    /// Always this one.
    Single(Name),
    /// By dice; at least one weight is not zero.
    Weighted(Vec<WeightedCluster>),
}

impl ClusterChoice {
    /// The names of all clusters that a request could go to.
    pub fn names(&self) -> impl Iterator<Item = &Name> {
        let (one, many) = match self {
            ClusterChoice::Single(name) => (Some(name), &[][..]),
            ClusterChoice::Weighted(list) => (None, &list[..]),
        };
        one.into_iter().chain(many.iter().map(|w| &w.name))
    }
}

/// One share of a split.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeightedCluster {
    /// The cluster.
    pub name: Name,
    /// Its share of the sum of all weights.
    pub weight: u32,
}

impl WeightedCluster {
    /// A share, and nothing that holds for its requests alone.
    pub fn new(name: impl Into<Name>, weight: u32) -> WeightedCluster {
        WeightedCluster { name: name.into(), weight }
    }
}

/// What the path of a forwarded request becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathRewrite {
    /// The part that matched (prefix, or the whole exact path) is replaced.
    Prefix(Name),
}

/// When and how a request is tried again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// On what.
    pub on: RetryOn,
    /// Tries beyond the first.
    pub num_retries: u32,
    /// How long one try may take; `None`: as long as the request.
    pub per_try_timeout: Option<Duration>,
    /// How long nothing may move in one try; `None`: as long as in the request. Not zero.
    pub per_try_idle_timeout: Option<Duration>,
    /// Waiting before a retry: full jitter over `base × 2^n`, at most `max`.
    pub backoff: Backoff,
    /// A retry goes to a host that has not been tried (`previous_hosts`).
    pub avoid_previous_hosts: bool,
    /// How often another host is looked for before the same one is taken again.
    pub host_selection_attempts: u32,
    /// Retries whatever the method. Off by default: what may not be repeated is retried only when the
    /// upstream has provably not processed it. Travels as `filter_metadata["ripstop"]`.
    pub any_method: bool,
    /// Response statuses that `retriable-status-codes` means.
    pub retriable_statuses: Vec<u16>,
}

impl RetryPolicy {
    /// One retry with Envoy's back-off on the given conditions.
    pub fn on(on: RetryOn) -> RetryPolicy {
        RetryPolicy {
            on,
            num_retries: 1,
            per_try_timeout: None,
            per_try_idle_timeout: None,
            backoff: Backoff::default(),
            avoid_previous_hosts: false,
            host_selection_attempts: 1,
            any_method: false,
            retriable_statuses: Vec::new(),
        }
    }
}

/// Exponential back-off with full jitter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// Longest wait before the first retry. Not zero.
    pub base: Duration,
    /// Longest wait of all; not below `base`.
    pub max: Duration,
}

impl Default for Backoff {
    /// Envoy's 25 ms, at most ten times that.
    fn default() -> Backoff {
        Backoff { base: Duration::from_millis(25), max: Duration::from_millis(250) }
    }
}

/// A set of Envoy's retry conditions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct RetryOn(u32);

impl RetryOn {
    /// Any 5xx answer, and everything of [`RetryOn::RESET`] and [`RetryOn::CONNECT_FAILURE`].
    pub const SERVER_ERROR: RetryOn = RetryOn(1);
    /// 502, 503 or 504.
    pub const GATEWAY_ERROR: RetryOn = RetryOn(1 << 1);
    /// The upstream did not answer: disconnect, reset, per-try timeout.
    pub const RESET: RetryOn = RetryOn(1 << 2);
    /// Reset before the request head was sent.
    pub const RESET_BEFORE_REQUEST: RetryOn = RetryOn(1 << 3);
    /// No connection could be made.
    pub const CONNECT_FAILURE: RetryOn = RetryOn(1 << 4);
    /// HTTP/2 REFUSED_STREAM.
    pub const REFUSED_STREAM: RetryOn = RetryOn(1 << 5);
    /// 409.
    pub const RETRIABLE_4XX: RetryOn = RetryOn(1 << 6);
    /// [`RetryPolicy::retriable_statuses`].
    pub const RETRIABLE_STATUS_CODES: RetryOn = RetryOn(1 << 7);
    /// gRPC status 1.
    pub const GRPC_CANCELLED: RetryOn = RetryOn(1 << 8);
    /// gRPC status 4.
    pub const GRPC_DEADLINE_EXCEEDED: RetryOn = RetryOn(1 << 9);
    /// gRPC status 13.
    pub const GRPC_INTERNAL: RetryOn = RetryOn(1 << 10);
    /// gRPC status 8.
    pub const GRPC_RESOURCE_EXHAUSTED: RetryOn = RetryOn(1 << 11);
    /// gRPC status 14.
    pub const GRPC_UNAVAILABLE: RetryOn = RetryOn(1 << 12);

    /// Envoy's words.
    const WORDS: [(&'static str, RetryOn); 13] = [
        ("5xx", RetryOn::SERVER_ERROR),
        ("gateway-error", RetryOn::GATEWAY_ERROR),
        ("reset", RetryOn::RESET),
        ("reset-before-request", RetryOn::RESET_BEFORE_REQUEST),
        ("connect-failure", RetryOn::CONNECT_FAILURE),
        ("refused-stream", RetryOn::REFUSED_STREAM),
        ("retriable-4xx", RetryOn::RETRIABLE_4XX),
        ("retriable-status-codes", RetryOn::RETRIABLE_STATUS_CODES),
        ("cancelled", RetryOn::GRPC_CANCELLED),
        ("deadline-exceeded", RetryOn::GRPC_DEADLINE_EXCEEDED),
        ("internal", RetryOn::GRPC_INTERNAL),
        ("resource-exhausted", RetryOn::GRPC_RESOURCE_EXHAUSTED),
        ("unavailable", RetryOn::GRPC_UNAVAILABLE),
    ];

    /// Both sets together.
    pub const fn and(self, other: RetryOn) -> RetryOn {
        RetryOn(self.0 | other.0)
    }

    /// Whether every condition of `other` is in the set.
    pub const fn contains(self, other: RetryOn) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether there is no condition.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The condition that Envoy calls `word`.
    pub fn from_word(word: &str) -> Option<RetryOn> {
        Self::WORDS.iter().find(|(w, _)| *w == word).map(|(_, on)| *on)
    }

    /// Envoy's words, in a fixed order.
    pub fn words(self) -> impl Iterator<Item = &'static str> {
        Self::WORDS.iter().filter(move |(_, on)| self.contains(*on)).map(|(word, _)| *word)
    }

    /// Every word that [`RetryOn::from_word`] knows.
    pub fn all_words() -> impl Iterator<Item = &'static str> {
        Self::WORDS.iter().map(|(word, _)| *word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_words_round_trip() {
        for word in RetryOn::all_words() {
            let on = RetryOn::from_word(word);
            assert_eq!(on.map(|on| on.words().collect::<Vec<_>>()), Some(vec![word]));
        }
        assert_eq!(RetryOn::from_word("5XX"), None);
        let set = RetryOn::SERVER_ERROR.and(RetryOn::RESET);
        assert!(set.contains(RetryOn::RESET) && !set.contains(RetryOn::CONNECT_FAILURE));
    }

    #[test]
    fn cluster_choice_names_every_cluster() {
        let weighted = |n: &str| WeightedCluster { name: n.into(), weight: 1 };
        let choice = ClusterChoice::Weighted(vec![weighted("a"), weighted("b")]);
        assert_eq!(choice.names().map(|n| &**n).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(ClusterChoice::Single("c".into()).names().count(), 1);
    }
}
