//! Which endpoint takes a request. Not which endpoints are well: see [`crate::host`] and [`crate::outlier`].
//!
//! A [`Balancer`] belongs to one worker and remembers its place in the turn; hosts are shared. A pick has these steps, as in
//! Envoy: the host that a session names, if it takes requests; the subset that the request asks for; a priority level by
//! dice in proportion to [`priority`] loads; the hosts of that level that may be picked (the available ones, the degraded
//! ones, or all in panic); a locality, where localities count; then one host by the policy. Everything that depends on
//! health is prepared once and again whenever [`HostSet::health_version`] changes: a pick costs O(1), or O(log n) with
//! unequal weights or on a ring.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ripstop_model::Address;
use ripstop_model::load_balancing::{Labels, LoadBalancing};

use crate::host::{Host, HostEntry, HostSet};

pub mod client_weighted;
pub mod consistent;
pub mod edf;
mod group;
pub mod hash;
mod hosts;
pub mod least_request;
mod levels;
pub mod maglev;
pub mod priority;
pub mod response_time;
pub mod ring;
pub mod round_robin;
pub mod shared;
pub mod slow_start;
mod subset;
pub mod weights;
pub mod zone;

use hosts::{Draw, Preparing, was_tried};
use levels::{Ground, Levels};
use subset::Chosen;
use zone::Home;

/// Most subsets that are kept prepared at once. There are no more than combinations of labels that hosts have; what is beyond
/// is prepared anew for each request.
pub const MAX_SUBSETS: usize = 4096;

/// What a balancer answers.
#[derive(Clone, Debug)]
pub enum Pick {
    /// This host.
    Host {
        /// The host and what configuration says of it.
        entry: Arc<HostEntry>,
        /// Too few hosts of its priority are well, so that health was not looked at.
        panic: bool,
    },
    /// There is none to pick; the answer is 503 with flag `UH`.
    None(NoHost),
}

/// Why no host was picked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum NoHost {
    /// The cluster has no endpoints.
    #[error("the cluster has no endpoints")]
    Empty,
    /// It has endpoints, none of them takes requests, and the panic threshold is zero.
    #[error("no endpoint of the cluster takes requests")]
    NoneAvailable,
    /// No endpoint has the labels that the request asks for, and nothing may take their place.
    #[error("no endpoint of the cluster is in the subset that the request asks for")]
    NoSubset,
    /// The session belongs to an endpoint that is not there, and to no other.
    #[error("the endpoint of the session is not there")]
    SessionHostGone,
    /// The session belongs to an endpoint that does not take requests, and to no other.
    #[error("the endpoint of the session does not take requests")]
    SessionHostIll,
    /// Every host that could be picked was tried before. Picking again without exclusions takes one of these.
    #[error("every endpoint that takes requests was tried")]
    AllTried,
}

/// What a pick depends on, besides hosts and dice.
#[derive(Clone, Copy, Debug)]
pub struct PickContext<'a> {
    /// Hosts to avoid (Envoy's `previous_hosts`).
    pub tried: &'a [Arc<Host>],
    /// Hash of the request, for policies that go by it; without one they take any.
    pub hash: Option<u64>,
    /// Labels that the request asks for.
    pub labels: Option<&'a Labels>,
    /// The endpoint that the session of the request belongs to.
    pub session: Option<SessionHost<'a>>,
    /// Requests under way to the cluster, where somebody counts them; otherwise those of its hosts are added up.
    pub active: Option<u32>,
    /// The time.
    pub now: Instant,
}

impl<'a> PickContext<'a> {
    /// Any host will do.
    pub fn any(now: Instant) -> PickContext<'a> {
        PickContext { tried: &[], hash: None, labels: None, session: None, active: None, now }
    }

    /// Any host that was not tried.
    pub fn avoiding(tried: &'a [Arc<Host>], now: Instant) -> PickContext<'a> {
        PickContext { tried, ..PickContext::any(now) }
    }
}

/// The endpoint that a session belongs to.
#[derive(Clone, Copy, Debug)]
pub struct SessionHost<'a> {
    /// Where it is.
    pub address: &'a Address,
    /// The request fails rather than go to another.
    pub strict: bool,
}

/// Picks hosts for one worker.
#[derive(Debug)]
pub struct Balancer {
    config: LoadBalancing,
    hosts: Arc<HostSet>,
    home: Option<Home>,
    /// The health that everything below was prepared for.
    prepared_for: (u64, u64),
    /// Before this it is not prepared again, unless nobody is found.
    rests_until: Instant,
    all: Levels,
    /// The subsets that have hosts, by what the selectors name.
    present: HashSet<Labels>,
    /// Those of them that were asked for.
    subsets: HashMap<Labels, Levels>,
    /// For where turns begin, so that workers and generations do not all begin with the same host.
    dice: fastrand::Rng,
}

impl Balancer {
    /// A balancer over `hosts`. The seed decides where turns begin: give each worker its own. `home` is needed for zone-aware
    /// routing only.
    pub fn new(
        config: LoadBalancing,
        hosts: Arc<HostSet>,
        home: Option<Home>,
        seed: u64,
        now: Instant,
    ) -> Balancer {
        let mut balancer = Balancer {
            config,
            hosts,
            home,
            prepared_for: (0, 0),
            rests_until: now,
            all: Levels::default(),
            present: HashSet::new(),
            subsets: HashMap::new(),
            dice: fastrand::Rng::with_seed(seed),
        };
        balancer.prepare(now);
        balancer
    }

