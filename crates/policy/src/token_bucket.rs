//! A token bucket that several workers share without a lock; exact at every moment.
//!
//! The tokens come evenly, not in steps. What is kept is the moment at which the bucket was (or would have been) empty: the
//! tokens in it are the time since then divided by the time that a token takes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use ripstop_model::network_filter::TokenBucket as Config;

/// A bucket with its tokens.
#[derive(Debug)]
pub struct TokenBucket {
    /// What the moments are counted from: one whole filling before it was made.
    start: Instant,
    /// Nanoseconds.
    per_token: u64,
    /// Nanoseconds that fill it.
    full: u64,
    /// Nanoseconds since `start` when it was empty, less one filling.
    empty_at: AtomicU64,
}

impl TokenBucket {
    /// A bucket that is full.
    pub fn new(config: &Config, now: Instant) -> TokenBucket {
        let interval = u64::try_from(config.fill_interval.as_nanos()).unwrap_or(u64::MAX);
        let per_token = (interval / u64::from(config.tokens_per_fill.get())).max(1);
        let full = per_token.saturating_mul(config.max_tokens.get().into()).min(u64::MAX / 2);
        TokenBucket { start: now, per_token, full, empty_at: AtomicU64::new(0) }
    }

    /// Takes a token if there is one.
    pub fn take(&self, now: Instant) -> bool {
        let since =
            u64::try_from(now.saturating_duration_since(self.start).as_nanos()).unwrap_or(u64::MAX / 2);
        // Moments are shifted by one filling, so that a full bucket needs none before zero.
        let now = since.saturating_add(self.full);
        let taken = self.empty_at.fetch_update(Ordering::AcqRel, Ordering::Relaxed, |empty_at| {
            let empty_at = empty_at.max(now - self.full);
            let after = empty_at.saturating_add(self.per_token);
            (after <= now).then_some(after)
        });
        taken.is_ok()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::num::NonZeroU32;
    use std::time::Duration;

    fn bucket(max: u32, per_fill: u32, now: Instant) -> TokenBucket {
        let config = Config {
            max_tokens: NonZeroU32::new(max).unwrap(),
            tokens_per_fill: NonZeroU32::new(per_fill).unwrap(),
            fill_interval: Duration::from_secs(1),
        };
        TokenBucket::new(&config, now)
    }

    fn taken(bucket: &TokenBucket, now: Instant) -> usize {
        (0..1000).filter(|_| bucket.take(now)).count()
    }

    #[test]
    fn it_begins_full_and_fills_evenly_up_to_its_size() {
        let start = Instant::now();
        let bucket = bucket(5, 10, start);
        assert_eq!(taken(&bucket, start), 5);
        assert_eq!(taken(&bucket, start + Duration::from_millis(99)), 0);
        assert_eq!(taken(&bucket, start + Duration::from_millis(300)), 3);
        assert_eq!(taken(&bucket, start + Duration::from_secs(3600)), 5);
    }

    #[test]
    fn threads_never_take_more_than_there_is() {
        let start = Instant::now();
        let bucket = bucket(100, 1, start);
        let all: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| taken(&bucket, start))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(all, 100);
    }
}
