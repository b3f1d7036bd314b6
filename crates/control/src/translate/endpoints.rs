//! Instances as endpoints.

use std::net::SocketAddr;

use ripstop_model::{ClusterLoadAssignment, Endpoint, Name};

use crate::world::Instance;

/// The instances of a cluster, by name of the workload.
pub(super) fn assignment(cluster: &Name, instances: &[(&Instance, SocketAddr)]) -> ClusterLoadAssignment {
    let endpoint = |(instance, address): &(&Instance, SocketAddr)| Endpoint {
        hostname: instance.workload.meta.name().clone(),
        labels: instance.workload.meta.labels.clone(),
        ..Endpoint::new(*address)
    };
    ClusterLoadAssignment::flat(cluster.clone(), instances.iter().map(endpoint).collect())
}

/// No instances.
pub(super) fn none(cluster: &Name) -> ClusterLoadAssignment {
    ClusterLoadAssignment::flat(cluster.clone(), Vec::new())
}
