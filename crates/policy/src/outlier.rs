//! Passive health: a host that answers badly is put aside for a while (Envoy's outlier detection).
//!
//! Failures in a row are noticed at once, rates (`rates`) at the sweep at the end of each interval. What happens to a request
//! on this side (no connection, reset, no answer in time) counts as 503 or 504, unless the configuration splits what is of
//! local origin from what the host answered. Active health checks and the circuit breaker are something else.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ripstop_model::Percent;
use ripstop_model::outlier::{OneEndpoint, OutlierDetection, Streak};

use crate::host::{EjectionState, Host, HostEntry, HostRecord, HostSet, SuccessCount};

mod rates;
mod totals;

pub use rates::SuccessRates;
pub use totals::OutlierTotals;

/// A hundred years, whatever is configured: a clock surely counts that far.
const LONGEST_EJECTION: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// What became of one request to a host, as far as its health is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It answered with this HTTP status.
    Status(u16),
    /// No connection could be made; counts as 503.
    ConnectFailure,
    /// The connection or stream ended before the response was whole; counts as 503.
    Reset,
    /// It did not answer in time; counts as 504.
    Timeout,
}

impl Outcome {
    /// The status that the outcome counts as.
    pub fn as_status(self) -> u16 {
        match self {
            Outcome::Status(status) => status,
            Outcome::ConnectFailure | Outcome::Reset => 503,
            Outcome::Timeout => 504,
        }
    }

    /// Whether it is one that the endpoint is to blame for.
    pub fn is_failure(self) -> bool {
        self.as_status() >= 500
    }
}

/// Which detector put a host aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EjectionReason {
    /// Too many 5xx in a row.
    Consecutive5xx,
    /// Too many 502, 503 or 504 in a row.
    ConsecutiveGatewayFailure,
    /// Too often in a row no answer at all.
    ConsecutiveLocalOriginFailure,
    /// Far fewer successes than the others.
    SuccessRate,
    /// The same, of what happened on this side.
    LocalOriginSuccessRate,
    /// Too large a part of requests failed.
    FailurePercentage,
    /// The same, of what happened on this side.
    LocalOriginFailurePercentage,
}

impl EjectionReason {
    /// Every one, in the order of their numbers.
    pub const ALL: [EjectionReason; 7] = [
        EjectionReason::Consecutive5xx,
        EjectionReason::ConsecutiveGatewayFailure,
        EjectionReason::ConsecutiveLocalOriginFailure,
        EjectionReason::SuccessRate,
        EjectionReason::LocalOriginSuccessRate,
        EjectionReason::FailurePercentage,
        EjectionReason::LocalOriginFailurePercentage,
    ];

    /// Envoy's word, which also stands in its metric names.
    pub const fn as_str(self) -> &'static str {
        match self {
            EjectionReason::Consecutive5xx => "consecutive_5xx",
            EjectionReason::ConsecutiveGatewayFailure => "consecutive_gateway_failure",
            EjectionReason::ConsecutiveLocalOriginFailure => "consecutive_local_origin_failure",
            EjectionReason::SuccessRate => "success_rate",
            EjectionReason::LocalOriginSuccessRate => "local_origin_success_rate",
            EjectionReason::FailurePercentage => "failure_percentage",
            EjectionReason::LocalOriginFailurePercentage => "local_origin_failure_percentage",
        }
    }
}

/// A host was put aside.
#[derive(Clone, Debug)]
pub struct Ejection {
    /// Which.
    pub host: Arc<Host>,
    /// By which detector.
    pub reason: EjectionReason,
    /// From when on a sweep lets it return.
    pub until: Instant,
    /// How long that is from now.
    pub duration: Duration,
    /// How often it was put aside in its life, this time included.
    pub times: u32,
}

/// What a sweep has changed.
#[derive(Clone, Debug, Default)]
pub struct Sweep {
    /// Hosts that take requests again.
    pub returned: Vec<Return>,
    /// Hosts whose rates were out of the ordinary.
    pub ejected: Vec<Ejection>,
}

/// A host takes requests again.
#[derive(Clone, Debug)]
pub struct Return {
    /// Which.
    pub host: Arc<Host>,
    /// What it had been put aside for.
    pub ejection: EjectionState,
}

/// Watches the hosts of one cluster; shared by all workers. Recording an outcome is a few atomic operations; only an
/// ejection takes a lock.
#[derive(Debug)]
pub struct OutlierDetector {
    config: OutlierDetection,
    totals: Arc<OutlierTotals>,
    /// How many hosts are ejected; `None` until it was counted. Held while hosts are ejected and return, so that the
    /// share of ejected hosts is kept exactly.
    ejected: Mutex<Option<usize>>,
    /// Of the last interval: of what hosts answered, and of what happened on this side.
    rates: Mutex<[SuccessRates; 2]>,
}

/// What detectors have had enough, each with how surely it is obeyed; in the order in which they are asked.
type Complaints = [Option<(EjectionReason, Percent)>; 2];

