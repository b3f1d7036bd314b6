//! Shortest wait: the average of recent response times, sensitive to peaks, times the requests under way (Finagle's "peak EWMA").
//!
//! Two hosts are drawn by dice and the one with the lower cost is taken. A slow answer raises the average at once, quick ones
//! bring it down with time. A host that was never heard of costs what its requests under way are, so that it is tried.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::host::HostEntry;

/// What a host costs that has requests under way and was never heard of, in seconds: more than any answer takes, so that one
/// request finds out before many follow.
const UNKNOWN_SECONDS: f64 = 3600.0;

/// An average that remembers peaks.
#[derive(Clone, Copy, Debug)]
pub struct PeakAverage {
    seconds: f64,
    at: Instant,
}

impl PeakAverage {
    /// After the first answer.
    pub fn new(took: Duration, now: Instant) -> PeakAverage {
        PeakAverage { seconds: took.as_secs_f64(), at: now }
    }

    /// After one more answer.
    pub fn add(&mut self, took: Duration, now: Instant, decay: Duration) {
        let sample = took.as_secs_f64();
        self.seconds = match sample > self.seconds {
            true => sample,
            false => {
                let kept = fading(now.saturating_duration_since(self.at), decay);
                self.seconds * kept + sample * (1.0 - kept)
            }
        };
        self.at = now;
    }

    /// In seconds. A host that nobody asks is forgiven with time.
    pub fn at(&self, now: Instant, decay: Duration) -> f64 {
        self.seconds * fading(now.saturating_duration_since(self.at), decay)
    }
}

/// What is left of a memory after some time: 1 at once, 1/e after `decay`.
fn fading(elapsed: Duration, decay: Duration) -> f64 {
    (-elapsed.as_secs_f64() / decay.as_secs_f64().max(1e-9)).exp()
}

/// A position in `entries`, which are not empty.
pub fn pick(entries: &[Arc<HostEntry>], decay: Duration, now: Instant, rng: &mut fastrand::Rng) -> usize {
    let first = rng.usize(0..entries.len());
    if entries.len() == 1 {
        return first;
    }
    // Another one, each with the same chance.
    let second = (first + rng.usize(1..entries.len())) % entries.len();
    let cost = |position: usize| cost(&entries[position], decay, now);
    if cost(second) < cost(first) { second } else { first }
}

fn cost(entry: &HostEntry, decay: Duration, now: Instant) -> f64 {
    let active = f64::from(entry.host.active_requests());
    let wait = match entry.host.response_time() {
        Some(average) => average.at(now, decay) * (active + 1.0),
        None if active > 0.0 => UNKNOWN_SECONDS * active,
        None => 0.0,
    };
    wait / f64::from(entry.endpoint.weight.get())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DECAY: Duration = Duration::from_secs(10);

    #[test]
    fn a_peak_counts_at_once_and_fades() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let mut average = PeakAverage::new(Duration::from_millis(10), start);
        average.add(Duration::from_secs(1), after(1), DECAY);
        assert_eq!(average.at(after(1), DECAY), 1.0);
        average.add(Duration::from_millis(10), after(11), DECAY);
        assert!((average.at(after(11), DECAY) - 0.374).abs() < 0.001, "{average:?}");
        assert!(average.at(after(100), DECAY) < 0.001, "forgiven");
    }
}
