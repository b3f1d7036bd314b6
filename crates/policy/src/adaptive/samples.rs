//! Response times of an interval in bounded memory: buckets whose width is a 32nd of their place, so that a quantile is right
//! to about 3 %.

use std::time::Duration;

use ripstop_model::Percent;

/// Bits of a number that are kept besides the place of its highest one.
const PRECISION_BITS: u32 = 5;
/// Numbers below this have a bucket each.
const LINEAR: u64 = 1 << PRECISION_BITS;
/// Buckets for all microseconds that fit into 64 bits.
const BUCKETS: usize = (64 - PRECISION_BITS as usize + 1) * LINEAR as usize;

/// How often which response time occurred.
#[derive(Debug)]
pub(super) struct Samples {
    counts: Box<[u32]>,
    total: u32,
}

impl Default for Samples {
    fn default() -> Samples {
        Samples { counts: vec![0; BUCKETS].into(), total: 0 }
    }
}

impl Samples {
    pub(super) fn add(&mut self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let count = &mut self.counts[place(micros)];
        *count = count.saturating_add(1);
        self.total = self.total.saturating_add(1);
    }

    pub(super) fn count(&self) -> u32 {
        self.total
    }

    pub(super) fn clear(&mut self) {
        self.counts.fill(0);
        self.total = 0;
    }

    /// The time that this share of all is not above; `None` without any. Everything is forgotten.
    pub(super) fn take(&mut self, share: Percent) -> Option<Duration> {
        if self.total == 0 {
            return None;
        }
        let wanted = share.of(self.total.into()).max(1);
        let mut seen = 0;
        let found = self.counts.iter().position(|count| {
            seen += u64::from(*count);
            seen >= wanted
        });
        self.clear();
        found.map(|place| Duration::from_micros(value(place)))
    }
}

fn place(micros: u64) -> usize {
    if micros < LINEAR {
        return micros as usize;
    }
    let shift = 63 - micros.leading_zeros() - PRECISION_BITS;
    // The highest bits, of which the first is always one.
    ((u64::from(shift) + 1) * LINEAR + ((micros >> shift) - LINEAR)) as usize
}

/// The middle of a bucket.
fn value(place: usize) -> u64 {
    let place = place as u64;
    if place < LINEAR {
        return place;
    }
    let shift = place / LINEAR - 1;
    let low = (LINEAR + place % LINEAR) << shift;
    low + (1_u64 << shift) / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_comes_back_to_about_three_percent() {
        for micros in [0, 1, 31, 32, 33, 63, 64, 1000, 12_345, 1_000_000, u64::MAX / 3, u64::MAX] {
            let back = value(place(micros));
            assert!(back.abs_diff(micros) <= micros / 32, "{micros} {back}");
        }
    }

    #[test]
    fn quantiles_are_those_of_what_was_added() {
        let mut samples = Samples::default();
        assert_eq!(samples.take(Percent::whole(50)), None);
        for millis in 1..=100 {
            samples.add(Duration::from_millis(millis));
        }
        let median = samples.take(Percent::whole(50)).unwrap_or_default();
        assert!((48..=52).contains(&median.as_millis()), "{median:?}");
        assert_eq!(samples.count(), 0);
        samples.add(Duration::from_millis(7));
        let only = samples.take(Percent::ZERO).unwrap_or_default();
        assert!((6..=7).contains(&only.as_millis()), "{only:?}");
    }
}
