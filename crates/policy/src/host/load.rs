//! The weight of a host that follows from what it says of its load.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ripstop_model::Name;
use ripstop_model::load_balancing::ClientWeighted;
use ripstop_model::load_report::LoadReport;

/// The last report of a host. Workers write it one after the other; a report lost between two does not matter.
#[derive(Debug)]
pub(crate) struct HostLoad {
    /// Bits of an `f32`.
    weight: AtomicU32,
    /// Milliseconds since the host is known, plus one; 0: never.
    first: AtomicU64,
    last: AtomicU64,
}

impl HostLoad {
    /// Nothing was reported.
    pub(super) const fn new() -> HostLoad {
        HostLoad { weight: AtomicU32::new(0), first: AtomicU64::new(0), last: AtomicU64::new(0) }
    }

    /// Takes note of a report at `now`; `since`: when the host was first known. A report that says nothing of use changes
    /// nothing.
    pub fn record(
        &self,
        report: &LoadReport,
        policy: &ClientWeighted,
        metrics: &[Name],
        since: Instant,
        now: Instant,
    ) {
        let Some(weight) = weight(report, metrics, policy.error_penalty_milli) else { return };
        let at = stamp(since, now);
        let silent = Duration::from_millis(at.saturating_sub(self.last.load(Ordering::Relaxed)));
        // After a silence in which the weight was forgotten it is tried out again.
        if self.first.load(Ordering::Relaxed) == 0 || silent > policy.expiration {
            self.first.store(at, Ordering::Relaxed);
        }
        self.weight.store(weight.to_bits(), Ordering::Relaxed);
        self.last.store(at, Ordering::Relaxed);
    }

    /// The weight, if it is one to go by at `now`.
    pub fn weight(&self, policy: &ClientWeighted, since: Instant, now: Instant) -> Option<f32> {
        let (first, last) = (self.first.load(Ordering::Relaxed), self.last.load(Ordering::Relaxed));
        let age = |at: u64| Duration::from_millis(stamp(since, now).saturating_sub(at));
        let counts = first != 0 && age(first) >= policy.blackout && age(last) <= policy.expiration;
        counts.then(|| f32::from_bits(self.weight.load(Ordering::Relaxed)))
    }
}

fn stamp(since: Instant, now: Instant) -> u64 {
    u64::try_from(now.saturating_duration_since(since).as_millis()).unwrap_or(u64::MAX - 1) + 1
}

/// Requests in a second, divided by the use; `None` where one of them is not said. (gRFC A58, "Weight calculation".)
fn weight(report: &LoadReport, metrics: &[Name], penalty_milli: u32) -> Option<f32> {
    let rate = Some(report.requests_per_second).filter(|rate| rate.is_finite() && *rate > 0.0)?;
    let named = report.named.iter().filter(|(name, _)| metrics.iter().any(|wanted| **wanted == **name));
    let largest = named.map(|(_, value)| *value).fold(0.0, f64::max);
    let candidates = [largest, report.application_utilization, report.cpu_utilization];
    let utilization = candidates.into_iter().find(|utilization| *utilization > 0.0).unwrap_or_default();
    let errors = report.errors_per_second.max(0.0) / rate * f64::from(penalty_milli) / 1000.0;
    let weight = rate / (utilization + errors);
    // Narrowing rounds; what is beyond its range is no weight.
    Some(weight as f32).filter(|weight| weight.is_finite() && *weight > 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(rps: f64, cpu: f64, eps: f64) -> LoadReport {
        LoadReport {
            cpu_utilization: cpu,
            requests_per_second: rps,
            errors_per_second: eps,
            ..LoadReport::default()
        }
    }

    #[test]
    fn the_weight_is_requests_for_each_use() {
        let check = |report: &LoadReport, metrics: &[&str], expected: Option<f32>| {
            let metrics: Vec<Name> = metrics.iter().map(|name| (*name).into()).collect();
            assert_eq!(weight(report, &metrics, 1000), expected, "{report:?}");
        };
        check(&report(100.0, 0.5, 0.0), &[], Some(200.0));
        check(&report(100.0, 0.5, 50.0), &[], Some(100.0));
        check(&report(0.0, 0.5, 0.0), &[], None);
        check(&report(100.0, 0.0, 0.0), &[], None);
        check(&report(f64::NAN, 0.5, 0.0), &[], None);
        let own = LoadReport { application_utilization: 0.25, ..report(100.0, 0.5, 0.0) };
        check(&own, &[], Some(400.0));
        let named = vec![("named_metrics.a".to_owned(), 0.1), ("named_metrics.b".to_owned(), 1.0)];
        let named = LoadReport { named, ..own };
        check(&named, &["named_metrics.a", "named_metrics.b"], Some(100.0));
        check(&named, &["named_metrics.c"], Some(400.0));
    }

    #[test]
    fn a_weight_counts_after_the_blackout_and_until_it_expires() {
        let (load, policy, since) = (HostLoad::new(), ClientWeighted::default(), Instant::now());
        let at = |seconds| since + Duration::from_secs(seconds);
        let record = |seconds| load.record(&report(100.0, 0.5, 0.0), &policy, &[], since, at(seconds));
        let weight = |seconds| load.weight(&policy, since, at(seconds));
        assert_eq!(weight(100), None);
        record(100);
        assert_eq!(
            (weight(105), weight(110), weight(280), weight(281)),
            (None, Some(200.0), Some(200.0), None)
        );
        record(300);
        assert_eq!((weight(305), weight(310)), (None, Some(200.0)), "tried out again");
    }
}
