//! Connections that end because their endpoint was found ill (Envoy's `close_connections_on_host_health_failure`).

use std::time::Duration;

use ripstop_model::Cluster;
use ripstop_policy::host::Host;

/// How often the health of an endpoint is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// Waits until the endpoint falls ill; for ever where the cluster leaves connections open then. One that is ill already, as in
/// panic, has to be well in between.
pub(super) async fn of(cluster: &Cluster, host: &Host) {
    if !cluster.health.close_connections_on_failure {
        return std::future::pending().await;
    }
    let mut tick = tokio::time::interval(LOOK_AGAIN);
    while host.is_ill() {
        tick.tick().await;
    }
    while !host.is_ill() {
        tick.tick().await;
    }
}
