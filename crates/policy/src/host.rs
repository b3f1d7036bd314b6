//! The endpoints of a cluster as live things: how each fares ([`Host`]), and the generation that holds them
//! ([`HostSet`]).
//!
//! A [`Host`] outlives changes of configuration; what configuration says about it (weight, health, priority) is in the
//! [`HostEntry`] of each generation. Which host takes a request is decided in [`crate::balance`], which is put aside in
//! [`crate::outlier`].

use std::collections::HashSet;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ripstop_model::endpoint::Locality;
use ripstop_model::{Address, ClusterLoadAssignment, Endpoint, HealthStatus, Name};

use crate::balance::response_time::PeakAverage;
use crate::outlier::{EjectionReason, Outcome};

/// One endpoint and how it fares, shared by all workers and all generations that hold its address.
#[derive(Debug)]
pub struct Host {
    address: Address,
    /// Monotonic counts for `/clusters` and metrics.
    pub totals: HostTotals,
    active_requests: AtomicU32,
    active_connections: AtomicU32,
    pub(crate) consecutive_5xx: AtomicU32,
    pub(crate) consecutive_gateway_failure: AtomicU32,
    pub(crate) consecutive_local_origin_failure: AtomicU32,
    /// Of the running interval.
    pub(crate) external: SuccessCount,
    /// Of the running interval, what happened on this side.
    pub(crate) local_origin: SuccessCount,
    ejected: AtomicBool,
    ejections: Mutex<EjectionHistory>,
    /// Since when it is known.
    since: Instant,
    /// Kept where the balancer goes by it.
    response_time: Mutex<Option<PeakAverage>>,
}

/// Counts that only grow.
#[derive(Debug, Default)]
pub struct HostTotals {
    /// Requests sent.
    pub rq_total: AtomicU64,
    /// Requests answered with 1xx to 4xx.
    pub rq_success: AtomicU64,
    /// Requests answered with 5xx, or not at all.
    pub rq_error: AtomicU64,
    /// Requests not answered in time.
    pub rq_timeout: AtomicU64,
    /// Connections attempted.
    pub cx_total: AtomicU64,
    /// Connections that could not be made.
    pub cx_connect_fail: AtomicU64,
}

/// What outlier detection remembers of a host. Changed under the detector's lock, rarely.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct EjectionHistory {
    /// Ejected now: since when, until when, why.
    pub(crate) current: Option<EjectionState>,
    /// Ejections ever.
    pub(crate) count: u32,
    /// What the next ejection time grows from; decays while the host is well.
    pub(crate) multiplier: u32,
}

/// That a host is ejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EjectionState {
    /// Why.
    pub reason: EjectionReason,
    /// Since when.
    pub since: Instant,
    /// From when on a sweep lets it return.
    pub until: Instant,
}

impl EjectionState {
    /// How long it is put aside in all.
    pub fn duration(&self) -> Duration {
        self.until.saturating_duration_since(self.since)
    }
}

impl Host {
    /// A host that nothing is known of but that it exists since `now`.
    pub fn new(address: Address, now: Instant) -> Host {
        Host {
            address,
            totals: HostTotals::default(),
            active_requests: AtomicU32::new(0),
            active_connections: AtomicU32::new(0),
            consecutive_5xx: AtomicU32::new(0),
            consecutive_gateway_failure: AtomicU32::new(0),
            consecutive_local_origin_failure: AtomicU32::new(0),
            external: SuccessCount::default(),
            local_origin: SuccessCount::default(),
            ejected: AtomicBool::new(false),
            ejections: Mutex::new(EjectionHistory::default()),
            since: now,
            response_time: Mutex::new(None),
        }
    }

    /// Since when it is known.
    pub fn since(&self) -> Instant {
        self.since
    }

