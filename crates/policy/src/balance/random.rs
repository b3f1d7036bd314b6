//! By dice, in proportion to weights. Remembers nothing.

use std::sync::Arc;
use std::time::Instant;

use super::weights::Weights;
use crate::host::HostEntry;

/// The choice among a fixed list of hosts.
#[derive(Debug)]
pub struct Random {
    len: usize,
    /// Running sums, where weights are not equal.
    bounds: Option<Vec<f64>>,
}

impl Random {
    /// Prepares the dice.
    pub fn new(entries: &[Arc<HostEntry>], weights: Option<Weights>, now: Instant) -> Random {
        let running_sums = |weights: Weights| {
            let mut sum = 0.0;
            let add = |weight| {
                sum += weight;
                sum
            };
            weights.all(entries, now).map(add).collect()
        };
        Random { len: entries.len(), bounds: weights.map(running_sums) }
    }

    /// A position in the list given to [`Random::new`]; 0 when it was empty.
    pub fn pick(&self, rng: &mut fastrand::Rng) -> usize {
        match &self.bounds {
            None if self.len == 0 => 0,
            None => rng.usize(0..self.len),
            Some(bounds) => {
                let thrown = rng.f64() * bounds.last().copied().unwrap_or_default();
                bounds.partition_point(|&bound| bound <= thrown).min(self.len - 1)
            }
        }
    }
}
