//! Requests, failures and slow answers of the last while, by atomics that all workers share.
//!
//! The window is a ring of ten buckets; the oldest tenth falls out at once, so that it is between nine and ten tenths long. A
//! bucket is emptied by the first to come to it in its new turn. Who counts in that very moment may be lost: a count may be
//! off by as many requests as there are workers, once in a tenth of the window.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Parts that the window is divided into.
const BUCKETS: usize = 10;

/// The turn of a bucket that holds nothing.
const NEVER: u64 = u64::MAX;

/// What is in a window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Requests that are over.
    pub total: u32,
    /// Of these, failures.
    pub failed: u32,
    /// Of all, those whose answer was slow.
    pub slow: u32,
}

/// A rolling window.
#[derive(Debug)]
pub struct Window {
    begun: Instant,
    bucket_nanos: u64,
    buckets: [Bucket; BUCKETS],
}

#[derive(Debug)]
struct Bucket {
    /// Which tenth since the beginning it holds.
    turn: AtomicU64,
    total: AtomicU32,
    failed: AtomicU32,
    slow: AtomicU32,
}

impl Window {
    /// An empty one that looks back as far as `length`.
    pub fn new(length: Duration, now: Instant) -> Window {
        let nanos = length.as_nanos() / BUCKETS as u128;
        let bucket = || Bucket {
            turn: AtomicU64::new(NEVER),
            total: AtomicU32::new(0),
            failed: AtomicU32::new(0),
            slow: AtomicU32::new(0),
        };
        Window {
            begun: now,
            bucket_nanos: u64::try_from(nanos).unwrap_or(u64::MAX).max(1),
            buckets: std::array::from_fn(|_| bucket()),
        }
    }

    /// Counts a request that is over.
    pub fn add(&self, failed: bool, slow: bool, now: Instant) {
        let turn = self.turn(now);
        let bucket = &self.buckets[place(turn)];
        let seen = bucket.turn.load(Ordering::Acquire);
        if seen != turn
            && bucket.turn.compare_exchange(seen, turn, Ordering::AcqRel, Ordering::Relaxed).is_ok()
        {
            bucket.total.store(0, Ordering::Relaxed);
            bucket.failed.store(0, Ordering::Relaxed);
            bucket.slow.store(0, Ordering::Relaxed);
        }
        bucket.total.fetch_add(1, Ordering::Relaxed);
        if failed {
            bucket.failed.fetch_add(1, Ordering::Relaxed);
        }
        if slow {
            bucket.slow.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What is in it.
    pub fn counts(&self, now: Instant) -> Counts {
        let turn = self.turn(now);
        let recent = |bucket: &&Bucket| {
            let of = bucket.turn.load(Ordering::Acquire);
            of <= turn && turn - of < BUCKETS as u64
        };
        self.buckets.iter().filter(recent).fold(Counts::default(), |sum, bucket| Counts {
            total: sum.total.saturating_add(bucket.total.load(Ordering::Relaxed)),
            failed: sum.failed.saturating_add(bucket.failed.load(Ordering::Relaxed)),
            slow: sum.slow.saturating_add(bucket.slow.load(Ordering::Relaxed)),
        })
    }

    /// Forgets everything.
    pub fn clear(&self) {
        for bucket in &self.buckets {
            bucket.turn.store(NEVER, Ordering::Release);
        }
    }

    fn turn(&self, now: Instant) -> u64 {
        let nanos = now.saturating_duration_since(self.begun).as_nanos();
        u64::try_from(nanos).unwrap_or(u64::MAX - 1) / self.bucket_nanos
    }
}

fn place(turn: u64) -> usize {
    // Below ten, so nothing is cut off.
    (turn % BUCKETS as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_older_than_the_window_falls_out() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let window = Window::new(Duration::from_secs(1), start);
        window.add(true, false, at(0));
        window.add(false, true, at(450));
        window.add(true, true, at(990));
        assert_eq!(window.counts(at(990)), Counts { total: 3, failed: 2, slow: 2 });
        assert_eq!(window.counts(at(1000)), Counts { total: 2, failed: 1, slow: 2 });
        assert_eq!(window.counts(at(1450)), Counts { total: 1, failed: 1, slow: 1 });
        // The place of the first is used again.
        window.add(false, false, at(2000));
        assert_eq!(window.counts(at(2000)), Counts { total: 1, failed: 0, slow: 0 });
        assert_eq!(window.counts(at(1_000_000)), Counts::default());
        window.add(true, true, at(1_000_000));
        window.clear();
        assert_eq!(window.counts(at(1_000_000)), Counts::default());
        let shortest = Window::new(Duration::from_nanos(1), start);
        shortest.add(true, false, at(5));
        assert_eq!(shortest.counts(at(5)).failed, 1);
    }

    #[test]
    fn threads_lose_next_to_nothing() {
        let start = Instant::now();
        let window = Window::new(Duration::from_secs(10), start);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..10_000).for_each(|_| window.add(true, false, start)));
            }
        });
        let counts = window.counts(start);
        assert!(counts.total >= 40_000 - 4 && counts.total <= 40_000, "{counts:?}");
    }
}
