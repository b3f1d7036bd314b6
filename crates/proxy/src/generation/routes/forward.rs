//! Forwarding ready for requests: which cluster, as what path and host, and how patiently.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue, StatusCode};
use ripstop_model::Name;
use ripstop_model::load_balancing::Labels;
use ripstop_model::route::{
    ClusterChoice, ClusterNotFound, ClusterSplit, Forward, HedgePolicy, HostRewrite, Route, RoutePriority,
    SplitBy, VirtualHost,
};
use ripstop_model::route_times::RouteTimes;
use ripstop_model::upgrade::Upgrade;
use ripstop_policy::hash::{HashInput, RequestHasher};
use ripstop_policy::retry::rules::RetryRules;
use ripstop_policy::rewrite::PathRewriter;
use ripstop_policy::route::RequestHead;
use ripstop_policy::route::text::RegexError;
use ripstop_policy::runtime::Runtime;
use ripstop_policy::split::WeightedChoice;
use ripstop_policy::substitute::Substitution;
use ripstop_policy::timeout::route_timeout;

use crate::generation::filters::{FilterLevels, RouteFilters};
use crate::generation::mirrors::CompiledMirror;
use crate::generation::slot::{ClusterSlot, ClusterSlots};
use crate::http::mutation::{Level, level};
use crate::http::request_body::REPLAY_LIMIT_BYTES;

/// A compiled [`Forward`].
pub struct CompiledForward {
    targets: Targets,
    /// Status of the answer where the cluster is not there.
    pub cluster_not_found: StatusCode,
    /// What the path becomes.
    pub rewrite: Option<PathRewriter>,
    /// What the host becomes.
    pub host_rewrite: Option<CompiledHostRewrite>,
    /// The host that was asked for goes into `x-forwarded-host`.
    pub append_x_forwarded_host: bool,
    /// From the start of the request to the end of the response; `None`: no limit.
    pub timeout: Option<Duration>,
    /// When and how it is tried again.
    pub retry: Option<Arc<RetryRules>>,
    /// Whether a try that takes too long is raced by the next.
    pub hedge: HedgePolicy,
    /// Which limits of the cluster count.
    pub priority: RoutePriority,
    /// How many bytes of a request's body are kept for another try.
    pub body_buffer_bytes: u64,
    /// Its other time limits.
    pub times: RouteTimes,
    /// What decides over the endpoint, where the cluster wants that.
    pub hasher: Option<RequestHasher>,
    /// The labels that endpoints must have, where the request itself names its cluster.
    pub subset: Option<Arc<Labels>>,
    /// Upgrades that are allowed or forbidden here.
    pub upgrades: Vec<Upgrade>,
    /// The copies that are made of requests.
    pub mirrors: Box<[CompiledMirror]>,
    /// Each try says its number.
    pub request_attempt_count: bool,
    /// The answer says how many tries there were.
    pub response_attempt_count: bool,
}

/// A compiled [`HostRewrite`].
pub enum CompiledHostRewrite {
    /// This one.
    Literal(HeaderValue),
    /// That of the endpoint.
    Endpoint,
    /// What this header says.
    Header(HeaderName),
    /// The path, changed.
    PathRegex(Substitution),
}

enum Targets {
    One(Box<Share>),
    Header(HeaderName),
    Split(Split),
}

struct Split {
    shares: Box<[Share]>,
    choice: WeightedChoice,
    by: By,
}

/// Where the requests of a share of a split go, and what holds for them.
pub struct Share {
    /// The cluster.
    pub slot: Arc<ClusterSlot>,
    /// The host that they get.
    pub host: Option<HeaderValue>,
    /// Changes to their headers.
    pub level: Option<Arc<Level>>,
    /// The labels that their endpoints must have, those of the route included.
    pub subset: Option<Arc<Labels>>,
    /// What is said to filters, where it says something of its own.
    pub filters: Option<Arc<RouteFilters>>,
}

enum By {
    Dice,
    Header(HeaderName),
    Hash(RequestHasher),
}

