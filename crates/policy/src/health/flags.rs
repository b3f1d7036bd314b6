//! What active checks have found of a host: one atomic that the control thread writes and every balancer reads.

use std::sync::atomic::{AtomicU8, Ordering};

/// One finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HealthFlag {
    /// Checks say that it is unhealthy, or it was never checked.
    FailedActiveHc = 1,
    /// Checks say that it is degraded.
    DegradedActiveHc = 1 << 1,
    /// It was never checked, and does not count until then.
    PendingActiveHc = 1 << 2,
    /// It said itself that it fails; it does not count until a check succeeds.
    ExcludedViaImmediateHcFail = 1 << 3,
    /// It failed because it did not answer in time.
    ActiveHcTimeout = 1 << 4,
}

/// All findings of a host.
#[derive(Debug, Default)]
pub struct HealthFlags(AtomicU8);

impl HealthFlags {
    /// Whether a flag is set.
    pub fn has(&self, flag: HealthFlag) -> bool {
        self.has_any(&[flag])
    }

    /// Whether one of them is set.
    pub fn has_any(&self, flags: &[HealthFlag]) -> bool {
        let mask = flags.iter().fold(0, |mask, flag| mask | *flag as u8);
        self.0.load(Ordering::Acquire) & mask != 0
    }

    /// Sets a flag or takes it away; whether that changed anything.
    pub fn set(&self, flag: HealthFlag, on: bool) -> bool {
        let bit = flag as u8;
        let before = if on {
            self.0.fetch_or(bit, Ordering::AcqRel)
        } else {
            self.0.fetch_and(!bit, Ordering::AcqRel)
        };
        (before & bit != 0) != on
    }

    /// Takes all flags away: nobody checks any more.
    pub fn clear(&self) {
        self.0.store(0, Ordering::Release);
    }
}
