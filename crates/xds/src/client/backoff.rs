//! How long to wait before the control plane is tried again: exponential back-off with full jitter (as in
//! "Exponential Backoff And Jitter", AWS Architecture Blog, 2015), so that proxies which lost it together do
//! not come back together.

use std::time::Duration;

const BASE: Duration = Duration::from_millis(500);
const MAX: Duration = Duration::from_secs(30);

/// Counts failures in a row.
#[derive(Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// A stream was good.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }

    /// Another failure: how long to wait.
    pub(super) fn next(&mut self, rng: &mut fastrand::Rng) -> Duration {
        let ceiling = BASE.saturating_mul(1 << self.failures.min(16)).min(MAX);
        self.failures = self.failures.saturating_add(1);
        ceiling.mul_f64(rng.f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_limit_and_start_again() {
        let rng = &mut fastrand::Rng::with_seed(1);
        let mut backoff = Backoff::default();
        for (failure, ceiling) in
            [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000].into_iter().enumerate()
        {
            let waits: Vec<Duration> = (0..200)
                .map(|_| Backoff { failures: u32::try_from(failure).unwrap_or(0) }.next(rng))
                .collect();
            let longest = waits.iter().max().copied().unwrap_or_default();
            assert!(longest <= Duration::from_millis(ceiling), "{longest:?}");
            assert!(longest > Duration::from_millis(ceiling) / 2, "{longest:?}");
        }
        (0..100).for_each(|_| assert!(backoff.next(rng) <= MAX));
        backoff.reset();
        assert!(backoff.next(rng) <= BASE);
    }
}
