//! A histogram of durations over Envoy's default buckets. One writer, any reader.

use std::time::Duration;

use super::cell::Cell;

/// Upper bounds in milliseconds, as Envoy has them for Prometheus.
pub const BOUNDS_MS: [f64; 19] = [
    0.5, 1.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0, 2500.0, 5000.0, 10000.0, 30000.0, 60000.0,
    300000.0, 600000.0, 1800000.0, 3600000.0,
];

/// [`BOUNDS_MS`] in microseconds.
const BOUNDS_US: [u64; BOUNDS_MS.len()] = [
    500,
    1_000,
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    30_000_000,
    60_000_000,
    300_000_000,
    600_000_000,
    1_800_000_000,
    3_600_000_000,
];

/// Durations by bucket, with their sum.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [Cell; BOUNDS_MS.len() + 1],
    sum_us: Cell,
}

impl Histogram {
    /// One more duration.
    pub fn record(&self, duration: Duration) {
        let us = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS_US.iter().position(|bound| us <= *bound).unwrap_or(BOUNDS_US.len());
        self.buckets[bucket].inc();
        self.sum_us.add(us);
    }

    /// Adds what this one holds to `into`.
    pub fn merge_into(&self, into: &mut Merged) {
        for (sum, cell) in into.buckets.iter_mut().zip(&self.buckets) {
            *sum += cell.get();
        }
        into.sum_us += self.sum_us.get();
    }
}

/// The histograms of all workers together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Merged {
    /// Count per bucket of [`BOUNDS_MS`], then everything above.
    pub buckets: [u64; BOUNDS_MS.len() + 1],
    /// Sum of all durations in microseconds.
    pub sum_us: u64,
}

impl Merged {
    /// How many durations were recorded.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_tables_of_bounds_agree() {
        for (ms, us) in BOUNDS_MS.iter().zip(BOUNDS_US) {
            assert_eq!((ms * 1000.0) as u64, us);
        }
    }

    #[test]
    fn durations_fall_into_their_bucket() {
        let histogram = Histogram::default();
        histogram.record(Duration::from_micros(500));
        histogram.record(Duration::from_micros(501));
        histogram.record(Duration::from_secs(7200));
        let mut merged = Merged::default();
        histogram.merge_into(&mut merged);
        assert_eq!((merged.buckets[0], merged.buckets[1], merged.buckets[19]), (1, 1, 1));
        assert_eq!((merged.count(), merged.sum_us), (3, 7_200_001_001));
    }
}
