//! The hosts of one generation of configuration, and what it says of each.

use std::collections::HashSet;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use ripstop_model::endpoint::Locality;
use ripstop_model::health_check::HealthRules;
use ripstop_model::{Address, ClusterLoadAssignment, Endpoint, HealthStatus, Name};

use super::Host;
use crate::balance::shared::SharedTables;
use crate::health::flags::HealthFlag;

/// A host together with what one generation of configuration says about it.
#[derive(Clone, Debug)]
pub struct HostEntry {
    /// The live host.
    pub host: Arc<Host>,
    /// Its position in [`HostSet::entries`].
    pub index: usize,
    /// What configuration says of it: weight, health, host name, labels.
    pub endpoint: Arc<Endpoint>,
    /// 0 is the highest.
    pub priority: u32,
    /// Where it is, shared by all hosts of the locality.
    pub locality: Arc<Locality>,
    /// Share of the locality among those of its priority, where localities are weighted.
    pub locality_weight: Option<NonZeroU32>,
    /// It was taken from the configuration and stays only while it answers checks well.
    pub leaving: bool,
}

impl HostEntry {
    /// Whether it takes requests in the ordinary case: neither configuration nor outlier detection nor checks object.
    pub fn is_available(&self) -> bool {
        self.endpoint.health.is_available()
            && !self.host.is_ejected()
            && !self.host.health.has_any(&[HealthFlag::FailedActiveHc, HealthFlag::DegradedActiveHc])
    }

    /// Whether it takes requests when healthy ones are short.
    pub fn is_degraded(&self) -> bool {
        let health = &self.host.health;
        let degraded = self.endpoint.health == HealthStatus::Degraded
            || self.endpoint.health.is_available() && health.has(HealthFlag::DegradedActiveHc);
        degraded && !self.host.is_ejected() && !health.has(HealthFlag::FailedActiveHc)
    }

    /// Whether it does not count among the hosts of its priority when their health is looked at.
    pub fn is_excluded(&self) -> bool {
        self.host.health.has_any(&[HealthFlag::PendingActiveHc, HealthFlag::ExcludedViaImmediateHcFail])
    }

    /// Envoy's health flags for `/clusters`, in its order; none: the host is healthy.
    pub fn flags(&self) -> impl Iterator<Item = &'static str> {
        let active = |flag| self.host.health.has(flag);
        let eds = self.endpoint.health;
        [
            ("failed_active_hc", active(HealthFlag::FailedActiveHc)),
            ("failed_outlier_check", self.host.is_ejected()),
            ("failed_eds_health", matches!(eds, HealthStatus::Unhealthy | HealthStatus::Timeout)),
            ("degraded_active_hc", active(HealthFlag::DegradedActiveHc)),
            ("degraded_eds_health", eds == HealthStatus::Degraded),
            ("pending_dynamic_removal", self.leaving),
            ("pending_active_hc", active(HealthFlag::PendingActiveHc)),
            ("excluded_via_immediate_hc_fail", active(HealthFlag::ExcludedViaImmediateHcFail)),
            ("active_hc_timeout", active(HealthFlag::ActiveHcTimeout)),
            ("eds_status_draining", eds == HealthStatus::Draining),
        ]
        .into_iter()
        .filter_map(|(name, is_set)| is_set.then_some(name))
    }

    /// The flags as one word: `healthy`, or what is against it, each behind a `/`.
    pub fn health_flags(&self) -> String {
        let flags: String = self.flags().flat_map(|flag| ["/", flag]).collect();
        if flags.is_empty() { "healthy".to_owned() } else { flags }
    }
}

/// The endpoints of a cluster in one generation of configuration. Never changes, except that the hosts in it fare well
/// or badly.
#[derive(Debug)]
pub struct HostSet {
    name: Name,
    entries: Vec<Arc<HostEntry>>,
    /// Positions in `entries`, in the order of their addresses.
    by_address: Vec<usize>,
    /// How many of them are [`HostEntry::leaving`].
    leaving: usize,
    overprovisioning_percent: u32,
    /// Raised whenever a host is ejected or returns; shared by all generations, since their hosts are.
    health_version: Arc<AtomicU64>,
    /// Of all generations and workers.
    tables: Arc<SharedTables>,
}

impl HostSet {
    /// The hosts of an assignment without active checks. See [`HostSet::checked`].
    pub fn update(previous: Option<&HostSet>, assignment: &ClusterLoadAssignment, now: Instant) -> HostSet {
        HostSet::checked(previous, assignment, &HealthRules::default(), now)
    }

