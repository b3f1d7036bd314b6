//! How long a request and each of its tries may take. Arithmetic alone; whoever waits sets the timers.

use std::time::{Duration, Instant};

use ripstop_model::route::Forward;

/// The limit that a route sets: unset is Envoy's 15 s, zero is no limit (`None`).
pub fn route_timeout(configured: Option<Duration>) -> Option<Duration> {
    match configured {
        None => Some(Forward::DEFAULT_TIMEOUT),
        Some(Duration::ZERO) => None,
        some => some,
    }
}

/// When a request that began at `start` has to be answered; `None`: there is no limit, or it lies beyond what the
/// clock can count.
pub fn deadline(start: Instant, limit: Option<Duration>) -> Option<Instant> {
    start.checked_add(limit?)
}

/// How long the next try may take at `now`: the limit of one try, but never beyond the deadline of the request.
/// Zero when the deadline has passed; `None` when there is no limit at all. A per-try limit of zero is none.
pub fn try_timeout(per_try: Option<Duration>, deadline: Option<Instant>, now: Instant) -> Option<Duration> {
    let per_try = per_try.filter(|limit| !limit.is_zero());
    let left = deadline.map(|deadline| deadline.saturating_duration_since(now));
    match (per_try, left) {
        (Some(limit), Some(left)) => Some(limit.min(left)),
        (limit, left) => limit.or(left),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn unset_is_fifteen_seconds_and_zero_is_none() {
        assert_eq!(route_timeout(None), Some(15 * SECOND));
        assert_eq!(route_timeout(Some(Duration::ZERO)), None);
        assert_eq!(route_timeout(Some(SECOND)), Some(SECOND));
        let start = Instant::now();
        assert_eq!(deadline(start, Some(SECOND)), Some(start + SECOND));
        assert_eq!(deadline(start, None), None);
        assert_eq!(deadline(start, Some(Duration::MAX)), None);
    }

    #[test]
    fn a_try_never_outlives_its_request() {
        let now = Instant::now();
        let in_three = Some(now + 3 * SECOND);
        assert_eq!(try_timeout(None, None, now), None);
        assert_eq!(try_timeout(Some(Duration::ZERO), None, now), None);
        assert_eq!(try_timeout(Some(SECOND), in_three, now), Some(SECOND));
        assert_eq!(try_timeout(Some(5 * SECOND), in_three, now), Some(3 * SECOND));
        assert_eq!(try_timeout(Some(SECOND), None, now), Some(SECOND));
        assert_eq!(try_timeout(None, in_three, now), Some(3 * SECOND));
        assert_eq!(try_timeout(Some(SECOND), in_three, now + 9 * SECOND), Some(Duration::ZERO));
    }
}
