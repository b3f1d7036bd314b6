//! A token bucket per key, in bounded memory. The algorithm is the classic one: a bucket fills at a steady rate up to a
//! burst, and each event takes one token out.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Instant;

/// How often one key may do something.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// Events at once after a pause.
    pub burst: f64,
    /// Events per second in the long run.
    pub per_second: f64,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    tokens: f64,
    filled_at: Instant,
}

impl Bucket {
    fn full(rate: Rate, now: Instant) -> Self {
        Self { tokens: rate.burst, filled_at: now }
    }

    fn fill(&mut self, rate: Rate, now: Instant) {
        let seconds = now.saturating_duration_since(self.filled_at).as_secs_f64();
        self.tokens = (self.tokens + seconds * rate.per_second).min(rate.burst);
        self.filled_at = now;
    }
}

/// Buckets for up to `max_keys` keys. When there are more, those that are full again are forgotten; if none is, new
/// keys share one bucket, so that a flood of keys cannot shut out the known ones or grow the map.
#[derive(Debug)]
pub(crate) struct RateLimiter<K> {
    rate: Rate,
    max_keys: usize,
    buckets: HashMap<K, Bucket>,
    shared: Option<Bucket>,
}

impl<K: Eq + Hash> RateLimiter<K> {
    pub(crate) fn new(rate: Rate, max_keys: usize) -> Self {
        Self { rate, max_keys, buckets: HashMap::new(), shared: None }
    }

    /// Takes one token of `key`; false if there is none.
    pub(crate) fn take(&mut self, key: K, now: Instant) -> bool {
        let rate = self.rate;
        let bucket = self.bucket(key, now);
        bucket.fill(rate, now);
        if bucket.tokens < 1.0 {
            return false;
        }
        bucket.tokens -= 1.0;
        true
    }

    /// Whether `key` has a token left, without taking it.
    pub(crate) fn has(&mut self, key: &K, now: Instant) -> bool {
        let rate = self.rate;
        let Some(bucket) = self.buckets.get_mut(key) else { return true };
        bucket.fill(rate, now);
        bucket.tokens >= 1.0
    }

    fn bucket(&mut self, key: K, now: Instant) -> &mut Bucket {
        let rate = self.rate;
        if self.buckets.len() >= self.max_keys && !self.buckets.contains_key(&key) {
            self.buckets.retain(|_, bucket| {
                bucket.fill(rate, now);
                bucket.tokens < rate.burst
            });
            if self.buckets.len() >= self.max_keys {
                return self.shared.get_or_insert_with(|| Bucket::full(rate, now));
            }
        }
        self.buckets.entry(key).or_insert_with(|| Bucket::full(rate, now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const RATE: Rate = Rate { burst: 2.0, per_second: 1.0 };

    #[test]
    fn burst_then_rate() {
        let start = Instant::now();
        let mut limiter = RateLimiter::new(RATE, 10);
        assert_eq!([0; 3].map(|_| limiter.take("a", start)), [true, true, false]);
        assert!(!limiter.has(&"a", start) && limiter.has(&"b", start));
        assert!(limiter.take("a", start + Duration::from_secs(1)));
        assert!(!limiter.take("a", start + Duration::from_secs(1)));
        assert!(limiter.take("b", start));
    }

    #[test]
    fn a_flood_of_keys_shares_one_bucket_and_memory_stays_bounded() {
        let start = Instant::now();
        let mut limiter = RateLimiter::new(RATE, 3);
        let passed = (0..100).filter(|key| limiter.take(*key, start)).count();
        assert_eq!((passed, limiter.buckets.len()), (5, 3));
        assert!(limiter.take(0, start), "a known key keeps its own bucket");
        assert!(limiter.take(200, start + Duration::from_secs(10)), "full buckets make room");
        assert_eq!(limiter.buckets.len(), 1);
    }
}
