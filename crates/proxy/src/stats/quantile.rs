//! Quantiles out of buckets: where within a bucket a value lies is not known, so it is taken to lie evenly.

use super::histogram::{BOUNDS_MS, Merged};

/// The quantiles that Envoy shows, in percent.
pub const QUANTILES: [f64; 10] = [0.0, 25.0, 50.0, 75.0, 90.0, 95.0, 99.0, 99.5, 99.9, 100.0];

/// In milliseconds; `None` without values. Beyond the last bound it is the last bound.
pub fn quantile_ms(merged: &Merged, percent: f64) -> Option<f64> {
    let count = merged.count();
    if count == 0 {
        return None;
    }
    let wanted = percent / 100.0 * count as f64;
    let mut below = 0.0;
    let mut low = 0.0;
    for (bucket, high) in merged.buckets.iter().zip(BOUNDS_MS) {
        let inside = *bucket as f64;
        if inside > 0.0 && below + inside >= wanted {
            return Some(low + (high - low) * ((wanted - below) / inside).clamp(0.0, 1.0));
        }
        below += inside;
        low = high;
    }
    Some(low)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_lie_within_their_buckets() {
        let mut merged = Merged::default();
        assert_eq!(quantile_ms(&merged, 50.0), None);
        merged.buckets[2] = 2;
        merged.buckets[4] = 2;
        assert_eq!(quantile_ms(&merged, 0.0), Some(1.0));
        assert_eq!(quantile_ms(&merged, 25.0), Some(3.0));
        assert_eq!(quantile_ms(&merged, 75.0), Some(17.5));
        assert_eq!(quantile_ms(&merged, 100.0), Some(25.0));
        merged.buckets[BOUNDS_MS.len()] = 1;
        assert_eq!(quantile_ms(&merged, 100.0), Some(3_600_000.0));
    }
}
