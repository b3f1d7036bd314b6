//! What outlier detection has counted, by Envoy's words. Kept while its configuration changes.

use std::sync::atomic::{AtomicU64, Ordering};

use super::EjectionReason;

/// Counts that only grow, but for a reset.
#[derive(Debug, Default)]
pub struct OutlierTotals {
    /// Hosts found to be outliers, whether or not they were put aside.
    detected: [AtomicU64; EjectionReason::ALL.len()],
    /// Of these, the ones that were.
    enforced: [AtomicU64; EjectionReason::ALL.len()],
    /// Outliers that were not put aside because as many as may be were already.
    overflow: AtomicU64,
    /// See [`OutlierTotals::found_with_room`].
    found_with_room: AtomicU64,
}

impl OutlierTotals {
    /// Hosts that this detector found to be outliers.
    pub fn detected(&self, reason: EjectionReason) -> u64 {
        self.detected[reason as usize].load(Ordering::Relaxed)
    }

    /// Hosts that were put aside for this reason.
    pub fn enforced(&self, reason: EjectionReason) -> u64 {
        self.enforced[reason as usize].load(Ordering::Relaxed)
    }

    /// Hosts that were put aside, for whatever reason.
    pub fn all_enforced(&self) -> u64 {
        EjectionReason::ALL.into_iter().map(|reason| self.enforced(reason)).sum()
    }

    /// Outliers that were not put aside because as many as may be were already.
    pub fn overflow(&self) -> u64 {
        self.overflow.load(Ordering::Relaxed)
    }

    /// What Envoy's old `ejections_total` counts: outliers by 5xx in a row or by success rate for which there was room, whether
    /// or not they were put aside.
    pub fn found_with_room(&self) -> u64 {
        self.found_with_room.load(Ordering::Relaxed)
    }

    /// Begins counting again.
    pub fn reset(&self) {
        let all = self.detected.iter().chain(&self.enforced).chain([&self.overflow, &self.found_with_room]);
        all.for_each(|counter| counter.store(0, Ordering::Relaxed));
    }

    pub(super) fn count_detected(&self, reason: EjectionReason) {
        self.detected[reason as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_with_room(&self, reason: EjectionReason) {
        if matches!(reason, EjectionReason::Consecutive5xx | EjectionReason::SuccessRate) {
            self.found_with_room.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn count_enforced(&self, reason: EjectionReason) {
        self.enforced[reason as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_overflow(&self) {
        self.overflow.fetch_add(1, Ordering::Relaxed);
    }
}