    /// The hosts of an assignment. A host whose address is in `previous` is the very same, with its counts, its ejection and
    /// what checks have found; any other is new at `now`, and counts as unhealthy until it was checked, where it is.
    /// Of several endpoints with one address the first counts.
    ///
    /// A host of `previous` that the assignment leaves out stays while it answers checks well, unless the rules say otherwise.
    pub fn checked(
        previous: Option<&HostSet>,
        assignment: &ClusterLoadAssignment,
        rules: &HealthRules,
        now: Instant,
    ) -> HostSet {
        let mut set = HostSet {
            name: assignment.cluster_name.clone(),
            entries: Vec::new(),
            by_address: Vec::new(),
            leaving: 0,
            overprovisioning_percent: assignment.overprovisioning_percent,
            health_version: previous.map(|p| Arc::clone(&p.health_version)).unwrap_or_default(),
            tables: previous.map(|p| Arc::clone(&p.tables)).unwrap_or_default(),
        };
        let mut seen = HashSet::new();
        for group in &assignment.localities {
            let locality = Arc::new(group.locality.clone());
            for endpoint in &group.endpoints {
                if !seen.insert(&endpoint.address) {
                    continue;
                }
                let known = previous.and_then(|previous| previous.get(&endpoint.address));
                let host = known.map_or_else(
                    || Arc::new(new_host(endpoint, rules, now)),
                    |entry| Arc::clone(&entry.host),
                );
                if rules.check.is_none() || endpoint.is_unchecked() {
                    host.health.clear();
                }
                set.entries.push(Arc::new(HostEntry {
                    host,
                    index: set.entries.len(),
                    endpoint: Arc::clone(endpoint),
                    priority: group.priority,
                    locality: Arc::clone(&locality),
                    locality_weight: group.weight,
                    leaving: false,
                }));
            }
        }
        if rules.check.is_some() && !rules.ignore_on_removal {
            let removed = previous.into_iter().flat_map(|previous| &previous.entries);
            for entry in removed.filter(|entry| !seen.contains(&entry.endpoint.address)) {
                set.keep(entry);
            }
        }
        set.by_address = (0..set.entries.len()).collect();
        set.by_address.sort_unstable_by_key(|&index| set.entries[index].host.address());
        set
    }

    /// Keeps a host that was taken out, if it is well.
    fn keep(&mut self, entry: &HostEntry) {
        let failed = entry.host.health.has(HealthFlag::FailedActiveHc)
            || matches!(entry.endpoint.health, HealthStatus::Unhealthy | HealthStatus::Timeout)
            || entry.endpoint.is_unchecked();
        if !failed {
            let index = self.entries.len();
            self.leaving += 1;
            self.entries.push(Arc::new(HostEntry { index, leaving: true, ..entry.clone() }));
        }
    }

    /// Whether a host that was taken out is well no more, so that it can go.
    pub fn has_left(&self) -> bool {
        self.leaving > 0
            && self
                .entries
                .iter()
                .any(|entry| entry.leaving && entry.host.health.has(HealthFlag::FailedActiveHc))
    }

    /// Name of the assignment it came from.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// Every host, in the order of the assignment.
    pub fn entries(&self) -> &[Arc<HostEntry>] {
        &self.entries
    }

    /// The host at this address.
    pub fn get(&self, address: &Address) -> Option<&Arc<HostEntry>> {
        let at = self.by_address.binary_search_by(|&index| self.entries[index].host.address().cmp(address));
        at.ok().map(|place| &self.entries[self.by_address[place]])
    }

    /// How many there are, whatever their health.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none at all.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many take requests in the ordinary case.
    pub fn available(&self) -> usize {
        self.entries.iter().filter(|entry| entry.is_available()).count()
    }

    /// How many percent of its share a priority level can take over.
    pub fn overprovisioning_percent(&self) -> u32 {
        self.overprovisioning_percent
    }

    /// A number that changes whenever outlier detection ejects a host or lets one return, or checks find one well or not.
    pub fn health_version(&self) -> u64 {
        self.health_version.load(Ordering::Acquire)
    }

    /// The rings and tables over its hosts.
    pub(crate) fn tables(&self) -> &SharedTables {
        &self.tables
    }

    /// Tells all balancers that the health of a host has changed.
    pub fn health_changed(&self) {
        self.health_version.fetch_add(1, Ordering::AcqRel);
    }
}

/// Where hosts are checked, one begins as unhealthy.
fn new_host(endpoint: &Endpoint, rules: &HealthRules, now: Instant) -> Host {
    let host = Host::new(endpoint.address.clone(), now);
    if rules.check.is_some() && !endpoint.is_unchecked() {
        host.health.set(HealthFlag::FailedActiveHc, true);
        host.health.set(HealthFlag::PendingActiveHc, rules.ignore_until_first_check);
    }
    host
}
