//! The hosts of one priority and one state of health, by locality where localities count.

use std::sync::Arc;

use ripstop_model::load_balancing::LocalityBalancing;

use super::edf::Schedule;
use super::hosts::{Draw, Hosts, Preparing};
use super::zone::{Home, ZoneRouting};
use crate::host::HostEntry;

/// Hosts that a request of a priority goes to.
#[derive(Debug)]
pub(super) enum Group {
    /// Localities do not count.
    Flat(Hosts),
    /// By the weights of localities.
    Weighted { localities: Vec<Hosts>, weights: Vec<f64>, schedule: Schedule },
    /// The own zone first.
    Zones { everywhere: Hosts, localities: Vec<Hosts>, routing: ZoneRouting },
}

/// What decides how localities count.
#[derive(Clone, Copy, Debug)]
pub(super) struct Places<'a> {
    pub(super) balancing: LocalityBalancing,
    pub(super) overprovisioning_percent: u32,
    /// All hosts of the priority, whatever their health.
    pub(super) of_priority: &'a [Arc<HostEntry>],
    /// Where the balancer itself is; zone-aware routing needs it, and is for the highest priority only.
    pub(super) home: Option<&'a Home>,
}

impl Group {
    pub(super) fn new(
        entries: Vec<Arc<HostEntry>>,
        places: Places<'_>,
        preparing: &mut Preparing<'_>,
    ) -> Group {
        match places.balancing {
            LocalityBalancing::Weighted => Group::weighted(entries, places, preparing),
            LocalityBalancing::ZoneAware { .. } if preparing.policy.is_consistent() => {
                Group::flat(entries, preparing)
            }
            LocalityBalancing::ZoneAware { enabled, min_cluster_size, .. } => {
                let parts = by_locality(&entries);
                let routing = places.home.filter(|_| places.of_priority.len() as u64 >= min_cluster_size);
                let routing = routing.and_then(|home| ZoneRouting::new(home, &parts, enabled));
                match routing {
                    Some(routing) => Group::Zones {
                        localities: parts.into_iter().map(|part| Hosts::new(part, preparing)).collect(),
                        everywhere: Hosts::new(entries, preparing),
                        routing,
                    },
                    None => Group::flat(entries, preparing),
                }
            }
        }
    }

    pub(super) fn flat(entries: Vec<Arc<HostEntry>>, preparing: &mut Preparing<'_>) -> Group {
        Group::Flat(Hosts::new(entries, preparing))
    }

    /// A locality without a weight gets nothing, unless none has one. The weight counts in proportion to the hosts that are
    /// well, with overprovisioning.
    fn weighted(entries: Vec<Arc<HostEntry>>, places: Places<'_>, preparing: &mut Preparing<'_>) -> Group {
        let parts = by_locality(&entries);
        let weight = |part: &Vec<Arc<HostEntry>>| {
            let first = part.first()?;
            let weight = f64::from(first.locality_weight?.get());
            let same = |entry: &&Arc<HostEntry>| entry.locality == first.locality;
            let all = places.of_priority.iter().filter(same).count().max(1);
            let well = f64::from(places.overprovisioning_percent) / 100.0 * part.len() as f64 / all as f64;
            Some(weight * well.min(1.0))
        };
        let (parts, weights): (Vec<_>, Vec<f64>) =
            parts.into_iter().filter_map(|part| weight(&part).map(|weight| (part, weight))).unzip();
        if parts.is_empty() {
            return Group::flat(entries, preparing);
        }
        if preparing.policy.is_consistent() {
            // One ring or table for all, or else a hash would not always mean the same host.
            let part_of = |(part, weight): (Vec<Arc<HostEntry>>, f64)| {
                let sum: f64 = part.iter().map(|entry| f64::from(entry.endpoint.weight.get())).sum();
                let own = move |entry: &Arc<HostEntry>| f64::from(entry.endpoint.weight.get()) * weight / sum;
                part.into_iter().map(move |entry| (own(&entry), entry)).collect::<Vec<_>>()
            };
            let (weights, entries) = parts.into_iter().zip(weights).flat_map(part_of).unzip();
            return Group::Flat(Hosts::consistent(entries, weights, preparing));
        }
        let schedule = Schedule::new(weights.iter().copied(), preparing.dice);
        let localities = parts.into_iter().map(|part| Hosts::new(part, preparing)).collect();
        Group::Weighted { localities, weights, schedule }
    }

    pub(super) fn choose(&mut self, draw: &mut Draw<'_>) -> Option<&Arc<HostEntry>> {
        match self {
            Group::Flat(hosts) => hosts.choose(draw),
            Group::Weighted { localities, weights, schedule } => {
                let locality = schedule.next(|position| weights[position]);
                localities.get_mut(locality)?.choose(draw)
            }
            Group::Zones { everywhere, localities, routing } => match routing.choose(draw.rng) {
                Some(locality) => localities.get_mut(locality)?.choose(draw),
                None => everywhere.choose(draw),
            },
        }
    }

    /// A host that fits.
    pub(super) fn search(
        &self,
        fits: impl Fn(&HostEntry) -> bool,
        rng: &mut fastrand::Rng,
    ) -> Option<&Arc<HostEntry>> {
        match self {
            Group::Flat(hosts) | Group::Zones { everywhere: hosts, .. } => hosts.search(fits, rng),
            Group::Weighted { localities, .. } => {
                localities.iter().find_map(|hosts| hosts.search(&fits, rng))
            }
        }
    }
}

/// The hosts of each locality, in the order in which localities first appear.
fn by_locality(entries: &[Arc<HostEntry>]) -> Vec<Vec<Arc<HostEntry>>> {
    let mut parts: Vec<Vec<Arc<HostEntry>>> = Vec::new();
    for entry in entries {
        // Hosts of one locality stand together, so the last part is the likeliest.
        let same = |part: &&mut Vec<Arc<HostEntry>>| {
            part.first().is_some_and(|first| first.locality == entry.locality)
        };
        match parts.iter_mut().rev().find(same) {
            Some(part) => part.push(Arc::clone(entry)),
            None => parts.push(vec![Arc::clone(entry)]),
        }
    }
    parts
}
