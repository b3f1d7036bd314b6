//! Clusters that a request may go to, and their endpoints.

use ripstop_model::{Address, Cluster, Discovery, LbPolicy, Name, Snapshot};

use super::{Candidate, Target, inbound};
use crate::provenance;
use crate::translate::ProxyRef;
use crate::world::{Instance, World};

/// What is known where clusters are looked up.
pub(super) struct Targets<'a> {
    pub(super) world: &'a World,
    pub(super) snapshot: &'a Snapshot,
    /// Who calls.
    pub(super) proxy: &'a ProxyRef,
}

impl Targets<'_> {
    /// The clusters with these weights. A weight of zero takes nothing, unless all are zero: then the first takes all.
    pub(super) fn of(&self, shares: &[(&Name, u32)]) -> Vec<Target> {
        let total: u64 = shares.iter().map(|(_, weight)| u64::from(*weight)).sum();
        let percent = |index: usize, weight: u32| match total {
            0 => f64::from(u8::from(index == 0)) * 100.0,
            total => f64::from(weight) * 100.0 / total as f64,
        };
        shares
            .iter()
            .enumerate()
            .map(|(index, (name, weight))| self.target(name, percent(index, *weight)))
            .collect()
    }

    fn target(&self, name: &Name, percent: f64) -> Target {
        let places = provenance::of_cluster(self.world, name, self.proxy);
        let cluster = self.snapshot.clusters.get(name).map(|cluster| &**cluster);
        let mtls = cluster.is_some_and(|cluster| cluster.transport.tls.is_some());
        Target {
            cluster: name.clone(),
            percent,
            places,
            balancer: cluster.map_or("there is no such cluster", |cluster| balancer(&cluster.lb.policy)),
            mtls,
            ejection: cluster.and_then(ejection),
            candidates: cluster.map(|cluster| self.candidates(cluster, mtls)).unwrap_or_default(),
        }
    }

    fn candidates(&self, cluster: &Cluster, mtls: bool) -> Vec<Candidate> {
        let assignment = match &cluster.discovery {
            Discovery::Static(assignment) => Some(assignment),
            _ => cluster.eds_name().and_then(|name| self.snapshot.endpoints.get(name)).map(|found| &**found),
        };
        let localities = assignment.map(|assignment| assignment.localities.as_slice()).unwrap_or_default();
        let mut candidates = Vec::new();
        for locality in localities {
            for endpoint in &locality.endpoints {
                let instance = self.instance_at(&endpoint.address);
                candidates.push(Candidate {
                    address: endpoint.address.to_string(),
                    workload: instance.map(|instance| instance.key().clone()),
                    health: endpoint.health.as_str(),
                    priority: locality.priority,
                    weight: endpoint.weight.get(),
                    inbound: instance
                        .and_then(|instance| inbound::explain(self.world, instance, &endpoint.address, mtls)),
                });
            }
        }
        candidates
    }

    /// The workload that has this address: that of its sidecar, or of itself.
    fn instance_at(&self, address: &Address) -> Option<&Instance> {
        let Address::Socket(address) = address else { return None };
        self.world.instances().map(|instance| &**instance).find(|instance| {
            let workload = &instance.workload;
            let has =
                |port: u16| workload.ports.values().any(|one| one.sidecar == Some(port) || one.app == port);
            workload.address == address.ip() && has(address.port())
        })
    }
}

fn balancer(policy: &LbPolicy) -> &'static str {
    match policy {
        LbPolicy::RoundRobin => "ROUND_ROBIN",
        LbPolicy::LeastRequest { .. } => "LEAST_REQUEST",
        LbPolicy::Random => "RANDOM",
        LbPolicy::RingHash { .. } => "RING_HASH",
        LbPolicy::Maglev { .. } => "MAGLEV",
        LbPolicy::LeastResponseTime { .. } => "LEAST_RESPONSE_TIME",
        LbPolicy::ClientWeighted(_) => "CLIENT_SIDE_WEIGHTED_ROUND_ROBIN",
    }
}

fn ejection(cluster: &Cluster) -> Option<String> {
    let outlier = cluster.outlier.as_ref()?;
    let errors = outlier.consecutive_5xx.as_ref().map(|streak| format!("{} errors in a row", streak.count));
    let gateway = outlier
        .consecutive_gateway_failure
        .as_ref()
        .map(|streak| format!("{} gateway errors in a row", streak.count));
    let after: Vec<String> = errors.into_iter().chain(gateway).collect();
    (!after.is_empty()).then(|| {
        format!("after {}, for {:?} and longer each time", after.join(" or "), outlier.base_ejection_time)
    })
}
