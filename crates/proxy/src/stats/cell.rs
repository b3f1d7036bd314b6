//! Counters that belong to one worker thread. Not for cells that several threads write.

use std::sync::atomic::{AtomicU64, Ordering};

/// A counter or gauge with a single writer. Any thread may read it.
///
/// Adding is a load and a store instead of a locked instruction. That is sound in any case (the cell is
/// atomic) and exact as long as only the worker that owns the block writes to it.
#[derive(Debug, Default)]
pub struct Cell(AtomicU64);

impl Cell {
    /// One more.
    pub fn inc(&self) {
        self.add(1);
    }

    /// `n` more.
    pub fn add(&self, n: u64) {
        self.0.store(self.get().wrapping_add(n), Ordering::Relaxed);
    }

    /// One less; only for gauges.
    pub fn dec(&self) {
        self.0.store(self.get().saturating_sub(1), Ordering::Relaxed);
    }

    /// Begins again at nothing. For the worker that owns the block.
    pub fn reset(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    /// The value now.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Counts by HTTP status, for at most [`StatusCounts::DISTINCT`] different ones; further ones share a cell.
#[derive(Debug, Default)]
pub struct StatusCounts {
    /// Status in the upper 16 bits, count below. 0: free.
    cells: [AtomicU64; StatusCounts::DISTINCT],
    other: Cell,
}

impl StatusCounts {
    /// How many different statuses have a cell of their own.
    pub const DISTINCT: usize = 16;
    const COUNT_BITS: u32 = 48;

    /// One more answer with `status`.
    pub fn inc(&self, status: u16) {
        for cell in &self.cells {
            let value = cell.load(Ordering::Relaxed);
            if value == 0 {
                cell.store((u64::from(status) << Self::COUNT_BITS) | 1, Ordering::Relaxed);
                return;
            }
            if value >> Self::COUNT_BITS == u64::from(status) {
                cell.store(value + 1, Ordering::Relaxed);
                return;
            }
        }
        self.other.inc();
    }

    /// Begins again at nothing. For the worker that owns the block.
    pub fn reset(&self) {
        self.cells.iter().for_each(|cell| cell.store(0, Ordering::Relaxed));
        self.other.reset();
    }

    /// `(status, count)`; those without a cell of their own have status 0.
    pub fn counts(&self) -> impl Iterator<Item = (u16, u64)> {
        let mask = (1 << Self::COUNT_BITS) - 1;
        let own = self.cells.iter().map(|cell| cell.load(Ordering::Relaxed)).filter(|value| *value != 0);
        let own = own.map(move |value| {
            // The shift leaves 16 bits.
            ((value >> Self::COUNT_BITS) as u16, value & mask)
        });
        own.chain(Some((0, self.other.get())).filter(|(_, count)| *count != 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_have_cells_of_their_own_until_they_run_out() {
        let counts = StatusCounts::default();
        for status in 200..220 {
            counts.inc(status);
            counts.inc(status);
        }
        let all: Vec<_> = counts.counts().collect();
        assert_eq!(all.len(), StatusCounts::DISTINCT + 1);
        assert_eq!(all[0], (200, 2));
        assert_eq!(all[StatusCounts::DISTINCT], (0, 8));
    }

    #[test]
    fn a_gauge_does_not_fall_below_zero() {
        let cell = Cell::default();
        cell.dec();
        cell.inc();
        assert_eq!(cell.get(), 1);
    }
}
