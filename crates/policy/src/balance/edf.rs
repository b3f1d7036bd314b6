//! Earliest deadline first: turns in proportion to weights, as smoothly as can be, in O(log n) a turn.
//!
//! The scheduler that Envoy uses for unequal weights. Every position is due once in a period of `1 / weight`; the one
//! that is due first is taken and becomes due a period later. Which host a position stands for is the caller's affair.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// Positions with weights, in the order in which they are due.
#[derive(Debug)]
pub struct Schedule {
    due: BinaryHeap<Due>,
    /// Raised with each turn: of two that are due at once, the one that waited longer comes first.
    turn: u64,
}

#[derive(Debug)]
struct Due {
    at: f64,
    turn: u64,
    position: usize,
}

impl Schedule {
    /// A schedule of `weights`, all above zero. Each position begins at a random place of its period, so that many
    /// schedules over the same weights do not begin with the same position.
    pub fn new(weights: impl IntoIterator<Item = f64>, dice: &mut fastrand::Rng) -> Schedule {
        let due = weights.into_iter().enumerate();
        let due = due.map(|(position, weight)| Due { at: dice.f64() / weight, turn: 0, position });
        Schedule { due: due.collect(), turn: 0 }
    }

    /// The position that is due; its next period is that of the weight that `weight` gives it now. 0 when there are
    /// no positions.
    pub fn next(&mut self, weight: impl FnOnce(usize) -> f64) -> usize {
        let Some(mut first) = self.due.peek_mut() else { return 0 };
        self.turn += 1;
        let position = first.position;
        // Writing through `PeekMut` sifts the entry to its new place.
        first.at += 1.0 / weight(position);
        first.turn = self.turn;
        position
    }
}

impl Ord for Due {
    /// `BinaryHeap` gives the greatest first, so the earliest is the greatest.
    fn cmp(&self, other: &Due) -> Ordering {
        other.at.total_cmp(&self.at).then(other.turn.cmp(&self.turn))
    }
}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Due) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Due {
    fn eq(&self, other: &Due) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Due {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_are_in_proportion_and_smooth() {
        let weights = [5.0, 1.0, 1.0];
        let mut schedule = Schedule::new(weights, &mut fastrand::Rng::with_seed(1));
        let turns: Vec<usize> = (0..7_000).map(|_| schedule.next(|i| weights[i])).collect();
        let count = |position| turns.iter().filter(|&&t| t == position).count();
        assert!(count(0).abs_diff(5_000) <= 1 && count(1).abs_diff(1_000) <= 1);
        // In any stretch of seven turns each has its share, give or take one.
        for stretch in turns.windows(7) {
            assert!((4..=6).contains(&stretch.iter().filter(|&&t| t == 0).count()));
        }
    }

    #[test]
    fn an_empty_schedule_does_not_panic() {
        assert_eq!(Schedule::new([], &mut fastrand::Rng::with_seed(1)).next(|_| 1.0), 0);
    }
}
