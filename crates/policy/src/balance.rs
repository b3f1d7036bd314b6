//! Which endpoint takes a request. Not which endpoints are well: see [`crate::host`] and [`crate::outlier`].
//!
//! A [`Balancer`] belongs to one worker and remembers its place in the turn; hosts are shared. A pick has three steps,
//! as in Envoy: a priority level by dice in proportion to [`priority`] loads, then the hosts of that level that may be
//! picked (the available ones, the degraded ones, or all in panic), then one of these by the policy. Everything that
//! depends on health is prepared once and again whenever [`HostSet::health_version`] changes: a pick costs O(1), or
//! O(log n) with unequal weights.

use std::sync::Arc;

use ripstop_model::Percent;
use ripstop_model::cluster::LbPolicy;

use crate::host::{Host, HostEntry, HostSet};

pub mod edf;
pub mod least_request;
pub mod priority;
pub mod random;
pub mod round_robin;

use least_request::LeastRequest;
use priority::{Availability, PriorityLoad};
use random::Random;
use round_robin::RoundRobin;

/// How often the policy is asked for a host that was not tried before all hosts are looked through.
const DRAWS_BEFORE_SEARCH: usize = 4;

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
    /// Every host that could be picked was tried before. Picking again without exclusions takes one of these.
    #[error("every endpoint that takes requests was tried")]
    AllTried,
}

/// Picks hosts for one worker.
#[derive(Debug)]
pub struct Balancer {
    policy: LbPolicy,
    panic_threshold: Percent,
    hosts: Arc<HostSet>,
    /// The health that `levels` and `load` were prepared for.
    health_version: u64,
    /// By priority, from 0 without gaps.
    levels: Vec<Level>,
    load: PriorityLoad,
    /// For where turns begin, so that workers and generations do not all begin with the same host.
    dice: fastrand::Rng,
}

/// The hosts of one priority and how one of them is chosen.
#[derive(Debug)]
struct Level {
    available: Group,
    degraded: Group,
    /// All of them, for panic; prepared only where panic is possible.
    all: Option<Group>,
}

/// Hosts that one choice is made among.
#[derive(Debug)]
struct Group {
    entries: Vec<Arc<HostEntry>>,
    chooser: Chooser,
}

#[derive(Debug)]
enum Chooser {
    RoundRobin(RoundRobin),
    LeastRequest(LeastRequest),
    Random(Random),
}

impl Balancer {
    /// A balancer over `hosts`. Below `panic_threshold` of well hosts in a priority all of it are picked from; zero
    /// turns that off. The seed decides where turns begin: give each worker its own.
    pub fn new(policy: LbPolicy, hosts: Arc<HostSet>, panic_threshold: Percent, seed: u64) -> Balancer {
        let mut balancer = Balancer {
            policy,
            panic_threshold,
            health_version: 0,
            levels: Vec::new(),
            load: PriorityLoad::default(),
            dice: fastrand::Rng::with_seed(seed),
            hosts,
        };
        balancer.prepare();
        balancer
    }

    /// The hosts it picks from.
    pub fn hosts(&self) -> &Arc<HostSet> {
        &self.hosts
    }

    /// Goes on with the hosts of another generation.
    pub fn replace_hosts(&mut self, hosts: Arc<HostSet>) {
        self.hosts = hosts;
        self.prepare();
    }

    /// Picks a host that is not among `tried` (Envoy's `previous_hosts`; empty: any).
    ///
    /// A few hosts are drawn by the policy; when all of them were tried, the hosts of the drawn priority and then
    /// those of all other priorities are looked through from a random place, so that a host that was not tried is
    /// always found where there is one. That is never worse than any number of
    /// [`host_selection_attempts`](ripstop_model::route::RetryPolicy::host_selection_attempts).
    pub fn pick(&mut self, tried: &[Arc<Host>], rng: &mut fastrand::Rng) -> Pick {
        if self.hosts.is_empty() {
            return Pick::None(NoHost::Empty);
        }
        if self.health_version != self.hosts.health_version() {
            self.prepare();
        }
        let Some(share) = self.load.choose(rng.u32(0..100)) else {
            return Pick::None(NoHost::NoneAvailable);
        };
        let panic = self.load.panic(share.priority);
        let group = self.levels[share.priority].group(share.kind(panic));
        for _ in 0..DRAWS_BEFORE_SEARCH {
            let Some(entry) = group.choose(rng) else { break };
            if !was_tried(entry, tried) {
                return Pick::Host { entry: Arc::clone(entry), panic };
            }
        }
        self.search(share.priority, tried, rng)
    }

