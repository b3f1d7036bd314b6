//! In turn, by weights that follow from what hosts say of their load (gRFC A58). Their configured weights do not count.

use std::sync::Arc;
use std::time::Instant;

use ripstop_model::load_balancing::{ClientWeighted, SlowStart};

use super::edf::Schedule;
use super::slow_start;
use crate::host::HostEntry;

/// Whose turn it is, with the weights of a moment.
#[derive(Debug)]
pub struct Turn {
    policy: ClientWeighted,
    slow_start: Option<SlowStart>,
    weights: Vec<f64>,
    schedule: Schedule,
    updated: Instant,
    dice: fastrand::Rng,
}

impl Turn {
    /// Begins somewhere.
    pub fn new(
        entries: &[Arc<HostEntry>],
        policy: ClientWeighted,
        slow_start: Option<SlowStart>,
        now: Instant,
        dice: &mut fastrand::Rng,
    ) -> Turn {
        let mut dice = dice.fork();
        let weights = weights(entries, &policy, slow_start, now);
        let schedule = Schedule::new(weights.iter().copied(), &mut dice);
        Turn { policy, slow_start, weights, schedule, updated: now, dice }
    }

    /// The position of the host whose turn it is. Weights are looked at again when it is time.
    pub fn pick(&mut self, entries: &[Arc<HostEntry>], now: Instant) -> usize {
        if now.saturating_duration_since(self.updated) >= self.policy.update_period {
            self.updated = now;
            let weights = weights(entries, &self.policy, self.slow_start, now);
            if weights != self.weights {
                self.schedule = Schedule::new(weights.iter().copied(), &mut self.dice);
                self.weights = weights;
            }
        }
        let weights = &self.weights;
        self.schedule.next(|position| weights[position])
    }
}

/// Hosts without a weight of their own get the average of the others; if nobody has one, all are alike.
fn weights(
    entries: &[Arc<HostEntry>],
    policy: &ClientWeighted,
    slow_start: Option<SlowStart>,
    now: Instant,
) -> Vec<f64> {
    let own = |entry: &Arc<HostEntry>| entry.host.load_weight(policy, now).map(f64::from);
    let own: Vec<Option<f64>> = entries.iter().map(own).collect();
    let known = own.iter().flatten().count();
    let average = if known == 0 { 1.0 } else { own.iter().flatten().sum::<f64>() / known as f64 };
    let share = |entry: &Arc<HostEntry>| {
        slow_start.as_ref().map_or(1.0, |config| slow_start::share(config, entry, now))
    };
    entries.iter().zip(own).map(|(entry, own)| own.unwrap_or(average) * share(entry)).collect()
}
