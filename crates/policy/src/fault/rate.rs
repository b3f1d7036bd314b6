//! How much of an answer that is slowed down may be given at a moment. As in Envoy it begins with what fits into one interval,
//! and what is not used up is kept for a second at most.

use std::time::{Duration, Instant};

/// How long an answer waits when nothing of it may be given.
pub const INTERVAL: Duration = Duration::from_millis(50);

const NANOS_PER_SECOND: u128 = 1_000_000_000;
const BYTES_PER_KIB: u128 = 1024;

/// What one answer may still give.
#[derive(Debug)]
pub struct AnswerRate {
    /// Bytes a second.
    rate: u128,
    /// Bytes that may be given, in billionths.
    saved: u128,
    at: Instant,
}

impl AnswerRate {
    /// So many KiB a second, from now on.
    pub fn new(kib: u64, now: Instant) -> AnswerRate {
        let rate = u128::from(kib) * BYTES_PER_KIB;
        AnswerRate { rate, saved: rate * INTERVAL.as_nanos(), at: now }
    }

    /// Takes as many bytes as may be given, at most `wanted`.
    pub fn take(&mut self, wanted: usize, now: Instant) -> usize {
        let earned = self.rate.saturating_mul(now.saturating_duration_since(self.at).as_nanos());
        self.at = now;
        self.saved = self.saved.saturating_add(earned).min(self.rate * NANOS_PER_SECOND);
        let given = (self.saved / NANOS_PER_SECOND).min(wanted as u128);
        self.saved -= given * NANOS_PER_SECOND;
        // At most `wanted`.
        given as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_at_the_rate() {
        let begun = Instant::now();
        let mut rate = AnswerRate::new(1, begun);
        assert_eq!(rate.take(4096, begun), 51, "what fits into an interval");
        assert_eq!(rate.take(4096, begun), 0);
        let given: usize = (1..=20).map(|tick| rate.take(4096, begun + INTERVAL * tick)).sum();
        assert!((1020..=1025).contains(&given), "{given} in a second");
        assert_eq!(rate.take(9, begun + Duration::from_secs(9)), 9, "no more than is wanted");
        assert_eq!(rate.take(4096, begun + Duration::from_secs(90)), 1024, "a second's worth is kept");
        let mut fast = AnswerRate::new(u64::MAX, begun);
        assert_eq!(fast.take(usize::MAX, begun + Duration::from_secs(3600)), usize::MAX);
    }
}