    /// Any host that is in use and was not tried, `first` priority first.
    fn search(&self, first: usize, tried: &[Arc<Host>], rng: &mut fastrand::Rng) -> Pick {
        let others = (0..self.levels.len()).filter(|&priority| priority != first);
        for priority in std::iter::once(first).chain(others) {
            let panic = self.load.panic(priority);
            let level = &self.levels[priority];
            let groups = match &level.all {
                Some(all) if panic => [Some(all), None],
                _ => [Some(&level.available), Some(&level.degraded)],
            };
            for group in groups.into_iter().flatten() {
                if let Some(entry) = group.search(tried, rng) {
                    return Pick::Host { entry: Arc::clone(entry), panic };
                }
            }
        }
        Pick::None(NoHost::AllTried)
    }

    /// Sorts the hosts by priority and health, and prepares the choice among them.
    fn prepare(&mut self) {
        // Read before the hosts are looked at: a change in between is then seen at the next pick.
        self.health_version = self.hosts.health_version();
        let entries = self.hosts.entries();
        let highest = entries.iter().map(|entry| entry.priority as usize).max();
        let mut by_priority = vec![Vec::new(); highest.map_or(0, |highest| highest + 1)];
        for entry in entries {
            by_priority[entry.priority as usize].push(Arc::clone(entry));
        }
        let availability: Vec<Availability> = by_priority.iter().map(|hosts| count(hosts)).collect();
        self.load =
            PriorityLoad::compute(&availability, self.hosts.overprovisioning_percent(), self.panic_threshold);
        let (policy, load, dice) = (self.policy, &self.load, &mut self.dice);
        let prepare = |(priority, hosts): (usize, Vec<Arc<HostEntry>>)| {
            let available = hosts.iter().filter(|entry| entry.is_available()).cloned().collect();
            let degraded = hosts.iter().filter(|entry| entry.is_degraded()).cloned().collect();
            Level {
                available: Group::new(policy, available, dice),
                degraded: Group::new(policy, degraded, dice),
                all: load.panic(priority).then(|| Group::new(policy, hosts, dice)),
            }
        };
        self.levels = by_priority.into_iter().enumerate().map(prepare).collect();
    }
}

/// Which hosts of a priority are chosen from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Available,
    Degraded,
    All,
}

impl priority::Share {
    fn kind(self, panic: bool) -> Kind {
        match (panic, self.degraded) {
            (true, _) => Kind::All,
            (false, true) => Kind::Degraded,
            (false, false) => Kind::Available,
        }
    }
}

impl Level {
    fn group(&mut self, kind: Kind) -> &mut Group {
        match (kind, &mut self.all) {
            (Kind::All, Some(all)) => all,
            (Kind::Degraded, _) => &mut self.degraded,
            _ => &mut self.available,
        }
    }
}

impl Group {
    fn new(policy: LbPolicy, entries: Vec<Arc<HostEntry>>, dice: &mut fastrand::Rng) -> Group {
        let chooser = match policy {
            LbPolicy::RoundRobin => Chooser::RoundRobin(RoundRobin::new(&entries, dice)),
            LbPolicy::LeastRequest { choices } => {
                Chooser::LeastRequest(LeastRequest::new(&entries, choices, dice))
            }
            LbPolicy::Random => Chooser::Random(Random::new(&entries)),
        };
        Group { entries, chooser }
    }

    fn choose(&mut self, rng: &mut fastrand::Rng) -> Option<&Arc<HostEntry>> {
        if self.entries.is_empty() {
            return None;
        }
        let index = match &mut self.chooser {
            Chooser::RoundRobin(turn) => turn.pick(),
            Chooser::LeastRequest(least) => least.pick(&self.entries, rng),
            Chooser::Random(random) => random.pick(rng),
        };
        self.entries.get(index)
    }

    /// A host that was not tried, from a random place on.
    fn search(&self, tried: &[Arc<Host>], rng: &mut fastrand::Rng) -> Option<&Arc<HostEntry>> {
        if self.entries.is_empty() {
            return None;
        }
        let (before, after) = self.entries.split_at(rng.usize(0..self.entries.len()));
        after.iter().chain(before).find(|entry| !was_tried(entry, tried))
    }
}

fn was_tried(entry: &HostEntry, tried: &[Arc<Host>]) -> bool {
    tried.iter().any(|host| Arc::ptr_eq(host, &entry.host))
}

fn count(hosts: &[Arc<HostEntry>]) -> Availability {
    Availability {
        total: hosts.len(),
        available: hosts.iter().filter(|entry| entry.is_available()).count(),
        degraded: hosts.iter().filter(|entry| entry.is_degraded()).count(),
    }
}

/// The weights of `entries`, or `None` where all are equal and need not be looked at.
fn unequal_weights(entries: &[Arc<HostEntry>]) -> Option<Vec<f64>> {
    let first = entries.first()?.endpoint.weight;
    if entries.iter().all(|entry| entry.endpoint.weight == first) {
        return None;
    }
    Some(entries.iter().map(|entry| f64::from(entry.endpoint.weight.get())).collect())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
