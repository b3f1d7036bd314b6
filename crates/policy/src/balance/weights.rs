//! The weights of a list of hosts: what configuration says, and how new a host is.

use std::sync::Arc;
use std::time::Instant;

use ripstop_model::load_balancing::SlowStart;

use super::slow_start;
use crate::host::HostEntry;

/// Weights that are not all equal, or not for ever.
#[derive(Debug)]
pub struct Weights {
    weights: Vec<f64>,
    slow_start: Option<SlowStart>,
}

impl Weights {
    /// The weights of `entries`; `None` where all are equal and need not be looked at.
    pub fn of(entries: &[Arc<HostEntry>], slow_start: Option<SlowStart>, now: Instant) -> Option<Weights> {
        let first = entries.first()?.endpoint.weight;
        let slow_start =
            slow_start.filter(|config| entries.iter().any(|entry| slow_start::is_new(config, entry, now)));
        if slow_start.is_none() && entries.iter().all(|entry| entry.endpoint.weight == first) {
            return None;
        }
        let weights = entries.iter().map(|entry| f64::from(entry.endpoint.weight.get())).collect();
        Some(Weights { weights, slow_start })
    }

    /// The weight of one of the hosts now, above zero.
    pub fn at(&self, entries: &[Arc<HostEntry>], position: usize, now: Instant) -> f64 {
        let share =
            self.slow_start.as_ref().map_or(1.0, |config| slow_start::share(config, &entries[position], now));
        self.weights[position] * share
    }

    /// All of them.
    pub fn all(&self, entries: &[Arc<HostEntry>], now: Instant) -> impl Iterator<Item = f64> {
        (0..self.weights.len()).map(move |position| self.at(entries, position, now))
    }
}
