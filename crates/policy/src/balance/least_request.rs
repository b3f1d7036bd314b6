//! Fewest active requests: power of N choices where weights are equal, a weighted turn where they are not.
//!
//! As in Envoy. With equal weights, N hosts are drawn by dice (with replacement, like Envoy's; all are compared where
//! there are no more than N) and the one with fewest active requests is taken. With unequal weights, hosts take turns
//! by earliest deadline first with weight `w / (active + 1)^bias`, looked up anew at each turn.

use std::sync::Arc;
use std::time::Instant;

use super::edf::Schedule;
use super::weights::Weights;
use crate::host::HostEntry;

/// The choice among a fixed list of hosts.
#[derive(Debug)]
pub struct LeastRequest {
    choices: usize,
    bias: f64,
    /// Where weights are not equal.
    weighted: Option<(Schedule, Weights)>,
}

impl LeastRequest {
    /// Draws `choices` hosts, at least two. `bias_milli` is the bias in thousandths.
    pub fn new(
        entries: &[Arc<HostEntry>],
        weights: Option<Weights>,
        (choices, bias_milli): (u32, u32),
        now: Instant,
        dice: &mut fastrand::Rng,
    ) -> LeastRequest {
        let weighted = weights.map(|weights| (Schedule::new(weights.all(entries, now), dice), weights));
        LeastRequest {
            choices: usize::try_from(choices).unwrap_or(usize::MAX).max(2),
            bias: f64::from(bias_milli) / 1000.0,
            weighted,
        }
    }

    /// A position in `entries`, which are those given to [`LeastRequest::new`] and not empty.
    pub fn pick(&mut self, entries: &[Arc<HostEntry>], now: Instant, rng: &mut fastrand::Rng) -> usize {
        let active = |position: usize| entries[position].host.active_requests();
        if let Some((schedule, weights)) = &mut self.weighted {
            let bias = self.bias;
            return schedule.next(|position| {
                weights.at(entries, position, now) / (f64::from(active(position)) + 1.0).powf(bias)
            });
        }
        let start = rng.usize(0..entries.len());
        let mut best = (active(start), start);
        let compare = |best: (u32, usize), position: usize| match active(position) {
            fewer if fewer < best.0 => (fewer, position),
            _ => best,
        };
        if entries.len() <= self.choices {
            // From a random place on, so that equals are taken equally often.
            for step in 1..entries.len() {
                best = compare(best, (start + step) % entries.len());
            }
        } else {
            for _ in 1..self.choices {
                best = compare(best, rng.usize(0..entries.len()));
            }
        }
        best.1
    }
}
