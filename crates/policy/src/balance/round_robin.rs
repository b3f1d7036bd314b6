//! In turn: a cursor where weights are equal, earliest deadline first where they are not. Knows positions, not health.

use std::sync::Arc;
use std::time::Instant;

use super::edf::Schedule;
use super::weights::Weights;
use crate::host::HostEntry;

/// Whose turn it is among a fixed list of hosts.
#[derive(Debug)]
pub struct RoundRobin(Turn);

#[derive(Debug)]
enum Turn {
    Equal { next: usize, len: usize },
    Weighted { schedule: Schedule, weights: Weights },
}

impl RoundRobin {
    /// Turns that begin at a random place.
    pub fn new(
        entries: &[Arc<HostEntry>],
        weights: Option<Weights>,
        now: Instant,
        dice: &mut fastrand::Rng,
    ) -> RoundRobin {
        RoundRobin(match weights {
            None if entries.is_empty() => Turn::Equal { next: 0, len: 0 },
            None => Turn::Equal { next: dice.usize(0..entries.len()), len: entries.len() },
            Some(weights) => {
                Turn::Weighted { schedule: Schedule::new(weights.all(entries, now), dice), weights }
            }
        })
    }

    /// The position whose turn it is. `entries` are those given to [`RoundRobin::new`].
    pub fn pick(&mut self, entries: &[Arc<HostEntry>], now: Instant) -> usize {
        match &mut self.0 {
            Turn::Equal { next, len } => {
                let position = *next;
                *next = if position + 1 < *len { position + 1 } else { 0 };
                position
            }
            Turn::Weighted { schedule, weights } => {
                schedule.next(|position| weights.at(entries, position, now))
            }
        }
    }
}