impl OutlierDetector {
    /// A detector that nothing was reported to. Hosts that another one has ejected stay so until a sweep finds their
    /// time over.
    pub fn new(config: OutlierDetection) -> OutlierDetector {
        OutlierDetector::counting(config, Arc::default())
    }

    /// The same, going on to count where another one has counted.
    pub fn counting(config: OutlierDetection, totals: Arc<OutlierTotals>) -> OutlierDetector {
        OutlierDetector { config, totals, ejected: Mutex::new(None), rates: Mutex::default() }
    }

    /// What was counted.
    pub fn totals(&self) -> &Arc<OutlierTotals> {
        &self.totals
    }

    /// What it was made from.
    pub fn config(&self) -> &OutlierDetection {
        &self.config
    }

    /// Takes note of what became of a request to `host`, and puts it aside if that was once too often and the share
    /// of ejected hosts in `set` allows it. Where it does not, counting starts anew.
    pub fn record(
        &self,
        host: &Arc<Host>,
        outcome: Outcome,
        set: &HostSet,
        now: Instant,
        rng: &mut fastrand::Rng,
    ) -> Option<Ejection> {
        let complaints = self.count(host, outcome);
        complaints.into_iter().flatten().find_map(|complaint| self.eject(host, complaint, set, now, rng))
    }

