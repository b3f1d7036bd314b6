//! What is known only of a host that requests were sent to. A proxy knows very many endpoints and uses few of them, so this is
//! made when a host is first used; until then [`UNUSED`] stands for it. Not what checks find and what is under way: every host
//! has that.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::EjectionState;
use super::load::HostLoad;
use crate::balance::response_time::PeakAverage;

/// What is known of a host that was used.
#[derive(Debug)]
pub(crate) struct HostRecord {
    pub(crate) totals: HostTotals,
    pub(crate) load: HostLoad,
    /// Requests that wait for a connection.
    pub(super) pending_requests: AtomicU32,
    /// Microseconds, plus one; 0: it never answered.
    pub(super) latency_us: AtomicU32,
    pub(crate) consecutive_5xx: AtomicU32,
    pub(crate) consecutive_gateway_failure: AtomicU32,
    pub(crate) consecutive_local_origin_failure: AtomicU32,
    /// Of the running interval.
    pub(crate) external: SuccessCount,
    /// Of the running interval, what happened on this side.
    pub(crate) local_origin: SuccessCount,
    ejections: Mutex<EjectionHistory>,
    /// Kept where the balancer goes by it.
    pub(super) response_time: Mutex<Option<PeakAverage>>,
    /// Of the last interval of outlier detection: of what it answered, and of what happened on this side.
    pub(crate) success_rates: [RateCell; 2],
}

/// The record of every host that was never used. It is only read.
pub(super) static UNUSED: HostRecord = HostRecord::new();

impl HostRecord {
    pub(super) const fn new() -> HostRecord {
        HostRecord {
            totals: HostTotals::new(),
            load: HostLoad::new(),
            pending_requests: AtomicU32::new(0),
            latency_us: AtomicU32::new(0),
            consecutive_5xx: AtomicU32::new(0),
            consecutive_gateway_failure: AtomicU32::new(0),
            consecutive_local_origin_failure: AtomicU32::new(0),
            external: SuccessCount::new(),
            local_origin: SuccessCount::new(),
            ejections: Mutex::new(EjectionHistory { current: None, count: 0, multiplier: 0 }),
            response_time: Mutex::new(None),
            success_rates: [RateCell::new(), RateCell::new()],
        }
    }

    /// The history, to be changed by the detector alone. The data are valid whenever the lock is free, so a panic of
    /// another holder does no harm.
    pub(crate) fn history(&self) -> MutexGuard<'_, EjectionHistory> {
        self.ejections.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn reset_consecutive(&self) {
        self.consecutive_5xx.store(0, Ordering::Relaxed);
        self.consecutive_gateway_failure.store(0, Ordering::Relaxed);
        self.consecutive_local_origin_failure.store(0, Ordering::Relaxed);
    }
}

/// Counts that only grow.
#[derive(Debug)]
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

impl HostTotals {
    const fn new() -> HostTotals {
        HostTotals {
            rq_total: AtomicU64::new(0),
            rq_success: AtomicU64::new(0),
            rq_error: AtomicU64::new(0),
            rq_timeout: AtomicU64::new(0),
            cx_total: AtomicU64::new(0),
            cx_connect_fail: AtomicU64::new(0),
        }
    }
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

/// How many requests there were and how many of them went well.
#[derive(Debug)]
pub(crate) struct SuccessCount {
    total: AtomicU32,
    success: AtomicU32,
}

impl SuccessCount {
    const fn new() -> SuccessCount {
        SuccessCount { total: AtomicU32::new(0), success: AtomicU32::new(0) }
    }

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

impl RateCell {
    const fn new() -> RateCell {
        RateCell(AtomicU64::new(f64::NAN.to_bits()))
    }

    /// 0 to 100; `None`: too few requests, or nobody looks.
    pub fn get(&self) -> Option<f64> {
        let percent = f64::from_bits(self.0.load(Ordering::Relaxed));
        (!percent.is_nan()).then_some(percent)
    }

    pub(crate) fn set(&self, percent: Option<f64>) {
        self.0.store(percent.unwrap_or(f64::NAN).to_bits(), Ordering::Relaxed);
    }
}
