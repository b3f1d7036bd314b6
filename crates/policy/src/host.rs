//! The endpoints of a cluster as live things: how each fares ([`Host`]), and the generation that holds them
//! ([`HostSet`]).
//!
//! A [`Host`] outlives changes of configuration; what configuration says about it (weight, health, priority) is in the
//! [`HostEntry`] of each generation. Which host takes a request is decided in [`crate::balance`], which is put aside in
//! [`crate::outlier`], which does not answer checks in [`crate::health`].

pub mod load;
mod set;

use load::HostLoad;
pub use set::{HostEntry, HostSet};

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ripstop_model::Address;

use crate::balance::response_time::PeakAverage;
use crate::health::flags::{HealthFlag, HealthFlags};
use crate::outlier::{EjectionReason, Outcome};

/// One endpoint and how it fares, shared by all workers and all generations that hold its address.
#[derive(Debug)]
pub struct Host {
    address: Address,
    /// Monotonic counts for `/clusters` and metrics.
    pub totals: HostTotals,
    /// What active checks have found.
    pub health: HealthFlags,
    /// What it says of its load.
    pub load: HostLoad,
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
    /// Microseconds, plus one; 0: it never answered.
    latency_us: AtomicU32,
    /// Requests that wait for a connection.
    pending_requests: AtomicU32,
    /// Of the last interval of outlier detection: of what it answered, and of what happened on this side.
    pub success_rates: [RateCell; 2],
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
            health: HealthFlags::default(),
            load: HostLoad::default(),
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
            latency_us: AtomicU32::new(0),
            pending_requests: AtomicU32::new(0),
            success_rates: Default::default(),
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

    /// How long its last answers took, the latest an eighth of it; `None`: it never answered. For those who look at it, not for
    /// balancing.
    pub fn latency(&self) -> Option<Duration> {
        let us = self.latency_us.load(Ordering::Relaxed).checked_sub(1)?;
        Some(Duration::from_micros(us.into()))
    }

    /// Takes note of how long an answer took. Of two workers that do so at once, one may be lost.
    pub fn record_latency(&self, took: Duration) {
        let took = u32::try_from(took.as_micros()).unwrap_or(u32::MAX - 1).min(u32::MAX - 1);
        let average = match self.latency_us.load(Ordering::Relaxed).checked_sub(1) {
            // Rounded towards the latest, so that it gets there.
            Some(before) if took < before => before - (before - took).div_ceil(8),
            Some(before) => before + (took - before).div_ceil(8),
            None => took,
        };
        self.latency_us.store(average + 1, Ordering::Relaxed);
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

    /// Requests that wait for a connection, all workers together.
    pub fn pending_requests(&self) -> u32 {
        self.pending_requests.load(Ordering::Relaxed)
    }

    /// Counts a request as waiting for a connection until the guard is dropped.
    pub fn begin_pending(&self) -> PendingRequest<'_> {
        self.pending_requests.fetch_add(1, Ordering::Relaxed);
        PendingRequest { host: self }
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

    /// Whether checks or outlier detection object to it.
    pub fn is_ill(&self) -> bool {
        self.is_ejected() || self.health.has(HealthFlag::FailedActiveHc)
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

/// The share of requests that went well in an interval, in percent, where there were enough of them.
#[derive(Debug)]
pub struct RateCell(AtomicU64);

impl Default for RateCell {
    fn default() -> RateCell {
        RateCell(AtomicU64::new(f64::NAN.to_bits()))
    }
}

impl RateCell {
    /// 0 to 100; `None`: too few requests, or nobody looks.
    pub fn get(&self) -> Option<f64> {
        let percent = f64::from_bits(self.0.load(Ordering::Relaxed));
        (!percent.is_nan()).then_some(percent)
    }

    pub(crate) fn set(&self, percent: Option<f64>) {
        self.0.store(percent.unwrap_or(f64::NAN).to_bits(), Ordering::Relaxed);
    }
}

/// A request that waits for a connection to a host.
#[derive(Debug)]
#[must_use = "the request waits no more when this is dropped"]
pub struct PendingRequest<'h> {
    host: &'h Host,
}

impl Drop for PendingRequest<'_> {
    fn drop(&mut self) {
        self.host.pending_requests.fetch_sub(1, Ordering::Relaxed);
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