    /// The hosts it picks from.
    pub fn hosts(&self) -> &Arc<HostSet> {
        &self.hosts
    }

    /// Goes on with the hosts of another generation.
    pub fn replace_hosts(&mut self, hosts: Arc<HostSet>, now: Instant) {
        self.hosts = hosts;
        self.prepare(now);
    }

    /// Picks a host.
    pub fn pick(&mut self, context: &PickContext<'_>, rng: &mut fastrand::Rng) -> Pick {
        if self.hosts.is_empty() {
            return Pick::None(NoHost::Empty);
        }
        let stale = self.prepared_for != self.health();
        if stale && context.now >= self.rests_until {
            self.prepare(context.now);
        } else if stale {
            let pick = self.pick_prepared(context, rng);
            if matches!(pick, Pick::Host { .. }) {
                return pick;
            }
            self.prepare(context.now);
        }
        self.pick_prepared(context, rng)
    }

    /// Picks among what is prepared. Whoever has fallen ill since is left out.
    fn pick_prepared(&mut self, context: &PickContext<'_>, rng: &mut fastrand::Rng) -> Pick {
        if let Some(session) = context.session {
            match self.session_host(session, context.tried) {
                Some(entry) => return Pick::Host { entry, panic: false },
                None if session.strict => {
                    let is_there = self.hosts.get(session.address).is_some();
                    return Pick::None(match is_there {
                        true => NoHost::SessionHostIll,
                        false => NoHost::SessionHostGone,
                    });
                }
                None => {}
            }
        }
        let mut draw = Draw { hash: context.hash, attempt: 0, active: context.active, now: context.now, rng };
        match self.chosen(context.labels) {
            Chosen::Any => self.all.pick(context.tried, &mut draw),
            Chosen::With(labels) => self.pick_with(labels, context.tried, &mut draw),
            Chosen::Nothing => Pick::None(NoHost::NoSubset),
        }
    }

    /// The host of a session, if it takes requests and was not tried.
    fn session_host(&self, session: SessionHost<'_>, tried: &[Arc<Host>]) -> Option<Arc<HostEntry>> {
        let entry = self.hosts.get(session.address)?;
        let takes_requests = entry.is_available() || entry.is_degraded();
        (takes_requests && !was_tried(entry, tried)).then(|| Arc::clone(entry))
    }

    fn chosen(&self, labels: Option<&Labels>) -> Chosen {
        let Some(subsets) = &self.config.subsets else { return Chosen::Any };
        let none = Labels::new();
        subset::choose(subsets, labels.unwrap_or(&none), |labels| self.present.contains(labels))
    }

    fn pick_with(&mut self, labels: Labels, tried: &[Arc<Host>], draw: &mut Draw<'_>) -> Pick {
        if let Some(levels) = self.subsets.get_mut(&labels) {
            return levels.pick(tried, draw);
        }
        let mut levels = self.levels(Some(&labels), draw.now);
        let pick = levels.pick(tried, draw);
        if self.subsets.len() < MAX_SUBSETS {
            self.subsets.insert(labels, levels);
        }
        pick
    }

    fn health(&self) -> (u64, u64) {
        (self.hosts.health_version(), self.home.as_ref().map_or(0, |home| home.peers.health_version()))
    }

    fn prepare(&mut self, now: Instant) {
        // Read before the hosts are looked at: a change in between is then seen at the next pick.
        self.prepared_for = self.health();
        self.rests_until = now + rest(self.hosts.len());
        self.subsets.clear();
        let entries = self.hosts.entries();
        self.present =
            self.config.subsets.as_ref().map(|subsets| subset::present(subsets, entries)).unwrap_or_default();
        self.all = self.levels(None, now);
    }

    fn levels(&mut self, labels: Option<&Labels>, now: Instant) -> Levels {
        let ground = Ground {
            locality: self.config.locality,
            panic_threshold: self.config.panic_threshold,
            overprovisioning_percent: self.hosts.overprovisioning_percent(),
            home: self.home.as_ref(),
        };
        let mut preparing = Preparing {
            policy: self.config.policy,
            slow_start: self.config.slow_start,
            now,
            dice: &mut self.dice,
            tables: self.hosts.tables(),
        };
        let entries = self.hosts.entries().iter();
        let entries = entries.filter(|entry| labels.is_none_or(|labels| subset::has(entry, labels)));
        Levels::new(entries, ground, &mut preparing)
    }
}

/// How long what was prepared for so many hosts is used at least: preparing must not be all that is done while many of them
/// come and go. Nothing where it costs nothing worth mentioning.
fn rest(hosts: usize) -> Duration {
    if hosts < FEW_HOSTS { Duration::ZERO } else { REST_FOR_EACH * u32::try_from(hosts).unwrap_or(u32::MAX) }
}

/// Fewer hosts are prepared anew whenever the health of one changes.
const FEW_HOSTS: usize = 1024;

/// About ten times of what preparing costs.
const REST_FOR_EACH: Duration = Duration::from_micros(1);

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