    /// The success rates of the last interval: of what hosts answered, and of what happened on this side.
    pub fn rates(&self) -> [SuccessRates; 2] {
        *self.rates.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets hosts return whose time is over, lets the memory of former ejections fade for hosts that are well, and puts
    /// those aside whose rates are out of the ordinary. To be called every [`OutlierDetection::interval`].
    pub fn sweep(&self, set: &HostSet, now: Instant, rng: &mut fastrand::Rng) -> Sweep {
        let returned = self.let_return(set, now);
        let eject = |outlier: rates::Outlier| {
            self.eject(&outlier.host, (outlier.reason, outlier.enforcing), set, now, rng)
        };
        let (outliers, rates) = rates::outliers(&self.config, set);
        *self.rates.lock().unwrap_or_else(PoisonError::into_inner) = rates;
        let ejected = outliers.into_iter().filter_map(eject).collect();
        Sweep { returned, ejected }
    }

    /// A check has found the host well: lets it return at once, unless the configuration says otherwise.
    pub fn forgive(&self, host: &Arc<Host>, set: &HostSet) -> Option<Return> {
        if !self.config.return_on_healthy_check || !host.is_ejected() {
            return None;
        }
        let mut ejected = self.lock();
        let record = host.used()?;
        let ejection = record.history().current.take()?;
        record.reset_consecutive();
        host.set_ejected(false);
        *ejected = ejected.map(|count| count.saturating_sub(1));
        drop(ejected);
        set.health_changed();
        Some(Return { host: Arc::clone(host), ejection })
    }

    fn let_return(&self, set: &HostSet, now: Instant) -> Vec<Return> {
        let mut ejected = self.lock();
        let mut still_ejected = 0;
        let mut returned = Vec::new();
        for entry in set.entries() {
            let Some(record) = entry.host.used() else { continue };
            let mut history = record.history();
            match history.current {
                None => history.multiplier = history.multiplier.saturating_sub(1),
                Some(ejection) if ejection.until <= now => {
                    history.current = None;
                    record.reset_consecutive();
                    entry.host.set_ejected(false);
                    returned.push(Return { host: Arc::clone(&entry.host), ejection });
                }
                Some(_) => still_ejected += 1,
            }
        }
        *ejected = Some(still_ejected);
        if !returned.is_empty() {
            set.health_changed();
        }
        returned
    }

    /// The detectors that have had enough of the host.
    fn count(&self, host: &Host, outcome: Outcome) -> Complaints {
        if host.is_ejected() {
            return [None, None];
        }
        let record = host.record();
        if !self.config.split_local_origin {
            return self.count_external(record, outcome.as_status());
        }
        let local = &record.consecutive_local_origin_failure;
        match outcome {
            Outcome::Status(status) => {
                self.count_rate(&record.local_origin, true);
                if local.load(Ordering::Relaxed) != 0 {
                    local.store(0, Ordering::Relaxed);
                }
                self.count_external(record, status)
            }
            Outcome::ConnectFailure | Outcome::Reset | Outcome::Timeout => {
                self.count_rate(&record.local_origin, false);
                let enforcing = reached(local, self.config.consecutive_local_origin_failure);
                [enforcing.map(|enforcing| (EjectionReason::ConsecutiveLocalOriginFailure, enforcing)), None]
            }
        }
    }

    fn count_external(&self, record: &HostRecord, status: u16) -> Complaints {
        let failed = (500..600).contains(&status);
        self.count_rate(&record.external, !failed);
        if !failed {
            // A load is cheaper than a store to a line that all workers share, and zero is what nearly all see.
            let (server, gateway) = (&record.consecutive_5xx, &record.consecutive_gateway_failure);
            if server.load(Ordering::Relaxed) != 0 || gateway.load(Ordering::Relaxed) != 0 {
                server.store(0, Ordering::Relaxed);
                gateway.store(0, Ordering::Relaxed);
            }
            return [None, None];
        }
        let gateway = match status {
            502..=504 => {
                reached(&record.consecutive_gateway_failure, self.config.consecutive_gateway_failure)
            }
            _ => {
                record.consecutive_gateway_failure.store(0, Ordering::Relaxed);
                None
            }
        };
        let server = reached(&record.consecutive_5xx, self.config.consecutive_5xx);
        [
            gateway.map(|enforcing| (EjectionReason::ConsecutiveGatewayFailure, enforcing)),
            server.map(|enforcing| (EjectionReason::Consecutive5xx, enforcing)),
        ]
    }

    /// Rates are counted only where somebody looks at them.
    fn count_rate(&self, count: &SuccessCount, success: bool) {
        if self.config.success_rate.is_some() || self.config.failure_percentage.is_some() {
            count.add(success);
        }
    }

    /// Puts an outlier aside, as surely as the configuration says and if there is room for one more.
    fn eject(
        &self,
        host: &Arc<Host>,
        (reason, enforcing): (EjectionReason, Percent),
        set: &HostSet,
        now: Instant,
        rng: &mut fastrand::Rng,
    ) -> Option<Ejection> {
        let mut ejected = self.lock();
        let already = *ejected.get_or_insert_with(|| count_ejected(set.entries()));
        let record = host.record();
        let mut history = record.history();
        if history.current.is_some() {
            return None;
        }
        self.totals.count_detected(reason);
        if already >= self.most_ejected(set.len()) {
            self.totals.count_overflow();
            return None;
        }
        self.totals.count_with_room(reason);
        if !happens(enforcing, rng) {
            return None;
        }
        self.totals.count_enforced(reason);
        // As Envoy: grows until the product has passed the maximum, so that it takes as long to fade as it took to grow.
        let (base, max) = (self.config.base_ejection_time, self.longest());
        if base.saturating_mul(history.multiplier) < max.saturating_add(base) {
            history.multiplier = history.multiplier.saturating_add(1);
        }
        let jitter = self.config.max_ejection_time_jitter.min(LONGEST_EJECTION).mul_f64(rng.f64());
        let duration = base.saturating_mul(history.multiplier).min(max).saturating_add(jitter);
        let until = now + duration;
        history.count = history.count.saturating_add(1);
        history.current = Some(EjectionState { reason, since: now, until });
        let times = history.count;
        drop(history);
        record.reset_consecutive();
        host.set_ejected(true);
        *ejected = Some(already + 1);
        drop(ejected);
        set.health_changed();
        Some(Ejection { host: Arc::clone(host), reason, until, duration, times })
    }

    /// How many of `hosts` may be ejected at once: the configured share, and what [`OneEndpoint`] makes of less than one.
    fn most_ejected(&self, hosts: usize) -> usize {
        let share = self.config.max_ejection_percent;
        // At most `hosts`, which is a `usize`.
        let most = usize::try_from(share.of(hosts as u64)).unwrap_or(hosts);
        match self.config.one_endpoint {
            OneEndpoint::OfSeveral if hosts < 2 || share == Percent::ZERO => 0,
            OneEndpoint::OfSeveral | OneEndpoint::Always => most.max(1),
            OneEndpoint::ByShare => most,
        }
    }

    /// As Envoy, the maximum is never below the base.
    fn longest(&self) -> Duration {
        self.config.max_ejection_time.max(self.config.base_ejection_time).min(LONGEST_EJECTION)
    }

    fn lock(&self) -> MutexGuard<'_, Option<usize>> {
        self.ejected.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lets every host return at once, for a cluster that has no outlier detection any more.
pub fn forgive_all(set: &HostSet) {
    for host in set.entries().iter().map(|entry| &entry.host) {
        let Some(record) = host.used() else { continue };
        if host.is_ejected() {
            record.history().current = None;
            record.reset_consecutive();
            host.set_ejected(false);
        }
        record.success_rates.iter().for_each(|rate| rate.set(None));
    }
    set.health_changed();
}

/// Counts one more in a row. At the limit counting starts anew, and the answer is how surely the detector is obeyed.
fn reached(counter: &AtomicU32, limit: Option<Streak>) -> Option<Percent> {
    let count = counter.fetch_add(1, Ordering::Relaxed).saturating_add(1);
    let limit = limit.filter(|limit| count >= limit.count.get())?;
    counter.store(0, Ordering::Relaxed);
    Some(limit.enforcing)
}

fn happens(share: Percent, rng: &mut fastrand::Rng) -> bool {
    share == Percent::ALL || rng.u32(0..1_000_000) < share.as_per_million()
}

fn count_ejected(entries: &[Arc<HostEntry>]) -> usize {
    entries.iter().filter(|entry| entry.host.is_ejected()).count()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
