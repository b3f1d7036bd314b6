//! Refuses a share of requests that grows with the share that fails: Envoy's `admission_control` filter, whose formula is that
//! of client-side throttling ("Site Reliability Engineering", O'Reilly 2016, chapter 21).
//!
//! An [`AdmissionController`] is shared by all workers, where Envoy has one for each. What was refused counts neither as success
//! nor as failure.

use std::time::Instant;

use ripstop_model::Percent;
use ripstop_model::admission_control::AdmissionControl;

use crate::breaker::window::{Counts, Window};
use crate::runtime::Runtime;

/// Statuses of gRPC that Envoy counts as failures where nothing is said: what servers are to blame for.
const GRPC_FAILURES: [u32; 7] = [
    2,  // UNKNOWN
    4,  // DEADLINE_EXCEEDED
    10, // ABORTED
    13, // INTERNAL
    14, // UNAVAILABLE
    15, // DATA_LOSS
    8,  // RESOURCE_EXHAUSTED
];

/// The controller of one connection manager.
#[derive(Debug)]
pub struct AdmissionController {
    config: AdmissionControl,
    success_threshold: f64,
    rps_threshold: u32,
    max_rejection: f64,
    window: Window,
}

impl AdmissionController {
    /// With an empty window.
    pub fn new(config: AdmissionControl, runtime: &Runtime, now: Instant) -> AdmissionController {
        let share = |percent: Percent| f64::from(percent.as_per_million()) / 1e6;
        AdmissionController {
            success_threshold: share(runtime.percent(&config.success_threshold)).max(0.01),
            rps_threshold: runtime.uint(&config.rps_threshold),
            max_rejection: share(runtime.percent(&config.max_rejection)),
            window: Window::new(config.window, now),
            config,
        }
    }

    /// Whether a request is let in.
    pub fn admits(&self, now: Instant, rng: &mut fastrand::Rng) -> bool {
        let counts = self.window.counts(now);
        let per_second = f64::from(counts.total) / self.config.window.as_secs_f64();
        if per_second < f64::from(self.rps_threshold) {
            return true;
        }
        rng.f64() >= self.rejection(counts)
    }

    /// The share of requests that is refused.
    pub fn rejection(&self, counts: Counts) -> f64 {
        let total = f64::from(counts.total);
        let successes = f64::from(counts.total.saturating_sub(counts.failed));
        let raw = ((total - successes / self.success_threshold) / (total + 1.0)).max(0.0);
        let aggression = f64::from(self.config.aggression_milli.max(1000)) / 1000.0;
        raw.powf(1.0 / aggression).min(self.max_rejection)
    }

    /// A request that was let in was answered with this status; a call of gRPC has also one of its own.
    pub fn record(&self, status: u16, grpc: Option<u32>, now: Instant) {
        let success = match grpc {
            Some(code) if self.config.grpc_success.is_empty() => !GRPC_FAILURES.contains(&code),
            Some(code) => self.config.grpc_success.contains(&code),
            None if self.config.http_success.is_empty() => (100..500).contains(&status),
            None => self.config.http_success.iter().any(|(from, to)| (*from..*to).contains(&status)),
        };
        self.window.add(!success, false, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ripstop_model::runtime::{RuntimeFeature, RuntimePercent, RuntimeUint};
    use std::time::Duration;

    fn controller(aggression_milli: u32, rps: u32) -> AdmissionController {
        let percent = |percent| RuntimePercent { key: "".into(), default: Percent::whole(percent) };
        let config = AdmissionControl {
            enabled: RuntimeFeature { key: "".into(), default: true },
            http_success: Vec::new(),
            grpc_success: Vec::new(),
            window: AdmissionControl::DEFAULT_WINDOW,
            aggression_milli,
            success_threshold: percent(AdmissionControl::DEFAULT_SUCCESS_PERCENT),
            rps_threshold: RuntimeUint { key: "".into(), default: rps },
            max_rejection: percent(AdmissionControl::DEFAULT_MAX_REJECTION_PERCENT),
        };
        AdmissionController::new(config, &Runtime::default(), Instant::now())
    }

    #[test]
    fn refusals_grow_with_failures_up_to_a_maximum() {
        let check = |aggression, total, failed, expected: f64| {
            let found = controller(aggression, 0).rejection(Counts { total, failed, slow: 0 });
            assert!((found - expected).abs() < 0.01, "{aggression} {total} {failed}: {found}");
        };
        check(1000, 0, 0, 0.0);
        check(1000, 1000, 0, 0.0);
        check(1000, 1000, 50, 0.0);
        check(1000, 1000, 525, 0.5);
        check(1000, 1000, 1000, 0.8);
        check(2000, 1000, 525, 0.5_f64.sqrt());
        check(1000, 1, 1, 0.5);
    }

    #[test]
    fn few_requests_are_never_refused_and_statuses_count_as_what_they_are() {
        let (now, mut rng) = (Instant::now(), fastrand::Rng::with_seed(1));
        let rare = controller(1000, 5);
        (0..100).for_each(|_| rare.record(503, None, now));
        assert!((0..1000).all(|_| rare.admits(now, &mut rng)), "100 in 30 s are fewer than 5 a second");
        let often = controller(1000, 0);
        (0..100).for_each(|_| often.record(503, None, now));
        let refused = (0..10_000).filter(|_| !often.admits(now, &mut rng)).count();
        assert!((7_800..8_200).contains(&refused), "{refused}");
        assert!(often.admits(now + Duration::from_secs(31), &mut rng), "it is forgotten");
        for (status, grpc, failed) in [(404, None, 0), (500, None, 1), (200, Some(14), 1), (200, Some(5), 0)]
        {
            let controller = controller(1000, 0);
            controller.record(status, grpc, now);
            assert_eq!(controller.window.counts(now).failed, failed, "{status} {grpc:?}");
        }
    }
}
