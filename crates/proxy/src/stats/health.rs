//! What is counted of the health checks of one cluster (Envoy's `cluster.<name>.health_check.*`). The control thread alone
//! counts, so that there is one block.

use super::cell::Cell;
use super::prometheus::{Field, Kind};

/// Cells of one cluster.
#[derive(Debug, Default)]
pub struct HealthStats {
    /// Checks begun.
    pub attempt: Cell,
    /// Checks that found the endpoint well.
    pub success: Cell,
    /// Checks that did not, and what endpoints said of themselves.
    pub failure: Cell,
    /// Of those, what endpoints said in answers to ordinary requests.
    pub passive_failure: Cell,
    /// Of those, failures of the network: no connection, a broken one, no answer in time.
    pub network_failure: Cell,
    /// Answers whose cluster name was looked at.
    pub verify_cluster: Cell,
    /// Endpoints that are checked and healthy.
    pub healthy: Cell,
    /// Endpoints that are checked and degraded.
    pub degraded: Cell,
}

pub(super) const HEALTH: [Field<HealthStats>; 8] = [
    ("health_check.attempt", Kind::Counter, |s| &s.attempt),
    ("health_check.success", Kind::Counter, |s| &s.success),
    ("health_check.failure", Kind::Counter, |s| &s.failure),
    ("health_check.passive_failure", Kind::Counter, |s| &s.passive_failure),
    ("health_check.network_failure", Kind::Counter, |s| &s.network_failure),
    ("health_check.verify_cluster", Kind::Counter, |s| &s.verify_cluster),
    ("health_check.healthy", Kind::Gauge, |s| &s.healthy),
    ("health_check.degraded", Kind::Gauge, |s| &s.degraded),
];
