//! Endpoints that said in the answer to an ordinary request that they fail: workers tell the checker of them.

use std::sync::Arc;

use http::{HeaderMap, HeaderName};
use ripstop_model::Name;
use ripstop_policy::health::flags::HealthFlag;
use ripstop_policy::host::{Host, HostEntry};
use tokio::sync::mpsc;

use crate::generation::cluster::ActiveCluster;

/// Reports that may wait for the checker. More are not needed: an endpoint that fails says so in every answer.
pub const MAX_REPORTS: usize = 256;

/// What says so.
const IMMEDIATE_FAILURE: HeaderName = HeaderName::from_static("x-envoy-immediate-health-check-fail");

/// An endpoint of a cluster that fails by its own account.
pub type Failing = (Name, Arc<Host>);

/// Where it is reported. Cheap to clone.
#[derive(Clone)]
pub struct FailingHosts(mpsc::Sender<Failing>);

impl FailingHosts {
    /// A way to report, and its other end.
    pub fn channel() -> (FailingHosts, mpsc::Receiver<Failing>) {
        let (sender, receiver) = mpsc::channel(MAX_REPORTS);
        (FailingHosts(sender), receiver)
    }

    fn report(&self, cluster: &Name, host: &Arc<Host>) {
        // Without room it is not said now; so that it is said next time, the host must not look as if it had been.
        if self.0.try_send((cluster.clone(), host.clone())).is_err() {
            host.health.set(HealthFlag::ExcludedViaImmediateHcFail, false);
        }
    }
}

/// Whether a message says that its sender fails.
pub(super) fn says_so(headers: &HeaderMap) -> bool {
    headers.contains_key(IMMEDIATE_FAILURE)
}

/// Looks at the answer to an ordinary request. Costs nothing where the cluster has no health checks.
pub fn look_at(cluster: &ActiveCluster, entry: &HostEntry, headers: &HeaderMap) {
    let Some(health) = &cluster.lasting.health else { return };
    if !says_so(headers) || entry.endpoint.is_unchecked() {
        return;
    }
    if entry.host.health.set(HealthFlag::ExcludedViaImmediateHcFail, true) {
        health.failing.report(cluster.name(), &entry.host);
    }
}
