//! The priorities of a list of hosts: who is well, which level takes how much, and the choice in each.

use std::sync::Arc;

use ripstop_model::load_balancing::LocalityBalancing;

use super::group::{Group, Places};
use super::hosts::{Draw, Preparing, was_tried};
use super::priority::{Availability, PriorityLoad, Share};
use super::zone::Home;
use super::{NoHost, Pick};
use crate::host::{Host, HostEntry};

/// How often the policy is asked for a host that was not tried before all hosts are looked through.
const DRAWS_BEFORE_SEARCH: usize = 4;

/// What levels are prepared from, besides hosts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ground<'a> {
    pub(super) locality: LocalityBalancing,
    pub(super) panic_threshold: ripstop_model::Percent,
    pub(super) overprovisioning_percent: u32,
    pub(super) home: Option<&'a Home>,
}

/// Hosts by priority.
#[derive(Debug, Default)]
pub(super) struct Levels {
    /// By priority, from 0 without gaps.
    levels: Vec<Level>,
    load: PriorityLoad,
    consistent: bool,
    /// In panic nobody is asked.
    fail_on_panic: bool,
}

/// The hosts of one priority.
#[derive(Debug)]
struct Level {
    available: Group,
    degraded: Group,
    /// All of them, for panic; prepared only where panic is possible.
    all: Option<Group>,
}

impl Levels {
    /// Sorts hosts by priority and health, and prepares the choice among them.
    pub(super) fn new<'e>(
        entries: impl Iterator<Item = &'e Arc<HostEntry>>,
        ground: Ground<'_>,
        preparing: &mut Preparing<'_>,
    ) -> Levels {
        let mut by_priority: Vec<Vec<Arc<HostEntry>>> = Vec::new();
        for entry in entries {
            let priority = entry.priority as usize;
            if by_priority.len() <= priority {
                by_priority.resize(priority + 1, Vec::new());
            }
            by_priority[priority].push(Arc::clone(entry));
        }
        let availability: Vec<Availability> = by_priority.iter().map(|hosts| count(hosts)).collect();
        let load =
            PriorityLoad::compute(&availability, ground.overprovisioning_percent, ground.panic_threshold);
        let prepare = |(priority, hosts): (usize, Vec<Arc<HostEntry>>)| {
            let places = Places {
                balancing: ground.locality,
                overprovisioning_percent: ground.overprovisioning_percent,
                of_priority: &hosts,
                home: ground.home.filter(|_| priority == 0),
            };
            let available = hosts.iter().filter(|entry| entry.is_available()).cloned().collect();
            let degraded = hosts.iter().filter(|entry| entry.is_degraded()).cloned().collect();
            Level {
                available: Group::new(available, places, preparing),
                degraded: Group::new(degraded, places, preparing),
                all: load.panic(priority).then(|| Group::flat(hosts.clone(), preparing)),
            }
        };
        let levels = by_priority.into_iter().enumerate().map(prepare).collect();
        let fail_on_panic =
            matches!(ground.locality, LocalityBalancing::ZoneAware { fail_traffic_on_panic: true, .. });
        Levels { levels, load, consistent: preparing.policy.is_consistent(), fail_on_panic }
    }

    /// A host that is not among `tried`.
    ///
    /// A few hosts are drawn by the policy; when all of them were tried, the hosts of the drawn priority and then those of all
    /// other priorities are looked through from a random place, so that a host that was not tried is always found where
    /// there is one. That is never worse than any number of
    /// [`host_selection_attempts`](ripstop_model::route::RetryPolicy::host_selection_attempts).
    pub(super) fn pick(&mut self, tried: &[Arc<Host>], draw: &mut Draw<'_>) -> Pick {
        // As in Envoy, the hash chooses the priority as well, so that requests with one hash stay together.
        let thrown = match draw.hash {
            // Below 100, so the cast is lossless.
            Some(hash) if self.consistent => (hash % 100) as u32,
            _ => draw.rng.u32(0..100),
        };
        let Some(share) = self.load.choose(thrown) else { return Pick::None(NoHost::NoneAvailable) };
        let panic = self.load.panic(share.priority);
        if panic && self.fail_on_panic {
            return Pick::None(NoHost::NoneAvailable);
        }
        let group = self.levels[share.priority].group(share, panic);
        for attempt in 0..DRAWS_BEFORE_SEARCH {
            draw.attempt = attempt;
            let Some(entry) = group.choose(draw) else { break };
            if is_still(entry, share.degraded, panic) && !was_tried(entry, tried) {
                return Pick::Host { entry: Arc::clone(entry), panic };
            }
        }
        self.search(share.priority, tried, draw.rng)
    }

    /// Any host that is in use and was not tried, `first` priority first.
    fn search(&self, first: usize, tried: &[Arc<Host>], rng: &mut fastrand::Rng) -> Pick {
        let others = (0..self.levels.len()).filter(|&priority| priority != first);
        for priority in std::iter::once(first).chain(others) {
            let panic = self.load.panic(priority);
            let level = &self.levels[priority];
            let groups = match &level.all {
                Some(all) if panic => [Some((all, false)), None],
                _ => [Some((&level.available, false)), Some((&level.degraded, true))],
            };
            for (group, degraded) in groups.into_iter().flatten() {
                let fits = |entry: &HostEntry| is_still(entry, degraded, panic) && !was_tried(entry, tried);
                if let Some(entry) = group.search(fits, rng) {
                    return Pick::Host { entry: Arc::clone(entry), panic };
                }
            }
        }
        Pick::None(NoHost::AllTried)
    }
}

impl Level {
    fn group(&mut self, share: Share, panic: bool) -> &mut Group {
        match (panic, share.degraded, &mut self.all) {
            (true, _, Some(all)) => all,
            (_, true, _) => &mut self.degraded,
            _ => &mut self.available,
        }
    }
}

/// Whether a host is what it was when hosts were sorted by their health.
fn is_still(entry: &HostEntry, degraded: bool, panic: bool) -> bool {
    panic || if degraded { entry.is_degraded() } else { entry.is_available() }
}

fn count(hosts: &[Arc<HostEntry>]) -> Availability {
    Availability {
        total: hosts.len(),
        excluded: hosts.iter().filter(|entry| entry.is_excluded()).count(),
        available: hosts.iter().filter(|entry| entry.is_available()).count(),
        degraded: hosts.iter().filter(|entry| entry.is_degraded()).count(),
    }
}
