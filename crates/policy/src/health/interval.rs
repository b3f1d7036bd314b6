//! How long to wait for the next check of a host.

use std::time::Duration;

use ripstop_model::health_check::Intervals;

use super::session::{Transition, Verdict};

/// No wait is shorter, so that checks never run in a circle.
pub const MIN_INTERVAL: Duration = Duration::from_millis(1);

/// The wait after a check. `had_traffic`: whether the cluster ever had a connection for requests.
pub fn after(
    verdict: &Verdict,
    intervals: &Intervals,
    had_traffic: bool,
    rng: &mut fastrand::Rng,
) -> Duration {
    let pending = verdict.transition == Transition::Pending;
    let base = match (had_traffic, verdict.success, pending) {
        (false, true, false) => intervals.no_traffic_healthy,
        (false, _, _) => intervals.no_traffic,
        (true, true, false) => intervals.interval,
        (true, true, true) => intervals.healthy_edge,
        (true, false, false) => intervals.unhealthy,
        (true, false, true) => intervals.unhealthy_edge,
    };
    let percent = f64::from(intervals.interval_jitter_percent) / 100.0;
    let share = drawn(base, rng.f64() * percent);
    let jitter = drawn(intervals.interval_jitter, rng.f64());
    base.saturating_add(share).saturating_add(jitter).max(MIN_INTERVAL)
}

/// The wait before the first check of a host.
pub fn initial(intervals: &Intervals, rng: &mut fastrand::Rng) -> Duration {
    drawn(intervals.initial_jitter, rng.f64())
}

/// A part of a duration, without the panic that multiplying could end in.
fn drawn(of: Duration, part: f64) -> Duration {
    Duration::try_from_secs_f64(of.as_secs_f64() * part).unwrap_or(of)
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVALS: Intervals = Intervals {
        interval: Duration::from_secs(1),
        initial_jitter: Duration::from_secs(10),
        interval_jitter: Duration::ZERO,
        interval_jitter_percent: 0,
        no_traffic: Duration::from_secs(2),
        no_traffic_healthy: Duration::from_secs(3),
        unhealthy: Duration::from_secs(4),
        unhealthy_edge: Duration::from_secs(5),
        healthy_edge: Duration::from_secs(6),
    };

    #[test]
    fn each_state_has_its_wait() {
        let mut rng = fastrand::Rng::with_seed(1);
        let mut check = |success, transition, had_traffic, seconds| {
            let verdict = Verdict { transition, success, events: Vec::new() };
            let wait = after(&verdict, &INTERVALS, had_traffic, &mut rng);
            assert_eq!(wait.as_secs(), seconds, "{verdict:?} {had_traffic}");
        };
        use Transition::{Changed, Pending, Unchanged};
        check(true, Unchanged, true, 1);
        check(true, Changed, true, 1);
        check(true, Pending, true, 6);
        check(false, Unchanged, true, 4);
        check(false, Changed, true, 4);
        check(false, Pending, true, 5);
        check(true, Unchanged, false, 3);
        check(true, Pending, false, 2);
        check(false, Unchanged, false, 2);
    }

    #[test]
    fn jitter_stays_within_what_is_written() {
        let intervals = Intervals {
            interval_jitter: Duration::from_millis(500),
            interval_jitter_percent: 50,
            ..INTERVALS.clone()
        };
        let verdict = Verdict { transition: Transition::Unchanged, success: true, events: Vec::new() };
        let mut rng = fastrand::Rng::with_seed(2);
        let waits: Vec<u128> =
            (0..1000).map(|_| after(&verdict, &intervals, true, &mut rng).as_millis()).collect();
        assert!(waits.iter().all(|wait| (1000..2000).contains(wait)));
        assert!(waits.iter().any(|wait| *wait < 1100) && waits.iter().any(|wait| *wait > 1900));
        let first = initial(&intervals, &mut rng);
        assert!(first < intervals.initial_jitter);
    }

    #[test]
    fn waits_without_end_do_no_harm() {
        let intervals = Intervals { interval_jitter_percent: u32::MAX, ..Intervals::every(Duration::MAX) };
        let verdict = Verdict { transition: Transition::Unchanged, success: true, events: Vec::new() };
        assert_eq!(after(&verdict, &intervals, true, &mut fastrand::Rng::with_seed(3)), Duration::MAX);
        let none = Verdict { success: false, ..verdict };
        let nothing = Intervals::every(Duration::ZERO);
        assert_eq!(after(&none, &nothing, true, &mut fastrand::Rng::with_seed(4)), MIN_INTERVAL);
    }
}
