//! The endpoints of a cluster as live things: how each fares ([`Host`]), and the generation that holds them
//! ([`HostSet`]).
//!
//! A [`Host`] outlives changes of configuration; what configuration says about it (weight, health, priority) is in the
//! [`HostEntry`] of each generation. Which host takes a request is decided in [`crate::balance`], which is put aside in
//! [`crate::outlier`], which does not answer checks in [`crate::health`].

mod load;
mod record;
mod set;

pub(crate) use record::{HostRecord, SuccessCount};
pub use record::{HostTotals, RateCell};
pub use set::{HostEntry, HostSet};

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{OnceLock, PoisonError};
use std::time::{Duration, Instant};

use ripstop_model::load_balancing::ClientWeighted;
use ripstop_model::load_report::LoadReport;
use ripstop_model::{Address, Name};

use crate::balance::response_time::PeakAverage;
use crate::health::flags::{HealthFlag, HealthFlags};
use crate::outlier::{EjectionReason, Outcome};

/// One endpoint and how it fares, shared by all workers and all generations that hold its address.
#[derive(Debug)]
pub struct Host {
    address: Address,
    /// What active checks have found.
    pub health: HealthFlags,
    ejected: AtomicBool,
    active_requests: AtomicU32,
    active_connections: AtomicU32,
    /// Since when it is known.
    since: Instant,
    record: OnceLock<Box<HostRecord>>,
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
            health: HealthFlags::default(),
            ejected: AtomicBool::new(false),
            active_requests: AtomicU32::new(0),
            active_connections: AtomicU32::new(0),
            since: now,
            record: OnceLock::new(),
        }
    }

    /// What is known of it because it was used; made now if it was not, so for who adds something.
    pub(crate) fn record(&self) -> &HostRecord {
        self.record.get_or_init(|| Box::new(HostRecord::new()))
    }

    /// The same for who only reads; `None`: it was never used.
    pub(crate) fn used(&self) -> Option<&HostRecord> {
        self.record.get().map(|record| &**record)
    }

    fn read(&self) -> &HostRecord {
        self.used().unwrap_or(&record::UNUSED)
    }

    /// Monotonic counts for `/clusters` and metrics.
    pub fn totals(&self) -> &HostTotals {
        &self.read().totals
    }

    /// Of the last interval of outlier detection: of what it answered, and of what happened on this side.
    pub fn success_rates(&self) -> &[RateCell; 2] {
        &self.read().success_rates
    }

    /// Takes note of what it says of its load at `now`.
    pub fn record_load(&self, report: &LoadReport, policy: &ClientWeighted, metrics: &[Name], now: Instant) {
        self.record().load.record(report, policy, metrics, self.since, now);
    }

    /// The weight that follows from what it has said of its load, if it is one to go by at `now`.
    pub fn load_weight(&self, policy: &ClientWeighted, now: Instant) -> Option<f32> {
        self.used()?.load.weight(policy, self.since, now)
    }

    /// Since when it is known.
    pub fn since(&self) -> Instant {
        self.since
    }

    /// How long it takes to answer, where that is kept.
    pub fn response_time(&self) -> Option<PeakAverage> {
        *self.used()?.response_time.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers how long it took to answer.
    pub fn record_response_time(&self, took: Duration, decay: Duration, now: Instant) {
        let mut average = self.record().response_time.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *average {
            Some(average) => average.add(took, now, decay),
            None => *average = Some(PeakAverage::new(took, now)),
        }
    }

    /// How long its last answers took, the latest an eighth of it; `None`: it never answered. For those who look at it, not for
    /// balancing.
    pub fn latency(&self) -> Option<Duration> {
        let us = self.used()?.latency_us.load(Ordering::Relaxed).checked_sub(1)?;
        Some(Duration::from_micros(us.into()))
    }

    /// Takes note of how long an answer took. Of two workers that do so at once, one may be lost.
    pub fn record_latency(&self, took: Duration) {
        let took = u32::try_from(took.as_micros()).unwrap_or(u32::MAX - 1).min(u32::MAX - 1);
        let latency_us = &self.record().latency_us;
        let average = match latency_us.load(Ordering::Relaxed).checked_sub(1) {
            // Rounded towards the latest, so that it gets there.
            Some(before) if took < before => before - (before - took).div_ceil(8),
            Some(before) => before + (took - before).div_ceil(8),
            None => took,
        };
        latency_us.store(average + 1, Ordering::Relaxed);
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
        self.record().totals.rq_total.fetch_add(1, Ordering::Relaxed);
        self.active_requests.fetch_add(1, Ordering::Relaxed);
        ActiveRequest { host: Arc::clone(self) }
    }

    /// Counts a connection as open until the guard is dropped; `None`: as many as `limit` are.
    pub fn try_begin_connection(self: &Arc<Self>, limit: u32) -> Option<ActiveConnection> {
        let raised = |now: u32| (now < limit).then_some(now.saturating_add(1));
        self.active_connections.fetch_update(Ordering::AcqRel, Ordering::Relaxed, raised).ok()?;
        self.record().totals.cx_total.fetch_add(1, Ordering::Relaxed);
        Some(ActiveConnection { host: Arc::clone(self) })
    }

    /// Requests that wait for a connection, all workers together.
    pub fn pending_requests(&self) -> u32 {
        self.read().pending_requests.load(Ordering::Relaxed)
    }

    /// Counts a request as waiting for a connection until the guard is dropped.
    pub fn begin_pending(&self) -> PendingRequest<'_> {
        let pending = &self.record().pending_requests;
        pending.fetch_add(1, Ordering::Relaxed);
        PendingRequest { pending }
    }

    /// Counts what became of a request in [`Host::totals`]. Says nothing to outlier detection.
    pub fn count_outcome(&self, outcome: Outcome) {
        let totals = &self.record().totals;
        let success = outcome.as_status() < 500;
        let counter = if success { &totals.rq_success } else { &totals.rq_error };
        counter.fetch_add(1, Ordering::Relaxed);
        if outcome == Outcome::Timeout {
            totals.rq_timeout.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts a connection that could not be made in [`Host::totals`].
    pub fn count_connect_failure(&self) {
        self.record().totals.cx_connect_fail.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether outlier detection has put it aside.
    pub fn is_ejected(&self) -> bool {
        self.ejected.load(Ordering::Acquire)
    }

    /// Whether checks or outlier detection object to it.
    pub fn is_ill(&self) -> bool {
        self.is_ejected() || self.health.has(HealthFlag::FailedActiveHc)
    }

    /// Why it is put aside and until when. Takes a lock: for explanations, not for requests.
    pub fn ejection(&self) -> Option<EjectionState> {
        self.used()?.history().current
    }

    /// How often it was put aside in its life. Takes a lock: for explanations, not for requests.
    pub fn ejection_count(&self) -> u32 {
        self.used().map_or(0, |record| record.history().count)
    }

    pub(crate) fn set_ejected(&self, ejected: bool) {
        self.ejected.store(ejected, Ordering::Release);
    }
}

/// A request that waits for a connection to a host.
#[derive(Debug)]
#[must_use = "the request waits no more when this is dropped"]
pub struct PendingRequest<'h> {
    pending: &'h AtomicU32,
}

impl Drop for PendingRequest<'_> {
    fn drop(&mut self) {
        self.pending.fetch_sub(1, Ordering::Relaxed);
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