/// Where one request goes.
pub enum Target<'r, 'h> {
    /// To a cluster that the configuration names.
    Share(&'r Share),
    /// To a cluster of this name.
    Named(&'h str),
    /// The request names no cluster.
    Nowhere,
}

impl CompiledForward {
    /// Compiles what becomes of the requests that `route` takes.
    pub(super) fn compile(
        forward: &Forward,
        route: &Route,
        host: &VirtualHost,
        slots: &mut ClusterSlots,
    ) -> Result<CompiledForward, FieldError> {
        let rewrite = forward.rewrite.as_ref().map(|rewrite| {
            PathRewriter::compile(&route.matches.path, rewrite).map_err(at("route.regex_rewrite"))
        });
        Ok(CompiledForward {
            targets: targets(forward, slots)?,
            cluster_not_found: match forward.cluster_not_found {
                ClusterNotFound::ServiceUnavailable => StatusCode::SERVICE_UNAVAILABLE,
                ClusterNotFound::NotFound => StatusCode::NOT_FOUND,
                ClusterNotFound::InternalServerError => StatusCode::INTERNAL_SERVER_ERROR,
            },
            rewrite: rewrite.transpose()?,
            host_rewrite: forward.host_rewrite.as_ref().map(host_rewrite).transpose()?.flatten(),
            append_x_forwarded_host: forward.append_x_forwarded_host,
            timeout: route_timeout(forward.timeout),
            retry: forward
                .retry
                .as_ref()
                .or(host.retry.as_ref())
                .map(|policy| RetryRules::compile(policy).map_err(at("route.retry_policy")))
                .transpose()?,
            priority: forward.priority,
            hedge: forward.hedge.or(host.hedge).unwrap_or_default(),
            body_buffer_bytes: forward
                .body_buffer_bytes
                .or(host.body_buffer_bytes)
                .unwrap_or(REPLAY_LIMIT_BYTES),
            hasher: (!forward.hash.is_empty())
                .then(|| RequestHasher::compile(&forward.hash).map_err(at("route.hash_policy")))
                .transpose()?,
            times: forward.times,
            subset: subset(&forward.subset, None),
            upgrades: forward.upgrades.clone(),
            mirrors: Box::default(),
            request_attempt_count: host.request_attempt_count,
            response_attempt_count: host.response_attempt_count,
        })
    }

    /// Compiles what the shares of a split say to filters; `levels` is what is said around them. Whether there is anything.
    pub(super) fn compile_share_filters(
        &mut self,
        forward: &Forward,
        levels: &FilterLevels<'_>,
        runtime: &Runtime,
    ) -> Result<bool, RegexError> {
        let mut any = false;
        if let (Targets::Split(split), ClusterChoice::Weighted(of)) = (&mut self.targets, &forward.cluster) {
            for (share, of) in split.shares.iter_mut().zip(&of.shares) {
                share.filters = levels.compile_share(of, runtime)?;
                any |= share.filters.is_some();
            }
        }
        Ok(any)
    }

    /// The cluster of a request.
    pub fn target<'r, 'h>(&'r self, head: &RequestHead<'h>, source_ip: IpAddr) -> Target<'r, 'h> {
        match &self.targets {
            Targets::One(share) => Target::Share(share),
            Targets::Header(name) => {
                let value = head.headers.get(name).and_then(|value| value.to_str().ok());
                value.filter(|value| !value.is_empty()).map_or(Target::Nowhere, Target::Named)
            }
            Targets::Split(split) => {
                let number = split.by.number(head, source_ip).unwrap_or(head.random);
                Target::Share(&split.shares[split.choice.pick_by(number)])
            }
        }
    }
}

impl By {
    /// What decides instead of the dice.
    fn number(&self, head: &RequestHead<'_>, source_ip: IpAddr) -> Option<u64> {
        match self {
            By::Dice => None,
            By::Header(name) => head.headers.get(name)?.to_str().ok()?.parse().ok(),
            By::Hash(hasher) => {
                hasher.hash(HashInput { headers: head.headers, query: head.query, source_ip }, None)
            }
        }
    }
}

/// Which field has the bad expression.
pub(super) struct FieldError {
    pub(super) field: &'static str,
    pub(super) error: RegexError,
}

pub(super) fn at(field: &'static str) -> impl Fn(RegexError) -> FieldError {
    move |error| FieldError { field, error }
}

fn targets(forward: &Forward, slots: &mut ClusterSlots) -> Result<Targets, FieldError> {
    Ok(match &forward.cluster {
        ClusterChoice::Single(name) => Targets::One(Box::new(Share {
            slot: slots.of(name),
            host: None,
            level: None,
            subset: subset(&forward.subset, None),
            filters: None,
        })),
        ClusterChoice::Header(name) => Targets::Header(header_name(name)),
        ClusterChoice::Weighted(ClusterSplit { shares, by }) => Targets::Split(Split {
            choice: WeightedChoice::compile(shares),
            shares: shares
                .iter()
                .map(|share| Share {
                    slot: slots.of(&share.name),
                    host: share.host_rewrite.as_ref().and_then(header_value),
                    level: level(share.headers.as_deref()),
                    subset: subset(&forward.subset, Some(&share.subset)),
                    filters: None,
                })
                .collect(),
            by: match by {
                SplitBy::Dice => By::Dice,
                SplitBy::Header(name) => By::Header(header_name(name)),
                SplitBy::Hash => {
                    By::Hash(RequestHasher::compile(&forward.hash).map_err(at("route.hash_policy"))?)
                }
            },
        }),
    })
}

/// The labels of a route, with those of a share in place of those of the same name.
fn subset(route: &Labels, share: Option<&Labels>) -> Option<Arc<Labels>> {
    let mut labels = route.clone();
    labels.extend(share.into_iter().flatten().map(|(name, value)| (name.clone(), value.clone())));
    (!labels.is_empty()).then(|| Arc::new(labels))
}

fn host_rewrite(rewrite: &HostRewrite) -> Result<Option<CompiledHostRewrite>, FieldError> {
    Ok(match rewrite {
        HostRewrite::Literal(host) => header_value(host).map(CompiledHostRewrite::Literal),
        HostRewrite::Endpoint => Some(CompiledHostRewrite::Endpoint),
        HostRewrite::Header(name) => Some(CompiledHostRewrite::Header(header_name(name))),
        HostRewrite::PathRegex(regex) => {
            let regex = Substitution::compile(regex).map_err(at("route.host_rewrite_path_regex"))?;
            Some(CompiledHostRewrite::PathRegex(regex))
        }
    })
}

/// What is no name of a header could not have been decoded; a name that nothing has stands for it.
fn header_name(name: &Name) -> HeaderName {
    HeaderName::try_from(&**name).unwrap_or(HeaderName::from_static("x-no-such-header"))
}

/// What is no value of a header could not have been decoded.
fn header_value(value: &Name) -> Option<HeaderValue> {
    HeaderValue::from_str(value).ok()
}