    /// How long it takes to answer, where that is kept.
    pub fn response_time(&self) -> Option<PeakAverage> {
        *self.response_time.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers how long it took to answer.
    pub fn record_response_time(&self, took: Duration, decay: Duration, now: Instant) {
        let mut average = self.response_time.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *average {
            Some(average) => average.add(took, now, decay),
            None => *average = Some(PeakAverage::new(took, now)),
        }
    }

    /// Where it is; what it is known by across generations.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Requests under way, all workers together.
    pub fn active_requests(&self) -> u32 {
        self.active_requests.load(Ordering::Relaxed)
    }

    /// Open connections, all workers together.
    pub fn active_connections(&self) -> u32 {
        self.active_connections.load(Ordering::Relaxed)
    }

    /// Counts a request as under way until the guard is dropped.
    pub fn begin_request(self: &Arc<Self>) -> ActiveRequest {
        self.totals.rq_total.fetch_add(1, Ordering::Relaxed);
        self.active_requests.fetch_add(1, Ordering::Relaxed);
        ActiveRequest { host: Arc::clone(self) }
    }

    /// Counts a connection as open until the guard is dropped.
    pub fn begin_connection(self: &Arc<Self>) -> ActiveConnection {
        self.totals.cx_total.fetch_add(1, Ordering::Relaxed);
        self.active_connections.fetch_add(1, Ordering::Relaxed);
        ActiveConnection { host: Arc::clone(self) }
    }

    /// Counts what became of a request in [`Host::totals`]. Says nothing to outlier detection.
    pub fn count_outcome(&self, outcome: Outcome) {
        let totals = &self.totals;
        let success = outcome.as_status() < 500;
        let counter = if success { &totals.rq_success } else { &totals.rq_error };
        counter.fetch_add(1, Ordering::Relaxed);
        if outcome == Outcome::Timeout {
            totals.rq_timeout.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts a connection that could not be made in [`Host::totals`].
    pub fn count_connect_failure(&self) {
        self.totals.cx_connect_fail.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether outlier detection has put it aside.
    pub fn is_ejected(&self) -> bool {
        self.ejected.load(Ordering::Acquire)
    }

    /// Why it is put aside and until when. Takes a lock: for explanations, not for requests.
    pub fn ejection(&self) -> Option<EjectionState> {
        self.history().current
    }

    /// How often it was put aside in its life. Takes a lock: for explanations, not for requests.
    pub fn ejection_count(&self) -> u32 {
        self.history().count
    }

    /// The history, to be changed by the detector alone. The data are valid whenever the lock is free, so a panic of
    /// another holder does no harm.
    pub(crate) fn history(&self) -> MutexGuard<'_, EjectionHistory> {
        self.ejections.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_ejected(&self, ejected: bool) {
        self.ejected.store(ejected, Ordering::Release);
    }

    pub(crate) fn reset_consecutive(&self) {
        self.consecutive_5xx.store(0, Ordering::Relaxed);
        self.consecutive_gateway_failure.store(0, Ordering::Relaxed);
        self.consecutive_local_origin_failure.store(0, Ordering::Relaxed);
    }
}

/// How many requests there were and how many of them went well.
#[derive(Debug, Default)]
pub(crate) struct SuccessCount {
    total: AtomicU32,
    success: AtomicU32,
}

impl SuccessCount {
    pub(crate) fn add(&self, success: bool) {
        self.total.fetch_add(1, Ordering::Relaxed);
        if success {
            self.success.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// All, and those that went well; counting begins anew.
    pub(crate) fn take(&self) -> (u32, u32) {
        let success = self.success.swap(0, Ordering::Relaxed);
        // A request that is counted in between may have been counted as a success only.
        (self.total.swap(0, Ordering::Relaxed).max(success), success)
    }
}

/// A request that is under way to a host.
#[derive(Debug)]
#[must_use = "the request counts as ended when this is dropped"]
pub struct ActiveRequest {
    host: Arc<Host>,
}

impl Drop for ActiveRequest {
    fn drop(&mut self) {
        self.host.active_requests.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A connection that is open to a host.
#[derive(Debug)]
#[must_use = "the connection counts as closed when this is dropped"]
pub struct ActiveConnection {
    host: Arc<Host>,
}

impl Drop for ActiveConnection {
    fn drop(&mut self) {
        self.host.active_connections.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A host together with what one generation of configuration says about it.
#[derive(Clone, Debug)]
pub struct HostEntry {
    /// The live host.
    pub host: Arc<Host>,
    /// Its position in [`HostSet::entries`].
    pub index: usize,
    /// What configuration says of it: weight, health, host name, labels.
    pub endpoint: Endpoint,
    /// 0 is the highest.
    pub priority: u32,
    /// Where it is, shared by all hosts of the locality.
    pub locality: Arc<Locality>,
    /// Share of the locality among those of its priority, where localities are weighted.
    pub locality_weight: Option<NonZeroU32>,
}

impl HostEntry {
    /// Whether it takes requests in the ordinary case: neither configuration nor outlier detection objects.
    pub fn is_available(&self) -> bool {
        self.endpoint.health.is_available() && !self.host.is_ejected()
    }

    /// Whether it takes requests when healthy ones are short.
    pub fn is_degraded(&self) -> bool {
        self.endpoint.health == HealthStatus::Degraded && !self.host.is_ejected()
    }

    /// Envoy's health flags for `/clusters`: `healthy`, or what is against it, joined with `/`.
    pub fn health_flags(&self) -> String {
        let mut flags = Vec::new();
        if self.host.is_ejected() {
            flags.push("/failed_outlier_check");
        }
        match self.endpoint.health {
            HealthStatus::Unknown | HealthStatus::Healthy => {}
            HealthStatus::Unhealthy | HealthStatus::Timeout => flags.push("/failed_eds_health"),
            HealthStatus::Draining => flags.push("/eds_status_draining"),
            HealthStatus::Degraded => flags.push("/degraded_eds_health"),
        }
        if flags.is_empty() { "healthy".to_owned() } else { flags.concat() }
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
    overprovisioning_percent: u32,
    /// Raised whenever a host is ejected or returns; shared by all generations, since their hosts are.
    health_version: Arc<AtomicU64>,
}

impl HostSet {
    /// The hosts of an assignment. A host whose address is in `previous` is the very same, with its counts and its
    /// ejection; any other is new at `now`. Of several endpoints with one address the first counts.
    pub fn update(previous: Option<&HostSet>, assignment: &ClusterLoadAssignment, now: Instant) -> HostSet {
        let mut set = HostSet {
            name: assignment.cluster_name.clone(),
            entries: Vec::new(),
            by_address: Vec::new(),
            overprovisioning_percent: assignment.overprovisioning_percent,
            health_version: previous.map(|p| Arc::clone(&p.health_version)).unwrap_or_default(),
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
                    || Arc::new(Host::new(endpoint.address.clone(), now)),
                    |entry| Arc::clone(&entry.host),
                );
                set.entries.push(Arc::new(HostEntry {
                    host,
                    index: set.entries.len(),
                    endpoint: endpoint.clone(),
                    priority: group.priority,
                    locality: Arc::clone(&locality),
                    locality_weight: group.weight,
                }));
            }
        }
        set.by_address = (0..set.entries.len()).collect();
        set.by_address.sort_unstable_by_key(|&index| set.entries[index].host.address());
        set
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

    /// A number that changes whenever outlier detection ejects a host or lets one return.
    pub fn health_version(&self) -> u64 {
        self.health_version.load(Ordering::Acquire)
    }

    pub(crate) fn health_changed(&self) {
        self.health_version.fetch_add(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
