//! What becomes of a request that a route takes.

use std::time::Duration;

use super::{HashPolicy, HeaderMutations, HedgePolicy, HostRewrite, PathRewrite, Redirect, RetryPolicy};
use crate::Name;
use crate::cors::CorsPolicy;
use crate::http_filter::FilterOverrides;
use crate::load_balancing::Labels;
use crate::mirror::RequestMirror;
use crate::route_times::RouteTimes;
use crate::upgrade::Upgrade;

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouteAction {
    /// It is forwarded.
    Forward(Box<Forward>),
    /// It is answered here.
    DirectResponse(DirectResponse),
    /// The client is sent elsewhere.
    Redirect(Box<Redirect>),
    /// It is for something behind the router that this proxy does not have; answered as if there were no route.
    NonForwarding,
}

/// An answer that needs no upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectResponse {
    /// HTTP status, 200 to 599.
    pub status: u16,
    /// At most [`super::RouteConfiguration::max_direct_response_bytes`].
    pub body: Vec<u8>,
}

impl DirectResponse {
    /// A status and a body, which may be empty.
    pub fn new(status: u16, body: impl AsRef<[u8]>) -> DirectResponse {
        DirectResponse { status, body: body.as_ref().to_vec() }
    }
}

/// Envoy's `RoutingPriority`: which limits of the cluster a request is counted against.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RoutePriority {
    /// Those for everything.
    #[default]
    Default,
    /// Those for what matters most.
    High,
}

/// Envoy's `RouteAction`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forward {
    /// Where to.
    pub cluster: ClusterChoice,
    /// The answer when there is no such cluster.
    pub cluster_not_found: ClusterNotFound,
    /// What the path becomes.
    pub rewrite: Option<PathRewrite>,
    /// What the host becomes.
    pub host_rewrite: Option<HostRewrite>,
    /// The host that was asked for is appended to `x-forwarded-host` where it is rewritten.
    pub append_x_forwarded_host: bool,
    /// What decides where a request goes, where clusters or splits want that. In order.
    pub hash: Vec<HashPolicy>,
    /// From the end of the request to the end of the response; `None`: 15 s; zero: no limit.
    pub timeout: Option<Duration>,
    /// `None`: that of the virtual host, and without that the request is tried once.
    pub retry: Option<RetryPolicy>,
    /// Whether a try that takes too long is raced by another; `None`: what the virtual host says, and without that no.
    pub hedge: Option<HedgePolicy>,
    /// How many bytes of a request's body are kept for retries; `None`: what the virtual host says, and without that
    /// 64 KiB.
    pub body_buffer_bytes: Option<u64>,
    /// Which limits of the cluster count.
    pub priority: RoutePriority,
    /// Time limits other than `timeout`.
    pub times: RouteTimes,
    /// Upgrades that are allowed or forbidden otherwise than the connection manager says.
    pub upgrades: Vec<Upgrade>,
    /// Labels that the endpoints of its requests must have, where their cluster has subsets. Shares of splits add their own.
    pub subset: Labels,
    /// Copies of its requests. Where there are none, those of the virtual host are made, else those of the configuration.
    pub mirrors: Vec<RequestMirror>,
    /// Envoy's older way to say what is now said to the filter for CORS, which wins.
    pub cors: Option<Box<CorsPolicy>>,
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
            cluster_not_found: ClusterNotFound::ServiceUnavailable,
            rewrite: None,
            host_rewrite: None,
            append_x_forwarded_host: false,
            hash: Vec::new(),
            timeout: None,
            retry: None,
            hedge: None,
            body_buffer_bytes: None,
            priority: RoutePriority::Default,
            times: RouteTimes::default(),
            upgrades: Vec::new(),
            subset: Labels::new(),
            mirrors: Vec::new(),
            cors: None,
        }
    }
}

/// Which cluster a request goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClusterChoice {
    /// Always this one.
    Single(Name),
    /// The one that this request header (lower case) names.
    Header(Name),
    /// A share of the requests each.
    Weighted(ClusterSplit),
}

impl ClusterChoice {
    /// The names of all clusters that a request could go to, as far as the configuration names them.
    pub fn names(&self) -> impl Iterator<Item = &Name> {
        let (one, many) = match self {
            ClusterChoice::Single(name) => (Some(name), &[][..]),
            ClusterChoice::Header(_) => (None, &[][..]),
            ClusterChoice::Weighted(split) => (None, &split.shares[..]),
        };
        one.into_iter().chain(many.iter().map(|w| &w.name))
    }
}

/// Clusters among which requests are divided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterSplit {
    /// At least one weight is not zero.
    pub shares: Vec<WeightedCluster>,
    /// What decides.
    pub by: SplitBy,
}

impl ClusterSplit {
    /// Divided by dice.
    pub fn random(shares: Vec<WeightedCluster>) -> ClusterSplit {
        ClusterSplit { shares, by: SplitBy::Dice }
    }
}

/// What decides which share a request falls into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SplitBy {
    /// Dice.
    Dice,
    /// The number in this request header (lower case); dice where there is none.
    Header(Name),
    /// The hash of [`Forward::hash`]; dice where there is none.
    Hash,
}

/// One share of a split.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeightedCluster {
    /// The cluster.
    pub name: Name,
    /// Its share of the sum of all weights.
    pub weight: u32,
    /// The host that its requests get, whatever [`Forward::host_rewrite`] says.
    pub host_rewrite: Option<Name>,
    /// Changes to headers; `None`: there are none.
    pub headers: Option<Box<HeaderMutations>>,
    /// Labels beside, or in place of, those of [`Forward::subset`].
    pub subset: Labels,
    /// For filters, in the place of what the route and what it is in say.
    pub filters: FilterOverrides,
}

impl WeightedCluster {
    /// A share, and nothing that holds for its requests alone.
    pub fn new(name: impl Into<Name>, weight: u32) -> WeightedCluster {
        WeightedCluster {
            name: name.into(),
            weight,
            host_rewrite: None,
            headers: None,
            subset: Labels::new(),
            filters: FilterOverrides::new(),
        }
    }
}

/// The answer where a route leads to a cluster that is not there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClusterNotFound {
    /// 503.
    #[default]
    ServiceUnavailable,
    /// 404.
    NotFound,
    /// 500.
    InternalServerError,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cluster_choice_names_every_cluster() {
        let shares = vec![WeightedCluster::new("a", 1), WeightedCluster::new("b", 1)];
        let choice = ClusterChoice::Weighted(ClusterSplit::random(shares));
        assert_eq!(choice.names().map(|n| &**n).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(ClusterChoice::Single("c".into()).names().count(), 1);
        assert_eq!(ClusterChoice::Header("c".into()).names().count(), 0);
    }
}
