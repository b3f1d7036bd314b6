//! How the pushes stand, as plain values for the API and for metrics.

use std::collections::BTreeMap;
use std::time::Duration;

use ripstop_model::SpiffeId;
use ripstop_xds::ResourceType;
use ripstop_xds::server::StreamReport;
use ripstop_yaml::Problem;

use super::rollout::{self, Standing};
use super::totals::TypeTotals;
use super::{State, seconds};
use crate::translate::ProxyRef;

/// Every connected proxy, and sums since the start.
#[derive(Clone, Debug)]
pub(crate) struct HubReport {
    /// Connected proxies by namespace and workload.
    pub(crate) proxies: Vec<ProxyReport>,
    /// Snapshots given to proxies: the first, and each that differs from the one before.
    pub(crate) pushes: u64,
    /// Snapshots that a new world did not change, and that were not sent.
    pub(crate) unchanged: u64,
    /// Streams refused.
    pub(crate) refused: u64,
    /// Worlds given to the proxies of their time.
    pub(crate) applied: u64,
    /// Seconds from a new world to the last snapshot, all together.
    pub(crate) apply_seconds: f64,
    /// By type.
    pub(crate) types: BTreeMap<ResourceType, TypeTotals>,
}

/// One connected proxy.
#[derive(Clone, Debug)]
pub(crate) struct ProxyReport {
    /// Whose proxy.
    pub(crate) proxy: ProxyRef,
    /// What it has proved to be; `None`: a gRPC library that was taken at its word.
    pub(crate) identity: Option<SpiffeId>,
    /// The revision of which it has its snapshot.
    pub(crate) revision: u64,
    /// The revision that changed its snapshot last.
    pub(crate) changed_in: u64,
    /// What could not be said to it as it was meant.
    pub(crate) warnings: Vec<Problem>,
    /// What it has answered to the newest snapshot.
    pub(crate) standing: Standing,
    /// How long ago that was pushed.
    pub(crate) age: Duration,
    /// Its streams; more than one while it reconnects.
    pub(crate) streams: Vec<StreamView>,
}

/// One stream of a proxy.
#[derive(Clone, Debug)]
pub(crate) struct StreamView {
    /// The node id.
    pub(crate) node: String,
    /// Name and version of its software.
    pub(crate) user_agent: String,
    /// What became of the pushes.
    pub(crate) report: StreamReport,
}

impl ProxyReport {
    /// It has accepted everything that it is shown.
    pub(crate) fn is_synced(&self) -> bool {
        matches!(self.standing, Standing::Accepted(_))
    }
}

pub(super) fn report(state: &mut State) -> HubReport {
    let State { entries, totals, revision: pushed, .. } = state;
    let mut proxies = Vec::with_capacity(entries.len());
    for (proxy, entry) in entries.iter_mut() {
        entry.prune(totals);
        let (revision, changed_in) = entry.revisions();
        let streams = entry.streams().iter().map(|stream| StreamView {
            node: stream.node.clone(),
            user_agent: stream.user_agent.clone(),
            report: stream.status.report(),
        });
        proxies.push(ProxyReport {
            proxy: proxy.clone(),
            identity: entry.identity().cloned(),
            // Of a world that it was not pushed for, nothing was new to it.
            revision: revision.max(*pushed),
            changed_in,
            standing: rollout::of_entry(entry, entry.pushed_at()),
            age: entry.pushed_at().elapsed(),
            warnings: entry.warnings().to_vec(),
            streams: streams.collect(),
        });
    }
    let mut sums = totals.clone();
    for stream in proxies.iter().flat_map(|proxy| &proxy.streams) {
        sums.absorb(&stream.report);
    }
    HubReport {
        proxies,
        pushes: sums.pushes,
        unchanged: sums.unchanged,
        refused: sums.refused,
        applied: sums.applied,
        apply_seconds: seconds(sums.apply_time),
        types: sums.types,
    }
}
