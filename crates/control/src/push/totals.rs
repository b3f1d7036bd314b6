//! Sums since the start. A stream counts for itself while it lasts; at its end its counts go into the sums, so that no
//! sum ever falls.

use std::collections::BTreeMap;
use std::time::Duration;

use ripstop_xds::ResourceType;
use ripstop_xds::server::StreamReport;

use super::entry::Entry;

/// What was sent of one type, and refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TypeTotals {
    /// Responses sent.
    pub(crate) responses: u64,
    /// Responses refused.
    pub(crate) nacks: u64,
}

/// Sums over everything that has been.
#[derive(Clone, Debug, Default)]
pub(super) struct Totals {
    /// Snapshots given to proxies: the first, and each that differs.
    pub(super) pushes: u64,
    /// Snapshots that a new world did not change.
    pub(super) unchanged: u64,
    /// Streams refused.
    pub(super) refused: u64,
    /// Worlds applied.
    pub(super) applied: u64,
    /// Time from a new world to the last snapshot, all together.
    pub(super) apply_time: Duration,
    /// Of streams that have ended.
    pub(super) types: BTreeMap<ResourceType, TypeTotals>,
}

impl Totals {
    pub(super) fn count_push(&mut self, changed: bool) {
        let counter = if changed { &mut self.pushes } else { &mut self.unchanged };
        *counter += 1;
    }

    /// So many proxies have nothing new.
    pub(super) fn count_unchanged(&mut self, proxies: usize) {
        self.unchanged += u64::try_from(proxies).unwrap_or(u64::MAX);
    }

    pub(super) fn count_refused(&mut self) {
        self.refused += 1;
    }

    pub(super) fn count_apply(&mut self, took: Duration) {
        self.applied += 1;
        self.apply_time += took;
    }

    /// Adds what one stream has counted.
    pub(super) fn absorb(&mut self, report: &StreamReport) {
        for (kind, of_type) in &report.types {
            let sum = self.types.entry(*kind).or_default();
            sum.responses += of_type.responses;
            sum.nacks += of_type.nacks;
        }
    }

    /// Adds what all streams of an entry have counted.
    pub(super) fn absorb_all(&mut self, entry: &Entry) {
        for stream in entry.streams() {
            self.absorb(&stream.status.report());
        }
    }
}
